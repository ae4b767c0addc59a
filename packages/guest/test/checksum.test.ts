import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { crc32 } from '../src/checksum.ts'
import { fillPattern, firstDifference, patternOf, sameBytes } from '../src/drivers/test-pattern.ts'

const RUNS = { numRuns: Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300) }
const bytes = fc.uint8Array({ maxLength: 40 })

/** The definition, a bit at a time. */
function slowCrc32(data: Uint8Array): number {
  let value = 0xffff_ffff
  for (const byte of data) {
    value ^= byte
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb8_8320 : value >>> 1
  }
  return ~value >>> 0
}

describe('the CRC-32 of IEEE 802.3', () => {
  it('of "123456789" is 0xcbf43926, and of nothing 0', () => {
    expect(crc32(new TextEncoder().encode('123456789'))).toBe(0xcbf4_3926)
    expect(crc32(new Uint8Array())).toBe(0)
  })

  it('is the definition at any length and alignment, in one part or two', () => {
    fc.assert(
      fc.property(bytes, fc.nat(40), fc.nat(3), (data, cut, shift) => {
        const shifted = new Uint8Array(data.length + shift).subarray(shift)
        shifted.set(data)
        expect(crc32(shifted)).toBe(slowCrc32(data))
        expect(crc32(data.subarray(cut), crc32(data.subarray(0, cut)))).toBe(slowCrc32(data))
      }),
      RUNS,
    )
  })
})

describe('patterns', () => {
  it('are the same for the same seed, and others for others', () => {
    expect(patternOf(4096, 3)).toEqual(fillPattern(new Uint8Array(4096), 3))
    expect(patternOf(4096, 3)).toBe(patternOf(4096, 3))
    expect(sameBytes(patternOf(4096, 3), patternOf(4096, 4))).toBe(false)
    expect(patternOf(512, 3)).toEqual(patternOf(4096, 3).subarray(0, 512))
  })

  it('differ where one byte differs, wherever it stands and however they are aligned', () => {
    fc.assert(
      fc.property(bytes, fc.nat(39), fc.nat(3), (data, at, shift) => {
        const other = new Uint8Array(data.length + shift).subarray(shift)
        other.set(data)
        expect(sameBytes(data, other)).toBe(true)
        expect(firstDifference(data, other)).toBeNull()
        if (at >= data.length) return
        other[at] = other[at]! ^ 0x40
        expect(sameBytes(data, other)).toBe(false)
        expect(firstDifference(other, data)).toMatch(new RegExp(`^byte ${at}: `))
      }),
      RUNS,
    )
  })
})
