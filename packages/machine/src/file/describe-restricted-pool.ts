import { DmascopeError } from '@dmascope/layout'
import { parseSize } from '../catalogue/property.ts'
import type { MachineDescription } from '../description.ts'
import type { Places } from './places.ts'
import type { MachineFileContent } from './schema.ts'

/** What a size without a suffix counts. */
const MIB = 0x10_0000

/**
 * The only memory that devices reach, where a machine file has such.
 *
 * @throws DmascopeError MACHINE_FILE_VALUE for a machine that cannot have it, or a size that is none
 */
export function describeRestrictedPool(
  { machine, restrictedPool }: MachineFileContent,
  places: Places,
): Pick<MachineDescription, 'restrictedPool'> {
  if (restrictedPool === undefined) return {}
  const where = places.where(['restrictedPool'])
  if (machine !== 'virt') {
    throw new DmascopeError(
      'MACHINE_FILE_VALUE',
      `${where}: only a virt can keep devices out of memory; write machine: virt, or leave it out`,
      { machine },
    )
  }
  const bytes = parseSize(String(restrictedPool), MIB)
  if (bytes !== null && bytes > 0) return { restrictedPool: bytes }
  throw new DmascopeError('MACHINE_FILE_VALUE', `${where}: expected a size such as 16M, got '${restrictedPool}'`, {
    value: restrictedPool,
  })
}
