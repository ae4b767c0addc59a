import fc from 'fast-check'
import { expect, it } from 'vitest'
import { AmdViGuest, DOMAIN } from './amdvi-guest.ts'

const RUNS = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const DEVICE = 0x0018
const TABLES = [0x40_0000, 0x40_1000, 0x40_2000, 0x40_3000, 0x40_4000, 0x40_5000] as const
/** Few indices, so that random entries meet random addresses. */
const INDICES = [0, 1, 511] as const

interface Outcome {
  readonly fault: number
  readonly output?: bigint
  readonly size?: bigint
}

/** The walk as the manual tells it, on whole 64-bit entries: slow, and written independently of the other. */
function referenceWalk(
  entries: ReadonlyMap<bigint, bigint>,
  top: bigint,
  mode: number,
  iova: bigint,
  want: bigint,
): Outcome {
  const shiftOf = (level: number): bigint => BigInt(level * 9 + 3)
  if (mode < 6 && iova >> shiftOf(mode + 1) !== 0n) return { fault: 0x42 }
  let table = top
  let level = mode
  let rights = 3n
  for (;;) {
    const address = table + ((iova >> shiftOf(level)) & 511n) * 8n
    if (table >= 64n << 20n) return { fault: 0x04 }
    const entry = entries.get(address) ?? 0n
    if ((entry & 1n) === 0n) return { fault: 0x02 }
    rights &= entry >> 61n
    if ((rights & want) !== want) return { fault: 0x12 }
    const next = Number((entry >> 9n) & 7n)
    const isPage = next === 0 || next === 7
    if ((entry & (isPage ? 0x07f0_0000_0000_0000n : 0x1ff0_0000_0000_0000n)) !== 0n) return { fault: 0x22 }
    const base = entry & 0x000f_ffff_ffff_f000n
    if (isPage) {
      let log2 = shiftOf(level)
      if (next === 7) {
        log2 = 13n
        while (((base >> (log2 - 1n)) & 1n) === 1n) log2++
        if (log2 <= shiftOf(level) || log2 >= shiftOf(level + 1)) return { fault: 0x32 }
      }
      const size = 1n << log2
      return { fault: 0, output: (base & ~(size - 1n)) | (iova & (size - 1n)), size }
    }
    if (next >= level) return { fault: 0x32 }
    const skipped = iova & ((1n << shiftOf(level)) - 1n) & ~((1n << shiftOf(next + 1)) - 1n)
    if (skipped !== 0n) return { fault: 0x32 }
    table = base
    level = next
  }
}

const entryArbitrary = fc.record({
  table: fc.constantFrom(...TABLES),
  index: fc.constantFrom(...INDICES),
  present: fc.constantFrom(0n, 1n, 1n, 1n, 1n, 1n),
  rights: fc.constantFrom(1n, 2n, 3n, 3n, 3n, 3n),
  next: fc.constantFrom(0n, 0n, 1n, 1n, 2n, 3n, 4n, 5n, 6n, 7n, 7n),
  target: fc.constantFrom(...TABLES, ...TABLES, 0x8000_0000, 0x12_3456_7000, 0x7000, 0xf_f000, 0x1f_f000, 0x3fff_f000),
  odd: fc.constantFrom(0n, 0n, 0n, 0n, 0n, 0x6n, 1n << 48n, 1n << 52n, 1n << 58n, 1n << 59n, 1n << 60n, 1n << 63n),
})
const leaf = (target: number, next: bigint) =>
  ({ table: TABLES[3], index: 0, present: 1n, rights: 3n, next, target, odd: 0n }) as never
const addressArbitrary = fc.record({
  indices: fc.array(fc.constantFrom(...INDICES), { minLength: 6, maxLength: 6 }),
  levels: fc.constantFrom(1, 2, 3, 4, 4, 5, 6),
  offset: fc.nat(4095),
  access: fc.constantFrom(1 as const, 2 as const, 3 as const),
})

it('random tables: the walk, cached or not, is what a plain one on 64-bit integers says', () => {
  const guests = [0, 16, 2048].map(
    (iotlbEntries) => new AmdViGuest({ iotlbEntries, htRange: false, pageDirectoryCache: iotlbEntries !== 16 }),
  )
  for (const guest of guests) guest.enable()
  const faults = new Set<number>()
  fc.assert(
    fc.property(
      fc.array(entryArbitrary, { minLength: 1, maxLength: 24 }),
      fc.array(addressArbitrary, { minLength: 1, maxLength: 4 }),
      fc.constantFrom(1, 2, 3, 4, 4, 5, 6),
      (written, asked, mode) => {
        const entries = new Map<bigint, bigint>()
        // Tables that lead to one another, so that a few random entries suffice to reach every level.
        for (let step = 0; step < 5; step++) {
          const next = BigInt(Math.max(mode - 1 - step, 0))
          for (const index of INDICES) {
            entries.set(BigInt(TABLES[step]! + index * 8), BigInt(TABLES[step + 1]!) | (next << 9n) | (3n << 61n) | 1n)
          }
        }
        for (const { table, index, present, rights, next, target, odd } of written) {
          entries.set(BigInt(table + index * 8), BigInt(target) | (next << 9n) | (rights << 61n) | present | odd)
        }
        for (const guest of guests) {
          for (const table of TABLES) for (const index of INDICES) guest.entry(table, index, 0, 0)
          for (const [address, value] of entries) {
            guest.entry(Number(address), 0, Number(value >> 32n), Number(value & 0xffff_ffffn))
          }
          guest.paged(DEVICE, TABLES[0], mode)
          guest.invalidateAll()
        }
        for (const { indices, levels, offset, access } of asked) {
          const page = indices.slice(0, levels).reduce((sum, index) => (sum << 9n) | BigInt(index), 0n)
          const iova = BigInt.asUintN(64, (page << 12n) | BigInt(offset))
          if (iova >= 0xfee0_0000n && iova <= 0xfeef_ffffn) continue
          const expected = referenceWalk(entries, BigInt(TABLES[0]), mode, iova, BigInt(access))
          faults.add(expected.fault)
          const hi = Number(iova >> 32n)
          const lo = Number(iova & 0xffff_ffffn)
          for (const guest of guests) {
            for (let round = 0; round < 2; round++) {
              const fault = guest.unit.translate(DEVICE, -1, 'untranslated', hi, lo, access, guest.out)
              expect(fault).toBe(expected.fault)
              if (fault !== 0) continue
              expect((BigInt(guest.out.hi) << 32n) | BigInt(guest.out.lo)).toBe(expected.output)
              expect(1n << BigInt(guest.out.log2Size)).toBe(expected.size)
            }
          }
        }
      },
    ),
    {
      numRuns: RUNS,
      // The rarer outcomes, once for certain: out of memory, an encoded size, one that belongs elsewhere.
      examples: [
        [
          [{ ...(leaf(0x8000_0000, 1n) as object), table: TABLES[2] } as never],
          [{ indices: [0, 0, 0, 0, 0, 0], levels: 4, offset: 8, access: 1 }],
          4,
        ],
        [[leaf(0x7000, 7n)], [{ indices: [0, 0, 0, 0, 0, 0], levels: 4, offset: 8, access: 1 }], 4],
        [[leaf(0x1f_f000, 7n)], [{ indices: [0, 0, 0, 0, 0, 0], levels: 4, offset: 8, access: 1 }], 4],
      ],
    },
  )
  // Every outcome that the reference has was seen.
  if (RUNS >= 300) expect([...faults].sort((a, b) => a - b)).toEqual([0, 0x02, 0x04, 0x12, 0x22, 0x32, 0x42])
})

it('the IOTLB holds what was translated and not invalidated, or nothing: never anything else', () => {
  const guest = new AmdViGuest({ iotlbEntries: 16 })
  const top = guest.page()
  guest.paged(DEVICE, top)
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
        } else if (change === 'page') {
          guest.invalidatePages(iova)
          cached.delete(iova)
        } else if (change === 'pages') {
          // S, with bits 13:12 set and bit 14 clear: eight pages.
          const first = Math.floor(page / 8) * 8
          guest.invalidatePages((first * 4096) | 0x3000, 1)
          for (let index = first; index < first + 8; index++) cached.delete(index * 4096)
        } else if (change === 'domain') {
          guest.submit([0, 0x3000_0000 | DOMAIN, 0xffff_f003, 0x7fff_ffff])
          cached.clear()
        } else if (change === 'other domain') guest.submit([0, 0x3000_0008, 0xffff_f003, 0x7fff_ffff])
        expect(guest.dma(DEVICE, iova, 1)).toBe(0)
        expect([mapped.get(iova), cached.get(iova)]).toContain(guest.output)
        cached.set(iova, guest.output)
      }
      expect(guest.unit.iotlbUsed).toBeLessThanOrEqual(16)
    }),
    { numRuns: RUNS },
  )
})
