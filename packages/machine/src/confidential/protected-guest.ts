import type { CpuBusExtras } from '../cpu-bus.ts'
import type { PrivateMemory } from './private-memory.ts'

/** How a protected guest of s390x shares its pages with its hypervisor, behind the ultravisor's calls. */
export interface Sharing {
  /** @param page - its number. @returns false where that is no page of memory */
  setShared(page: number, shared: boolean): boolean
}

/**
 * What the board makes instructions of: pages by number, as the contract of the CPU seam has them. The guest itself has
 * no such way; it has the ultravisor's calls.
 */
export const protectedProcessor = (memory: PrivateMemory): Omit<CpuBusExtras, 'ports'> => ({
  setPageState: (page, state) => (memory.setOpen(page, state === 'shared') ? 0 : -1),
})

/** @returns null where the guest is not protected */
export function sharingOf({ setPageState }: Omit<CpuBusExtras, 'ports'>): Sharing | null {
  if (setPageState === undefined) return null
  return { setShared: (page, shared) => setPageState(page, shared ? 'shared' : 'private') === 0 }
}
