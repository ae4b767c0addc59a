import type { Fault, Translation } from '../translator.ts'
import { INTERRUPT_RANGE_FIRST } from './spec/interrupts.ts'

const INTERRUPT_RANGE = INTERRUPT_RANGE_FIRST | 0
const INTERRUPT_RANGE_MASK = 0xfff0_0000 | 0

/** Whether an address below 4 GiB lies in the interrupt range. */
export const isInterruptAddress = (lo: number): boolean => (lo & INTERRUPT_RANGE_MASK) === INTERRUPT_RANGE

/** Whether a page below 4 GiB, of 2^log2Size bytes around this address, overlaps the interrupt range. */
export const overlapsInterruptRange = (lo: number, log2Size: number): boolean =>
  ((lo ^ INTERRUPT_RANGE) & INTERRUPT_RANGE_MASK & (-1 << log2Size)) === 0

/** The request goes through as it is, and so does the rest of its 2^log2Size bytes. */
export function answerAsIs(hi: number, lo: number, log2Size: number, tag: number, out: Translation): Fault {
  out.hi = hi >>> 0
  out.lo = lo >>> 0
  out.log2Size = log2Size
  out.rights = 3
  out.tag = tag
  out.route = 'bypass'
  return 0
}

/** A write to the interrupt range is a message, and stays as it is. */
export function answerMessage(lo: number, out: Translation): Fault {
  answerAsIs(0, lo, 12, -1, out)
  out.rights = 2
  return 0
}
