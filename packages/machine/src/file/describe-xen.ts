import { DmascopeError } from '@dmascope/layout'
import { defaultDomainMemory } from '@dmascope/xen'
import { parseSize } from '../catalogue/property.ts'
import type { MachineDescription } from '../description.ts'
import type { Places } from './places.ts'
import type { MachineFileContent } from './schema.ts'

/** What a size without a suffix counts. */
const MIB = 0x10_0000

/**
 * Xen, as a machine file asks for it.
 *
 * @param memory - bytes of the machine's
 * @throws DmascopeError MACHINE_FILE_VALUE naming the place
 */
export function describeXen(
  { xen }: MachineFileContent,
  memory: number,
  places: Places,
): Pick<MachineDescription, 'xen'> {
  if (xen === undefined) return {}
  const read = (key: 'memory' | 'piece', unit: number): number | undefined => {
    const value = xen[key]
    if (value === undefined) return undefined
    const bytes = parseSize(String(value), unit)
    if (bytes !== null && bytes > 0) return bytes
    throw new DmascopeError(
      'MACHINE_FILE_VALUE',
      `${places.where(['xen', key])}: expected a size such as ${key === 'memory' ? '192M' : '16K'}, got '${value}'`,
      { value },
    )
  }
  const piece = read('piece', 1)
  return { xen: { memory: read('memory', MIB) ?? defaultDomainMemory(memory), ...(piece !== undefined && { piece }) } }
}
