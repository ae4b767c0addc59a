import { DmascopeError } from '@dmascope/layout'
import type { MachineDescription, SegmentDescription } from '../description.ts'
import type { Places } from './places.ts'
import type { MachineFileContent } from './schema.ts'

/** Models of IOMMUs of which a machine can have several, one a segment. */
const IOMMUS = ['intel-iommu']

/**
 * The segments of a machine file, ascending.
 *
 * @throws DmascopeError MACHINE_FILE_VALUE, MACHINE_FILE_DUPLICATE_ID naming the place
 */
export function describeSegments(
  { machine, segments, devices = [] }: MachineFileContent,
  places: Places,
): Pick<MachineDescription, 'segments'> {
  if (segments === undefined || segments.length === 0) return {}
  if (machine !== 'q35') {
    throw new DmascopeError(
      'MACHINE_FILE_VALUE',
      `${places.whereKey(['segments'])}: only a q35 takes further segments; on a pseries, add devices of the model spapr-pci-host-bridge`,
      { machine },
    )
  }
  const hasIommu = devices.some(({ model }) => IOMMUS.includes(model))
  const described = segments.map(({ segment, bus, iommu }, index): SegmentDescription => {
    const where = places.where(['segments', index])
    if (iommu === true && !hasIommu) {
      throw new DmascopeError(
        'MACHINE_FILE_VALUE',
        `${places.where(['segments', index, 'iommu'])}: the machine has no IOMMU that a segment could have one like; add a device of the model ${IOMMUS.join(' or ')}, or leave iommu out`,
        { segment },
      )
    }
    return { segment, bus: bus ?? `segment${segment}.0`, iommu: iommu ?? hasIommu, location: { text: where } }
  })
  for (const key of ['segment', 'bus'] as const) {
    const seen = new Map<number | string, string>()
    for (const [index, one] of described.entries()) {
      const first = seen.get(one[key])
      const where = places.where(['segments', index])
      if (first !== undefined) {
        throw new DmascopeError(
          'MACHINE_FILE_DUPLICATE_ID',
          `${where}: ${key} ${one[key]} is there already, at ${first}`,
          { [key]: one[key] },
        )
      }
      seen.set(one[key], where)
    }
  }
  return { segments: described.sort((a, b) => a.segment - b.segment) }
}
