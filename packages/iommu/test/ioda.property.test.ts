import fc from 'fast-check'
import { expect, it } from 'vitest'
import { IodaGuest } from './ioda-guest.ts'

const RUNS = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const TOP = 0x20_0000
const tables = [0x30_0000, 0x31_0000]

/** Two levels of tables of 4 KiB, 512 entries: 1 GiB. */
const LEVELS = (BigInt(TOP >> 12) << 16n) | (1n << 13n) | (1n << 8n) | 1n

const step = fc.record({
  upper: fc.constantFrom(0, 1, 511),
  lower: fc.constantFrom(0, 1, 511),
  table: fc.constantFrom(0, 1, -1),
  tce: fc.constantFrom(0n, 1n, 0x80_0002n, 0x90_0003n, 0xffff_8765_4321_0003n),
  askedUpper: fc.constantFrom(0, 1, 511),
  askedLower: fc.constantFrom(0, 1, 511),
  offset: fc.constantFrom(0n, 0xfffn),
  access: fc.constantFrom(1 as const, 2 as const, 3 as const),
})

it('random tables of two levels, killed after each change, are what a plain map of entries says', () => {
  const guest = new IodaGuest({ freezes: false })
  guest.tve(0, LEVELS)
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 6 }), (steps) => {
      const upper = new Map<number, number>()
      const entries = new Map<number, bigint>()
      for (const index of [0, 1, 511]) {
        guest.tce(TOP + index * 8, 0n)
        for (const table of tables) guest.tce(table + index * 8, 0n)
      }
      for (const { upper: at, lower, table, tce, askedUpper, askedLower, offset, access } of steps) {
        upper.set(at, table)
        guest.tce(TOP + at * 8, table < 0 ? 0n : BigInt(tables[table]!) | 3n)
        const place = table < 0 ? tables[0]! : tables[table]!
        guest.tce(place + lower * 8, tce)
        entries.set(place + lower * 8, tce)
        guest.unit.killAll()

        const address = (BigInt(askedUpper) << 21n) | (BigInt(askedLower) << 12n) | offset
        const to = upper.get(askedUpper) ?? -1
        const entry = to < 0 ? 0n : (entries.get(tables[to]! + askedLower * 8) ?? 0n)
        const granted = (Number(entry & 3n) & access) === access
        expect(guest.dma(address, access) === 0).toBe(granted)
        expect(guest.port.lookup(0, Number(address), access) === 0).toBe(granted)
        if (!granted) continue
        const output = (entry & ~0xfffn) | offset
        expect(guest.output).toBe(output)
        expect((BigInt(guest.port.hi) << 32n) | BigInt(guest.port.lo)).toBe(output)
      }
    }),
    { numRuns: RUNS },
  )
})

it('random TVEs and addresses never throw, and what is granted is within real addresses or from a TCE', () => {
  const guest = new IodaGuest({ freezes: false })
  const word = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n })
  fc.assert(
    fc.property(word, word, fc.constantFrom(1 as const, 2 as const), (tve, address, access) => {
      guest.tve(0, tve)
      guest.tve(1, tve)
      const fault = guest.dma(address, access)
      if (fault !== 0) return
      expect(address >> 60n).toBe(0n)
      if (guest.out.route === 'bypass') expect(guest.output).toBe(address & ((1n << 50n) - 1n))
    }),
    { numRuns: RUNS },
  )
})
