import type { GuestRam } from '@dmascope/memory'

/** Option vector 5 tells of platform features; its byte 23 asks for an interrupt controller. */
const PLATFORM_VECTOR = 5
const INTERRUPT_BYTE = 23
const XIVE_EXPLOITATION = 0x40
const MOST_PROCESSORS = 64
const LONGEST = 4096

/**
 * What the arguments of ibm,client-architecture-support ask for (LoPAPR §B.6.2.3): a list of processor versions, as
 * pairs of mask and value up to one that cannot match, then option vectors, each with its length before it, less one.
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
    const [mask, value] = [view.getUint32(at), view.getUint32(at + 4)]
    at += 8
    // A value outside of its mask ends the list.
    if ((~mask & value) !== 0) break
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
