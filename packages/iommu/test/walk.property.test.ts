import fc from 'fast-check'
import { expect, it } from 'vitest'
import { REG, VtdGuest } from './vtd-guest.ts'

const RUNS = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const DEVICE = 0x0018
const TABLES = [0x10_0000, 0x10_1000, 0x10_2000, 0x10_3000, 0x10_4000, 0x10_5000] as const
/** Few indices, so that random entries meet random addresses. */
const INDICES = [0, 1, 511] as const

interface Outcome {
  readonly reason: number
  readonly output?: bigint
  readonly size?: bigint
}

/** The walk as the manual tells it, on whole 64-bit entries: slow, and written independently of the other. */
function referenceWalk(
  entries: ReadonlyMap<bigint, bigint>,
  top: bigint,
  levels: number,
  iova: bigint,
  want: bigint,
): Outcome {
  const width = BigInt(levels * 9 + 12)
  if (iova >> width !== 0n) return { reason: 4 }
  let table = top
  let rights = 3n
  for (let level = levels; level >= 1; level--) {
    const shift = BigInt(3 + level * 9)
    const address = table + ((iova >> shift) & 511n) * 8n
    if (table >= 64n << 20n) return { reason: 7 }
    const entry = entries.get(address) ?? 0n
    rights &= entry & 3n
    if ((rights & want) !== want) return { reason: (want & 2n & ~rights) !== 0n ? 5 : 6 }
    const isPage = level === 1 || (level <= 3 && (entry & 0x80n) !== 0n)
    // Bits 61:52 and 63 are ignored, 51:48 lie above the width, 62 and 11 are reserved without TM and SC.
    let reserved = 0x400f_0000_0000_0800n
    if (isPage) reserved |= (1n << shift) - 4096n
    else reserved |= 0x80n
    if ((entry & reserved) !== 0n) return { reason: 12 }
    const base = entry & 0x0000_ffff_ffff_f000n
    if (isPage) {
      const size = 1n << shift
      const output = base | (iova & (size - 1n))
      if (output >= 0xfee0_0000n && output <= 0xfeef_ffffn) return { reason: 14 }
      return { reason: 0, output, size }
    }
    table = base
  }
  throw new Error('unreachable: level 1 is always a page')
}

const entryArbitrary = fc.record({
  table: fc.constantFrom(...TABLES),
  index: fc.constantFrom(...INDICES),
  flags: fc.constantFrom(0, 1, 2, 3, 3, 3, 3),
  large: fc.constantFrom(0, 0, 0, 0x80),
  target: fc.constantFrom(...TABLES, ...TABLES, 0x8000_0000, 0xfee0_0000, 0xfee0_0000, 0xfef0_0000, 0x12_3456_7000),
  odd: fc.constantFrom(0n, 0n, 0n, 0n, 0n, 0x800n, 1n << 48n, 1n << 52n, 1n << 61n, 1n << 62n, 1n << 63n, 0x77cn),
})
const leaf = <Target extends number>(target: Target) =>
  ({ table: TABLES[3], index: 0, flags: 3, large: 0, target, odd: 0n }) as const
const addressArbitrary = fc.record({
  indices: fc.array(fc.constantFrom(...INDICES), { minLength: 4, maxLength: 4 }),
  offset: fc.nat(4095),
  beyond: fc.constantFrom(0n, 0n, 0n, 1n, 0x8000n),
  access: fc.constantFrom(1 as const, 2 as const, 3 as const),
})

it('random tables: the walk, cached or not, is what a plain one on 64-bit integers says', () => {
  const guests = [0, 16, 2048].map((iotlbEntries) => new VtdGuest({ iotlbEntries }))
  for (const guest of guests) guest.enable()
  const reasons = new Set<number>()
  fc.assert(
    fc.property(
      fc.array(entryArbitrary, { minLength: 1, maxLength: 24 }),
      fc.array(addressArbitrary, { minLength: 1, maxLength: 4 }),
      fc.constantFrom(3, 4),
      (written, asked, levels) => {
        const entries = new Map<bigint, bigint>()
        // Tables that lead to one another, so that a few random entries suffice to reach every level.
        for (const level of [0, 1, 2] as const) {
          for (const index of INDICES) entries.set(BigInt(TABLES[level] + index * 8), BigInt(TABLES[level + 1]! | 3))
        }
        for (const { table, index, flags, large, target, odd } of written) {
          entries.set(BigInt(table + index * 8), BigInt(target) | BigInt(flags | large) | odd)
        }
        for (const guest of guests) {
          for (const table of TABLES) for (const index of INDICES) guest.entry(table, index, 0, 0)
          for (const [address, value] of entries) {
            guest.entry(Number(address), 0, Number(value >> 32n), Number(value & 0xffff_ffffn))
          }
          guest.context(DEVICE, TABLES[0] | 1, (levels - 2) | (7 << 8))
          guest.invalidateAll()
        }
        for (const { indices, offset, beyond, access } of asked) {
          const page = indices.reduce((sum, index) => (sum << 9n) | BigInt(index), 0n)
          const iova = (beyond << 48n) | (page << 12n) | BigInt(offset)
          const expected = referenceWalk(entries, BigInt(TABLES[0]), levels, iova, BigInt(access))
          reasons.add(expected.reason)
          for (const guest of guests) {
            // The interrupt range is told apart before any walk.
            if (iova >= 0xfee0_0000n && iova <= 0xfeef_ffffn) continue
            for (let round = 0; round < 2; round++) {
              const hi = Number(iova >> 32n)
              const lo = Number(iova & 0xffff_ffffn)
              const reason = guest.unit.translate(DEVICE, -1, 'untranslated', hi, lo, access, guest.out)
              expect(reason).toBe(expected.reason)
              if (reason !== 0) continue
              expect((BigInt(guest.out.hi) << 32n) | BigInt(guest.out.lo)).toBe(expected.output)
              expect(1n << BigInt(guest.out.log2Size)).toBe(expected.size)
            }
          }
        }
      },
    ),
    {
      numRuns: RUNS,
      // The rarer outcomes, once for certain: into the interrupt range, out of memory, beyond the width.
      examples: [
        [[leaf(0xfee0_0000)], [{ indices: [0, 0, 0, 0], offset: 8, beyond: 0n, access: 1 }], 4],
        [
          [{ ...leaf(0x8000_0000), table: TABLES[2] }],
          [{ indices: [0, 0, 0, 0], offset: 8, beyond: 0n, access: 1 }],
          4,
        ],
        [[leaf(0xfef0_0000)], [{ indices: [0, 0, 0, 0], offset: 8, beyond: 1n, access: 1 }], 4],
      ],
    },
  )
  // Every outcome that the reference has was seen.
  if (RUNS >= 300) expect([...reasons].sort((a, b) => a - b)).toEqual([0, 4, 5, 6, 7, 12, 14])
})

it('the IOTLB holds what was translated and not invalidated, or nothing: never anything else', () => {
  const guest = new VtdGuest({ iotlbEntries: 16 })
  const top = guest.page()
  guest.context(DEVICE, top | 1, 2 | (7 << 8))
  guest.enable()
  const pages = Array.from({ length: 64 }, (_, index) => index * 4096)
  const step = fc.record({
    page: fc.nat(63),
    frame: fc.integer({ min: 1, max: 200 }),
    change: fc.constantFrom('look', 'look', 'map', 'page', 'pages', 'domain', 'other domain'),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      guest.invalidateAll()
      for (const page of pages) guest.map(top, page, 0x100_0000 + page, 3)
      const mapped = new Map(pages.map((page) => [page, 0x100_0000 + page]))
      const cached = new Map<number, number>()
      for (const { page, frame, change } of steps) {
        const iova = page * 4096
        if (change === 'map') {
          guest.map(top, iova, 0x200_0000 + frame * 4096, 3)
          mapped.set(iova, 0x200_0000 + frame * 4096)
        } else if (change === 'page' || change === 'pages') {
          const pageCount = change === 'page' ? 1 : 8
          guest.write64(REG.IVA, 0, iova | (change === 'page' ? 0 : 3))
          guest.write64(REG.IOTLB, 0xb000_0007, 0)
          const first = Math.floor(page / pageCount) * pageCount
          for (let index = first; index < first + pageCount; index++) cached.delete(index * 4096)
        } else if (change === 'domain') {
          guest.write64(REG.IOTLB, 0xa000_0007, 0)
          cached.clear()
        } else if (change === 'other domain') guest.write64(REG.IOTLB, 0xa000_0008, 0)
        expect(guest.dma(DEVICE, iova, 1)).toBe(0)
        const possible = [mapped.get(iova), cached.get(iova)]
        expect(possible).toContain(guest.output)
        cached.set(iova, guest.output)
      }
      expect(guest.unit.iotlbUsed).toBeLessThanOrEqual(16)
    }),
    { numRuns: RUNS },
  )
})
