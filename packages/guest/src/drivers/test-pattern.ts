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

/** Patterns of up to so many bytes are kept: every boot of every machine wants the same ones. */
const KEPT_BYTES = 0x2_0000
const kept = new Map<string, Uint8Array>()
let keptBytes = 0

/** `size` bytes of the pattern of `seed`. Shared: not to be written to. */
export function patternOf(size: number, seed: number): Uint8Array {
  const key = `${size} ${seed}`
  const known = kept.get(key)
  if (known !== undefined) return known
  const made = fillPattern(new Uint8Array(size), seed)
  if (keptBytes + size <= KEPT_BYTES) {
    kept.set(key, made)
    keptBytes += size
  }
  return made
}

/** The whole words of bytes that start at a multiple of 4. */
const wordsOf = (bytes: Uint8Array): Uint32Array =>
  new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >>> 2)

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  let index = 0
  if (((a.byteOffset | b.byteOffset) & 3) === 0) {
    const left = wordsOf(a)
    const right = wordsOf(b)
    for (let word = 0; word < left.length; word++) if (left[word] !== right[word]) return false
    index = left.length * 4
  }
  for (; index < a.length; index++) if (a[index] !== b[index]) return false
  return true
}

/** `0x1f 4a ...` of the first differing byte, for the report; null where there is none. */
export function firstDifference(got: Uint8Array, wanted: Uint8Array): string | null {
  if (sameBytes(got, wanted)) return null
  for (let index = 0; index < wanted.length; index++) {
    if (got[index] === wanted[index]) continue
    const hex = (bytes: Uint8Array): string =>
      Array.from(bytes.subarray(index, index + 4), (byte) => byte.toString(16).padStart(2, '0')).join(' ')
    return `byte ${index}: got ${hex(got)}, wanted ${hex(wanted)}`
  }
  return null
}
