import { DmascopeError } from '@dmascope/layout'
import type { MachineDescription } from '../description.ts'
import type { Places } from './places.ts'
import type { MachineFileContent } from './schema.ts'

/**
 * What a machine file puts between processor and RAM.
 *
 * @throws DmascopeError MACHINE_FILE_VALUE for a machine that cannot have it
 */
export function describeMemorySystem(
  { machine, memorySystem }: MachineFileContent,
  places: Places,
): Pick<MachineDescription, 'memorySystem'> {
  if (memorySystem === undefined) return {}
  if (machine === 'virt') return { memorySystem }
  throw new DmascopeError(
    'MACHINE_FILE_VALUE',
    `${places.where(['memorySystem'])}: only a virt has a choice of it; write machine: virt, or leave it out`,
    { machine, memorySystem },
  )
}
