import type { Fault, Msi } from './translator.ts'

/** The message goes on as the device sent it: of a unit that remaps none, or does not remap this one. */
export function passMessage(hi: number, lo: number, data: number, out: Msi): Fault {
  out.hi = hi
  out.lo = lo
  out.data = data
  out.remapped = false
  return 0
}
