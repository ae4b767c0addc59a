import type { GuestRam } from '@dmascope/memory'

/** Option vector 5 tells of platform features; its byte 23 asks for an interrupt controller. */
const PLATFORM_VECTOR = 5
const INTERRUPT_BYTE = 23
const XIVE_EXPLOITATION = 0x40
const MOST_PROCESSORS = 64
const LONGEST = 4096

/**
 * What the arguments of ibm,client-architecture-support ask for (LoPAPR §B.6.2.3): a list of processor versions, as
 * pairs of mask and value up to a mask of zero, then option vectors, each with its length before it, less one.
 *
 * @returns null where they are not in memory
 */
export function readInterruptChoice(ram: GuestRam, address: number): 'xics' | 'xive' | null {
  const bytes = new Uint8Array(LONGEST)
  const length = ram.readBytes(address, bytes)
  const view = new DataView(bytes.buffer)
  let at = 0
  for (let count = 0; count < MOST_PROCESSORS; count++) {
    if (at + 8 >= length) return null
    const mask = view.getUint32(at)
    at += 8
    if (mask === 0) break
  }
  const vectors = bytes[at]! + 1
  at++
  for (let number = 1; number <= vectors; number++) {
    if (at >= length) return null
    const size = bytes[at]! + 1
    if (number === PLATFORM_VECTOR) {
      const asked = size >= INTERRUPT_BYTE ? bytes[at + INTERRUPT_BYTE]! : 0
      return (asked & XIVE_EXPLOITATION) !== 0 ? 'xive' : 'xics'
    }
    at += size + 1
  }
  return 'xics'
}
