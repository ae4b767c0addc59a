import { DmascopeError } from '@dmascope/layout'
import { RAM_BASE } from '../arm-virt/memory-map.ts'
import type { MachineDescription } from '../description.ts'
import type { OpenRegion } from './memory-filter.ts'

const KIB = 1024
const MIB = KIB * KIB
const FOUR_GIB = 0x1_0000_0000
/** A pool is of whole segments of bounce buffers, and has to leave room for the rest. */
const SEGMENT = 256 * KIB
const ALIGNMENT = 2 * MIB

/** What else of the machine would have to mind that devices do not reach all memory. */
interface Beside {
  readonly firmware: boolean
  readonly iommu: boolean
}

/**
 * Where the one region is that devices reach: at the end of RAM, below 4 GiB. Null where they reach all.
 *
 * @throws DmascopeError MACHINE_REFUSED for a size that is none, MACHINE_NOT_MODELLED beside what else reads memory
 */
export function planRestrictedPool(
  { restrictedPool: size, memory, memorySystem }: MachineDescription,
  { firmware, iommu }: Beside,
): OpenRegion | null {
  if (size === undefined) return null
  const refuse = (what: string, instead: string): DmascopeError =>
    new DmascopeError('MACHINE_NOT_MODELLED', `restrictedPool beside ${what} is not modelled; ${instead}`, { size })
  if (firmware) throw refuse('firmware, whose tables cannot tell of it,', 'leave -bios out')
  if (iommu) throw refuse('an IOMMU, with which Linux uses no pool,', 'leave one of the two out')
  if (memorySystem !== undefined) throw refuse(`memorySystem ${memorySystem}`, 'leave one of the two out')
  if (!Number.isSafeInteger(size) || size < SEGMENT || size % SEGMENT !== 0 || size > memory / 4) {
    throw new DmascopeError(
      'MACHINE_REFUSED',
      `restrictedPool of ${size} bytes: write a multiple of 256K, and at most a quarter of the memory, such as 16M`,
      { size, memory },
    )
  }
  const end = Math.min(RAM_BASE + memory, FOUR_GIB)
  return { base: Math.floor((end - size) / ALIGNMENT) * ALIGNMENT, size }
}
