import fc from 'fast-check'
import { expect, it } from 'vitest'
import { CD_LOW, NESTED, SmmuV3Guest, STAGE_1 } from './smmuv3-guest.ts'

const RUNS = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const DEVICE = 0x0018
const TABLES = [0x100_0000, 0x101_0000, 0x102_0000, 0x103_0000] as const
/** Few indices, so that random entries meet random addresses; all are within a table of any granule. */
const INDICES = [0, 1, 511] as const
/** Table and page of stage 2, which leads the first 64 MiB to themselves. */
const STAGE_2_TOP = 0x200_0000
const STAGE_2_NEXT = 0x200_1000

interface Outcome {
  readonly event: number
  readonly output?: bigint
  readonly size?: bigint
}

/** Stage 1 as the manual tells it, on whole 64-bit entries: slow, and written independently of the other two. */
function referenceWalk(
  entries: ReadonlyMap<bigint, bigint>,
  granule: bigint,
  iova: bigint,
  want: bigint,
  outputBits: bigint,
): Outcome {
  const stride = granule - 3n
  const levels = (48n - granule + stride - 1n) / stride
  let table = BigInt(TABLES[0])
  let readOnly = false
  let none = false
  for (let level = 4n - levels; level <= 3n; level++) {
    const shift = granule + stride * (3n - level)
    if (table >= 64n << 20n) return { event: 0x0b }
    const entry = entries.get(table + ((iova >> shift) % (1n << stride)) * 8n) ?? 0n
    const type = entry & 3n
    if ((type & 1n) === 0n) return { event: 0x10 }
    const isTable = type === 3n && level < 3n
    if (!isTable && level === 3n && type !== 3n) return { event: 0x10 }
    if (!isTable && level < 3n && !(level === 2n || (level === 1n && granule === 12n))) return { event: 0x10 }
    const base = entry & 0x0000_ffff_ffff_f000n
    if (base >> outputBits !== 0n) return { event: 0x11 }
    if (isTable) {
      readOnly ||= ((entry >> 62n) & 1n) === 1n
      none ||= ((entry >> 61n) & 1n) === 1n
      table = (base >> granule) << granule
      continue
    }
    if (((entry >> 10n) & 1n) === 0n) return { event: 0x12 }
    readOnly ||= ((entry >> 7n) & 1n) === 1n
    none ||= ((entry >> 6n) & 1n) === 0n
    const rights = none ? 0n : readOnly ? 1n : 3n
    if ((rights & want) !== want) return { event: 0x13 }
    const size = 1n << shift
    return { event: 0, output: (base / size) * size + (iova % size), size }
  }
  throw new Error('unreachable: level 3 has pages alone')
}

const entryArbitrary = fc.record({
  table: fc.constantFrom(...TABLES),
  index: fc.constantFrom(...INDICES),
  type: fc.constantFrom(3, 3, 3, 3, 1, 1, 0, 2),
  attributes: fc.constantFrom(0xc40, 0xc40, 0xc40, 0xcc0, 0x440, 0x840, 0xc00),
  target: fc.constantFrom(...TABLES, ...TABLES, 0x80_0000, 0x300_0000, 0x4000_0000, 0x8000_0000, 0x1234_5678_0000),
  odd: fc.constantFrom(0n, 0n, 0n, 0n, 1n << 61n, 1n << 62n, 3n << 61n, 1n << 54n, 1n << 52n, 1n << 44n, 1n << 47n),
})
const addressArbitrary = fc.record({
  indices: fc.array(fc.constantFrom(...INDICES), { minLength: 4, maxLength: 4 }),
  offset: fc.nat(4095),
  access: fc.constantFrom(1 as const, 2 as const, 3 as const),
})

/** Puts the indices where the granule has them: bits above 47 do not arise. */
function addressOf(indices: readonly number[], offset: number, granule: number): bigint {
  const stride = granule - 3
  const levels = Math.ceil((48 - granule) / stride)
  let address = BigInt(offset)
  for (let level = 0; level < levels; level++) {
    const shift = granule + stride * (levels - 1 - level)
    const bits = Math.min(stride, 48 - shift)
    address |= BigInt(indices[level]! % 2 ** bits) << BigInt(shift)
  }
  return address
}

it('random tables: each walk, cached or not, alone or before stage 2, is what a plain one on 64-bit integers says', () => {
  const kinds = [
    { guest: new SmmuV3Guest({ tlbEntries: 0, walkCache: false }), nested: false },
    { guest: new SmmuV3Guest({ tlbEntries: 16 }), nested: false },
    { guest: new SmmuV3Guest({ tlbEntries: 2048, outputSize: 44 }), nested: false },
    { guest: new SmmuV3Guest({ stage2: true }), nested: true },
  ]
  for (const { guest } of kinds) {
    guest.enable()
    // Stage 2: 4 GiB in, from level 1: four blocks of 1 GiB, which lead to themselves, all but the last.
    for (const block of [0, 1, 2]) guest.words(STAGE_2_TOP + block * 8, (block * 0x4000_0000) | 0x4c1, 0)
    guest.words(STAGE_2_NEXT, 0, 0)
  }
  const events = new Set<number>()
  fc.assert(
    fc.property(
      fc.array(entryArbitrary, { minLength: 1, maxLength: 20 }),
      fc.array(addressArbitrary, { minLength: 1, maxLength: 3 }),
      fc.constantFrom(12, 12, 14, 16),
      (written, asked, granule) => {
        const entries = new Map<bigint, bigint>()
        // Tables that lead to one another, so that a few random entries suffice to reach every level.
        for (const level of [0, 1, 2] as const) {
          for (const index of INDICES) entries.set(BigInt(TABLES[level] + index * 8), BigInt(TABLES[level + 1]! | 3))
        }
        for (const { table, index, type, attributes, target, odd } of written) {
          entries.set(BigInt(table + index * 8), BigInt(target) | BigInt(attributes | type) | odd)
        }
        for (const { guest, nested } of kinds) {
          for (const table of TABLES) for (const index of INDICES) guest.entry(table, index, 0, 0)
          for (const [address, value] of entries) {
            guest.entry(Number(address), 0, Number(value >> 32n), Number(value & 0xffff_ffffn))
          }
          const tg = granule === 12 ? 0 : granule === 14 ? 2 : 1
          guest.words(0x300_0000, CD_LOW | (tg << 6), 0x6205 | (7 << 16), TABLES[0], 0)
          // S2AA64, S2R, 48 bits out, 32 bits in, level 1.
          const stage2 = nested ? [0, 0x0408_0000 | (5 << 16) | (1 << 6) | 32, STAGE_2_TOP, 0] : []
          guest.stream(DEVICE, 0x300_0000 | (nested ? NESTED : STAGE_1), 0, stage2)
          guest.invalidateAll()
        }
        for (const { indices, offset, access } of asked) {
          const iova = addressOf(indices, offset, granule)
          for (const { guest, nested } of kinds) {
            const outputBits = BigInt(guest.unit.features.outputSize)
            const expected = referenceWalk(entries, BigInt(granule), iova, BigInt(access), outputBits)
            // What stage 2 does not map it refuses, which is another test's.
            if (nested && [...entries.values()].some((entry) => (entry & 0xffff_c000_0000n) >= 3n << 30n)) continue
            events.add(expected.event)
            for (let round = 0; round < 2; round++) {
              const hi = Number(iova >> 32n)
              const lo = Number(iova & 0xffff_ffffn)
              const event = guest.unit.translate(DEVICE, -1, 'untranslated', hi, lo, access, guest.out)
              expect(event).toBe(expected.event)
              if (event !== 0) continue
              expect((BigInt(guest.out.hi) << 32n) | BigInt(guest.out.lo)).toBe(expected.output)
              const largest = nested ? 1n << 30n : expected.size!
              expect(1n << BigInt(guest.out.log2Size)).toBe(expected.size! < largest ? expected.size : largest)
            }
          }
        }
      },
    ),
    { numRuns: RUNS },
  )
  // Every outcome that the reference has was seen.
  if (RUNS >= 300) expect([...events].sort((a, b) => a - b)).toEqual([0, 0x0b, 0x10, 0x11, 0x12, 0x13])
})

it('the TLB holds what was translated and not invalidated, or nothing: never anything else', () => {
  const guest = new SmmuV3Guest({ tlbEntries: 16 })
  const top = guest.page()
  guest.attach(DEVICE, top)
  guest.enable()
  const pages = Array.from({ length: 64 }, (_, index) => index * 4096)
  const step = fc.record({
    page: fc.nat(63),
    frame: fc.integer({ min: 1, max: 200 }),
    change: fc.constantFrom('look', 'look', 'map', 'page', 'range', 'asid', 'other asid'),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      guest.invalidateAll()
      for (const page of pages) guest.map(top, page, 0x100_0000 + page, 0xc40)
      const mapped = new Map(pages.map((page) => [page, 0x100_0000 + page]))
      const cached = new Map<number, number>()
      for (const { page, frame, change } of steps) {
        const iova = page * 4096
        if (change === 'map') {
          guest.map(top, iova, 0x200_0000 + frame * 4096, 0xc40)
          mapped.set(iova, 0x200_0000 + frame * 4096)
        } else if (change === 'page') {
          guest.submit([0x12, 7 << 16, iova | 1])
          cached.delete(iova)
        } else if (change === 'range') {
          // Three times two pages.
          guest.submit([0x12 | (2 << 12) | (1 << 20), 7 << 16, iova | (1 << 10) | 1])
          for (let index = 0; index < 6; index++) cached.delete(iova + index * 4096)
        } else if (change === 'asid') {
          guest.submit([0x11, 7 << 16])
          cached.clear()
        } else if (change === 'other asid') guest.submit([0x11, 8 << 16])
        expect(guest.dma(DEVICE, iova, 1)).toBe(0)
        expect([mapped.get(iova), cached.get(iova)]).toContain(guest.output)
        cached.set(iova, guest.output)
      }
      expect(guest.unit.tlbUsed).toBeLessThanOrEqual(16)
    }),
    { numRuns: RUNS },
  )
})
