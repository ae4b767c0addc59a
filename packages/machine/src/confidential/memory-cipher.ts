/**
 * What stands in for a memory controller's cipher: bytes change with their address and a key, and change back when they
 * are passed through again.
 *
 * DEVIATION: AMD's engine is AES with an address tweak, by blocks of 16 bytes. This is a stream of mixed addresses: it
 * keeps no secret, and makes of plain text as little sense.
 *
 * @param address - of the first byte
 */
export function passThroughCipher(address: number, bytes: Uint8Array): void {
  for (let index = 0; index < bytes.length; index++) {
    const at = address + index
    const word = Math.floor(at / 4)
    bytes[index] = bytes[index]! ^ (streamWord(word) >>> ((at % 4) * 8))
  }
}

const KEY = 0x9e37_79b9

/** A well-mixed word of each number: the finalizer of MurmurHash3 over its two halves. */
function streamWord(word: number): number {
  let mixed = (word ^ Math.imul(Math.floor(word / 0x1_0000_0000) + 1, KEY)) | 0
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85eb_ca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}
