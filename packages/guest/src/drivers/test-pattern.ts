/** What a buffer is filled with before a device writes it: data that stay as they were show. */
export const POISON_SEED = 0x5eed_dead

/**
 * Fills `into` with a sequence that `seed` determines (xorshift32): no two pages of a test are alike, and a page that
 * landed in another's place is seen.
 */
export function fillPattern(into: Uint8Array, seed: number): Uint8Array {
  let state = (seed ^ 0x9e37_79b9) >>> 0 || 1
  for (let index = 0; index < into.length; index++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    into[index] = state & 0xff
  }
  return into
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index])
}

/** `0x1f 4a ...` of the first differing byte, for the report; null where there is none. */
export function firstDifference(got: Uint8Array, wanted: Uint8Array): string | null {
  for (let index = 0; index < wanted.length; index++) {
    if (got[index] === wanted[index]) continue
    const hex = (bytes: Uint8Array): string =>
      Array.from(bytes.subarray(index, index + 4), (byte) => byte.toString(16).padStart(2, '0')).join(' ')
    return `byte ${index}: got ${hex(got)}, wanted ${hex(wanted)}`
  }
  return null
}
