import { DmascopeError } from '@dmascope/layout'
import { parseSize } from '../catalogue/property.ts'
import type { FirmwareRegionDescription, MachineDescription } from '../description.ts'
import type { Places } from './places.ts'
import type { MachineFileContent } from './schema.ts'

/** Models of IOMMUs whose tables can name regions. */
const IOMMUS = ['intel-iommu', 'amd-iommu']
const SMALLEST = 4096
const MOST_BYTES = 0x100_0000
/** A table's length has 16 bits for a record, and one region needs few of them; more than this serves nothing. */
const MOST_REGIONS = 64

/**
 * The regions of a machine file that firmware's agents in devices go on using.
 *
 * @throws DmascopeError MACHINE_FILE_VALUE naming the place
 */
export function describeFirmwareRegions(
  { machine, firmwareRegions, devices = [] }: MachineFileContent,
  places: Places,
): Pick<MachineDescription, 'firmwareRegions'> {
  if (firmwareRegions === undefined || firmwareRegions.length === 0) return {}
  const refuse = (path: readonly (string | number)[], text: string): DmascopeError =>
    new DmascopeError('MACHINE_FILE_VALUE', `${places.where(path)}: ${text}`, { machine })
  if ((machine !== 'q35' && machine !== 'pc') || !devices.some(({ model }) => IOMMUS.includes(model))) {
    throw refuse(
      ['firmwareRegions'],
      `only the tables of ${IOMMUS.join(' and ')} name such regions; add one of these to a q35 or pc, or leave them out`,
    )
  }
  if (firmwareRegions.length > MOST_REGIONS) {
    throw refuse(['firmwareRegions'], `at most ${MOST_REGIONS} regions, got ${firmwareRegions.length}`)
  }
  let total = 0
  const described = firmwareRegions.map(({ device, size }, index): FirmwareRegionDescription => {
    const path = ['firmwareRegions', index]
    if (!devices.some(({ id }) => id === device)) {
      const known = devices.flatMap(({ id }) => id ?? [])
      throw refuse(
        [...path, 'device'],
        `no device has the id '${device}'; ${known.length === 0 ? 'give one an id' : `known are ${known.join(', ')}`}`,
      )
    }
    const bytes = size === undefined ? SMALLEST : parseSize(String(size), 1)
    if (bytes === null || bytes < SMALLEST) {
      throw refuse([...path, 'size'], `a region has 4K or more, got '${size}'; write such as 64K`)
    }
    total += bytes
    return { device, size: bytes, location: { text: places.where(path) } }
  })
  if (total > MOST_BYTES) throw refuse(['firmwareRegions'], `${total} bytes in all; at most 16M`)
  return { firmwareRegions: described }
}
