import type { Fault, Msi } from './translator.ts'

/** The answer of units that remap no interrupts: the message goes on as the device sent it. */
export function passMessage(hi: number, lo: number, data: number, out: Msi): Fault {
  out.hi = hi
  out.lo = lo
  out.data = data
  out.remapped = false
  return 0
}
