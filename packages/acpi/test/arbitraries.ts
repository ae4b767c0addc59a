import fc from 'fast-check'
import type { SdtHeader } from '../src/index.ts'

export const u8 = fc.nat(0xff)
export const u16 = fc.nat(0xffff)
export const u32 = fc.nat(0xffff_ffff)
export const u64 = fc.oneof(
  fc.maxSafeNat(),
  fc.tuple(fc.integer({ min: 0x20_0000, max: 0xffff_ffff }), u32).map(([hi, lo]) => {
    return `0x${hi.toString(16).padStart(8, '0')}${lo.toString(16).padStart(8, '0')}` as const
  }),
)
export const latin = (length: number): fc.Arbitrary<string> =>
  fc.array(u8, { minLength: length, maxLength: length }).map((codes) => String.fromCharCode(...codes))
export const digits = (maxLength: number): fc.Arbitrary<string> =>
  fc.uint8Array({ maxLength }).map((bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(''))
export const header: fc.Arbitrary<SdtHeader> = fc.record({
  revision: u8,
  oemId: latin(6),
  oemTableId: latin(8),
  oemRevision: u32,
  creatorId: latin(4),
  creatorRevision: u32,
})

/** What a parsed value says that its builder does not take: offsets and problems. */
export function withoutPositions(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (key, inner) => (key === 'offset' || key === 'problems' ? undefined : inner)))
}
