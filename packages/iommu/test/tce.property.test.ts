import fc from 'fast-check'
import { expect, it } from 'vitest'
import { TCE_FAULTS } from '../src/tce/index.ts'
import { LIOBN_32, LIOBN_64, TceGuest } from './tce-guest.ts'

const RUNS = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const DYNAMIC = 1n << 59n
const PAGE_SHIFT = 16n
const WINDOW_SHIFT = 44n

/** Few pages, so that random entries meet random addresses: the ends of both windows, and of a table's parts. */
const pages = [0n, 1n, 1023n, 1024n, (1n << 21n) - 1n, 1n << 21n, (1n << 28n) - 1n, 0x3_ffffn, 0x4_0000n]
const step = fc.record({
  liobn: fc.constantFrom(LIOBN_32, LIOBN_64),
  page: fc.constantFrom(...pages),
  count: fc.constantFrom(0n, 1n, 1n, 2n, 20n),
  tce: fc.constantFrom(0n, 1n, 0x80_0002n, 0x90_0003n, 0xffff_8765_4321_0003n),
  kind: fc.constantFrom('put', 'stuff'),
  asked: fc.constantFrom(...pages),
  offset: fc.constantFrom(0n, 0xfffn, 0xffffn),
  access: fc.constantFrom(1 as const, 2 as const, 3 as const),
})

it('random calls: both windows, through a port or not, are what a plain map of entries says', () => {
  const guest = new TceGuest()
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 6 }), (steps) => {
      guest.unit.reset()
      guest.create(Number(PAGE_SHIFT), Number(WINDOW_SHIFT))
      const windows = new Map([
        [LIOBN_32, { base: 0n, shift: 12n, entries: 1n << 18n, table: new Map<bigint, bigint>() }],
        [LIOBN_64, { base: DYNAMIC, shift: PAGE_SHIFT, entries: 1n << 28n, table: new Map<bigint, bigint>() }],
      ])
      for (const { liobn, page, count, tce, kind, asked, offset, access } of steps) {
        const window = windows.get(liobn)!
        const wanted = kind === 'put' ? 1n : count
        const ioba = window.base + (page << window.shift)
        const { code } =
          kind === 'put' ? { code: guest.put(liobn, ioba, tce) } : guest.call(0x138, BigInt(liobn), ioba, tce, wanted)
        let expected = wanted === 0n || wanted > window.entries ? -4 : 0
        for (let done = 0n; done < wanted && expected === 0; done++) {
          if (page + done >= window.entries) expected = -4
          else window.table.set(page + done, tce)
        }
        expect(code).toBe(expected)

        const address = window.base + (asked << window.shift) + (offset & ((1n << window.shift) - 1n))
        const entry = window.table.get(asked) ?? 0n
        const isIn = asked < window.entries
        const granted = isIn && (Number(entry & 3n) & access) === access
        const lo = Number(address & 0xffff_ffffn)
        const fault = guest.port.lookup(Number(address >> 32n), lo, access)
        expect(fault === 0).toBe(granted)
        if (!isIn) expect(fault).toBe(TCE_FAULTS.outsideWindows.value)
        expect(guest.dma(address, access)).toBe(fault)
        if (!granted) continue
        const inner = (1n << window.shift) - 1n
        const output = (entry & ~inner) | (address & inner)
        expect(guest.output).toBe(output)
        expect((BigInt(guest.port.hi) << 32n) | BigInt(guest.port.lo)).toBe(output)
      }
    }),
    { numRuns: RUNS },
  )
})
