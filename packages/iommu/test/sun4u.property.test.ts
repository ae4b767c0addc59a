import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Sun4uGuest } from './sun4u-guest.ts'

const RUNS = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const VALID = 1n << 63n
const INDEXES = [0, 1, 7, 8, 0xffff]

const step = fc.record({
  index: fc.constantFrom(...INDEXES),
  entry: fc.constantFrom(0n, 0x40_0002n, VALID | 0x40_0000n, VALID | 0x42_0002n, VALID | 0x1ff_ffff_e002n),
  asked: fc.constantFrom(...INDEXES),
  repeat: fc.constantFrom(0, 0x2000_0000, 0xc000_0000),
  offset: fc.constantFrom(0, 0x1fff),
  access: fc.constantFrom(1 as const, 2 as const, 3 as const),
})

it.each([true, false])(
  'random entries, flushed after each change, are what a plain map says (kept: %s)',
  (keepsEntries) => {
    const guest = new Sun4uGuest({ keepsEntries })
    guest.write(0x08, BigInt(Sun4uGuest.TSB))
    guest.write(0x00, 0x6_0001n)
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 6 }), (steps) => {
        const entries = new Map<number, bigint>()
        for (const index of INDEXES) {
          guest.entry(index, 0n)
          guest.write(0x10, BigInt(index) << 13n)
        }
        for (let at = 0; at < 16; at++) guest.unit.writeTag(at)
        for (const { index, entry, asked, repeat, offset, access } of steps) {
          entries.set(index, entry)
          guest.entry(index, entry)
          for (let at = 0; at < 16; at++) guest.unit.writeTag(at)
          const address = (asked * 0x2000 + offset + repeat) >>> 0
          const holds = entries.get(asked) ?? 0n
          const granted = holds >= VALID && ((access & 2) === 0 || (holds & 2n) !== 0n)
          expect(guest.dma(BigInt(address), access) === 0).toBe(granted)
          expect(guest.port.lookup(0, address, access) === 0).toBe(granted)
          if (!granted) continue
          const output = (holds & 0x1ff_ffff_e000n) | BigInt(offset)
          expect(guest.output).toBe(output)
          expect((BigInt(guest.port.hi) << 32n) | BigInt(guest.port.lo)).toBe(output)
        }
      }),
      { numRuns: RUNS },
    )
  },
)

it('random registers, entries and addresses never throw, and lead nowhere but where 41 bits reach', () => {
  const guest = new Sun4uGuest({ decodesTargets: false })
  const word = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n })
  fc.assert(
    fc.property(word, word, word, fc.constantFrom(1 as const, 2 as const), (control, base, address, access) => {
      guest.write(0x08, base)
      guest.write(0x00, control)
      const fault = guest.dma(address, access)
      if (fault !== 0) return
      if (guest.out.route === 'bypass') expect(guest.output).toBe(address)
      else expect(guest.output >> 41n).toBe(0n)
    }),
    { numRuns: RUNS },
  )
})
