import type { CpuBusExtras } from '../cpu-bus.ts'
import type { PrivateMemory } from './private-memory.ts'

/** Calls of a guest on the ultravisor of POWER's protected execution facility (Linux's ultravisor API). */
const UV_ESM = 0xf110
const UV_SHARE_PAGE = 0xf130
const UV_UNSHARE_PAGE = 0xf134
const UV_UNSHARE_ALL_PAGES = 0xf140
const FIRST = 0xf100
const LAST = 0xf1ff

const U_SUCCESS = 0
const U_FUNCTION = -2
const U_PARAMETER = -4
/** Pages that one call can be about: memory of 4 TiB. */
const MOST_PAGES = 2 ** 30

export const isUltracall = (number: number): boolean => number >= FIRST && number <= LAST

/** The ultravisor, as far as memory goes: the guest asks to be made secure, and shares pages with its hypervisor. */
export const ultravisor = (memory: PrivateMemory): Omit<CpuBusExtras, 'ports'> => ({
  hypercall(number, args) {
    switch (number) {
      case UV_ESM:
        memory.start()
        return U_SUCCESS
      case UV_SHARE_PAGE:
      case UV_UNSHARE_PAGE:
        return memory.started ? setPages(memory, args, number === UV_SHARE_PAGE) : U_FUNCTION
      case UV_UNSHARE_ALL_PAGES:
        if (memory.started) memory.start()
        return U_SUCCESS
      default:
        return U_FUNCTION
    }
  },
})

/** Number of the first page, and of pages, as (lo, hi) pairs. */
function setPages(memory: PrivateMemory, args: Uint32Array, open: boolean): number {
  const first = (args[1] ?? 0) * 0x1_0000_0000 + (args[0] ?? 0)
  const count = (args[3] ?? 0) * 0x1_0000_0000 + (args[2] ?? 0)
  if (count > MOST_PAGES) return U_PARAMETER
  for (let page = first; page < first + count; page++) if (!memory.setOpen(page, open)) return U_PARAMETER
  return U_SUCCESS
}
