import { NO_PASID } from '@dmascope/iommu'
import { AmdViUnit } from '@dmascope/iommu/amdvi'
import { type CpuBus, GuestRam } from '@dmascope/memory'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { alignedPieces } from '../src/iommu/amd/amd-domain.ts'
import { HostPageTable } from '../src/iommu/amd/host-page-table.ts'

const RUNS = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const RAM_SIZE = 0x400_0000
const DEVICE = 0x18
const DEVICE_TABLE = 0x1000
const PAGE = 4096

const ram = new GuestRam([{ base: 0, size: RAM_SIZE }])
afterAll(() => ram.dispose())

/** RAM as a CPU reaches it. */
const bus = {
  read32: (address: number) => ram.read32(address),
  write32: (address: number, value: number) => void ram.write32(address, value),
} as CpuBus

/** A table whose pages come from 16 MiB up, cleared. */
function tableWith(mostLevels = 6, budget = Number.POSITIVE_INFINITY): { table: HostPageTable; grown: () => number } {
  let next = 0x100_0000
  let left = budget
  let grown = 0
  const pages = {
    allocate(count: number) {
      if (left < count) return null
      left -= count
      next += count * PAGE
      ram.writeBytes(next - count * PAGE, new Uint8Array(count * PAGE))
      return next - count * PAGE
    },
    free() {},
  }
  const table = HostPageTable.create({ bus, pages, mostLevels, onGrowth: () => void grown++ })
  if (table === null) throw new Error('no memory')
  return { table, grown: () => grown }
}

/** Where the hardware finds that an access leads; null for a fault. */
function walk(table: HostPageTable, address: number, access: 1 | 2 = 1): number | null {
  const unit = new AmdViUnit({ ram, raiseMsi: () => {}, htRange: false })
  ram.write32(DEVICE_TABLE + DEVICE * 32, (table.root | (table.levels << 9) | 3) >>> 0)
  ram.write32(DEVICE_TABLE + DEVICE * 32 + 4, 0x6000_0000)
  ram.write32(DEVICE_TABLE + DEVICE * 32 + 8, 1)
  unit.write(0, 4, DEVICE_TABLE)
  unit.write(0x18, 4, 1)
  const out = { hi: 0, lo: 0, log2Size: 0, rights: 0, tag: 0, route: 'bypass' as 'bypass' | 'translated' }
  const hi = Math.floor(address / 2 ** 32)
  const fault = unit.translate(DEVICE, NO_PASID, 'untranslated', hi, address >>> 0, access, out)
  return fault === 0 ? out.hi * 2 ** 32 + out.lo : null
}

describe('a page table of the AMD driver', () => {
  it('has pages of every power of two, which the hardware walks', () => {
    for (const size of [PAGE, 2 * PAGE, 0x8000, 0x10_0000, 0x20_0000, 0x40_0000, 0x4000_0000]) {
      const { table } = tableWith()
      expect(table.map(size * 3, size * 5, size, 3)).toBe(true)
      expect([walk(table, size * 3 + 0x123), walk(table, size * 4 - 1)]).toEqual([size * 5 + 0x123, size * 6 - 1])
      expect([walk(table, size * 3 - 1), walk(table, size * 4)]).toEqual([null, null])
    }
  })

  it('starts with three levels, and tells of its new root where an address needs more', () => {
    const { table, grown } = tableWith()
    expect(table.map(0x1000, 0x5000, PAGE, 3)).toBe(true)
    expect([table.levels, grown()]).toEqual([3, 0])
    expect(table.map(2 ** 39, 0x6000, PAGE, 3)).toBe(true)
    expect([table.levels, grown()]).toEqual([4, 1])
    expect(table.map(2 ** 48, 0x7000, PAGE, 3)).toBe(true)
    expect([table.levels, grown()]).toEqual([5, 2])
    expect([walk(table, 0x1000), walk(table, 2 ** 39), walk(table, 2 ** 48)]).toEqual([0x5000, 0x6000, 0x7000])
  })

  it('has no more levels than the unit', () => {
    const { table } = tableWith(4)
    expect([table.map(2 ** 48 - PAGE, 0x1000, PAGE, 3), table.map(2 ** 48, 0x1000, PAGE, 3)]).toEqual([true, false])
  })

  it('keeps what stands there, and leaves nothing behind where memory runs out', () => {
    const { table } = tableWith()
    expect(table.map(0x4000, 0x8000, PAGE, 3)).toBe(true)
    expect(table.map(0x3000, 0x20_0000, 4 * PAGE, 3)).toBe(false)
    expect([table.lookup(0x3000), table.lookup(0x4000), table.lookup(0x5000)]).toEqual([null, 0x8000, null])
    const poor = tableWith(6, 3).table
    expect(poor.map(0x1f_f000, 0x1000, 2 * PAGE, 3)).toBe(false)
    expect([poor.lookup(0x1f_f000), poor.lookup(0x20_0000)]).toEqual([null, null])
  })

  it('believes no entry that leads out of it', () => {
    const { table } = tableWith()
    table.map(0x1000, 0x5000, PAGE, 3)
    // The top entry is made to lead to a page that is no table.
    ram.write32(table.root, 0x0030_0000 | (2 << 9) | 1)
    expect([table.lookup(0x1000), table.map(0x2000, 0x6000, PAGE, 3)]).toEqual([null, false])
    table.unmap(0, 2 ** 40)
  })

  it('gives the access that was asked for', () => {
    const { table } = tableWith()
    table.map(0x1000, 0x5000, PAGE, 1)
    table.map(0x2000, 0x6000, PAGE, 2)
    expect([walk(table, 0x1000, 1), walk(table, 0x1000, 2)]).toEqual([0x5000, null])
    expect([walk(table, 0x2000, 1), walk(table, 0x2000, 2)]).toEqual([null, 0x6000])
  })
})

/** Mappings and unmappings of up to 64 pages, on aligned places of 16 MiB, or beyond three levels. */
const step = fc.record({
  at: fc.tuple(fc.constantFrom(0, 2 ** 39), fc.integer({ min: 0, max: 255 })),
  log2Pages: fc.integer({ min: 0, max: 4 }),
  odd: fc.boolean(),
  to: fc.integer({ min: 0, max: 255 }),
  map: fc.boolean(),
})

describe('whatever is mapped and unmapped', () => {
  it('reads back as from a plain map', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 6 }), (steps) => {
        const { table } = tableWith()
        const plain = new Map<number, number>()
        for (const { at, log2Pages, odd, to, map } of steps) {
          const pages = 2 ** log2Pages + (odd ? 1 : 0)
          const first = at[0] / PAGE + at[1] - (at[1] % 2 ** log2Pages)
          const frame = 0x1000 + to - (to % 2 ** log2Pages)
          const all = Array.from({ length: pages }, (_, index) => first + index)
          if (map) {
            const free = all.every((page) => !plain.has(page))
            expect(table.map(first * PAGE, frame * PAGE, pages * PAGE, 3)).toBe(free)
            if (free) for (const [index, page] of all.entries()) plain.set(page, frame + index)
          } else if (plain.get(first) !== undefined) {
            // As the DMA API does: what was mapped together is unmapped together. Here, page by page of what stands.
            table.unmap(first * PAGE, PAGE)
            for (let page = first; plain.has(page) && table.lookup(page * PAGE) === null; page++) plain.delete(page)
            for (let page = first - 1; plain.has(page) && table.lookup(page * PAGE) === null; page--) plain.delete(page)
          }
        }
        for (const [page, frame] of plain) expect(table.lookup(page * PAGE)).toBe(frame * PAGE)
        const seen = [...plain.keys()][0]
        if (seen !== undefined) expect(walk(table, seen * PAGE)).toBe((plain.get(seen) as number) * PAGE)
      }),
      { numRuns: RUNS },
    )
  })

  it('a range goes in aligned pieces that make it up', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4095 }), fc.integer({ min: 1, max: 64 }), (first, pages) => {
        let at = first * PAGE
        for (const { iova, length } of alignedPieces(first * PAGE, pages * PAGE)) {
          expect([iova, iova % length, Math.log2(length) % 1]).toEqual([at, 0, 0])
          at += length
        }
        expect(at).toBe((first + pages) * PAGE)
      }),
      { numRuns: RUNS },
    )
  })
})
