import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { invalidateRange } from '../src/iommu/arm-smmu-v3/command-queue.ts'
import { LongDescriptorTable } from '../src/iommu/arm-smmu-v3/long-descriptor-table.ts'
import { RAM_BASE, SmmuMachine } from './smmu-machine.ts'

const RUNS = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const PAGE = 4096
const MIB2 = 0x20_0000

const made = (): { machine: SmmuMachine; table: LongDescriptorTable } => {
  const machine = new SmmuMachine()
  return { machine, table: LongDescriptorTable.create(machine.bus, machine.pages, 44)! }
}

describe('long descriptor tables', () => {
  it('the largest blocks that fit: 2 MiB and 1 GiB', () => {
    const { machine, table } = made()
    expect(table.map(0x4000_0000, 0x8000_0000, 0x4000_0000 + MIB2 + PAGE, 3)).toBe(true)
    // Two tables beside the top: level 1, level 2 after the block, level 3 after the next.
    expect(machine.pages.live.size).toBe(4)
    expect(table.lookup(0x7fff_ffff)).toBe(0xbfff_ffff)
    expect(table.lookup(0x8000_0000 + MIB2 + 5)).toBe(0xc000_0000 + MIB2 + 5)
    expect(table.lookup(0x8000_0000 + MIB2 + PAGE)).toBeNull()
  })

  it('bits: nG, inner shareable, AF, AP; read-only where nothing is written; a device’s registers are not executed', () => {
    const { machine, table } = made()
    const leaf = (iova: number): number[] => {
      let at = table.root
      for (const shift of [39, 30, 21])
        at = (machine.ram.read32(at + (Math.floor(iova / 2 ** shift) % 512) * 8) & -4096) >>> 0
      const entry = at + ((iova / PAGE) % 512) * 8
      return [machine.ram.read32(entry), machine.ram.read32(entry + 4)]
    }
    table.map(0x1000, 0x12_3456_7000, PAGE, 3)
    table.map(0x2000, RAM_BASE, PAGE, 1)
    table.map(0x3000, 0x0809_0000, PAGE, 2, 'registers')
    table.map(0x4000, RAM_BASE, PAGE, 3, 'privileged')
    table.map(0x5000, RAM_BASE, PAGE, 1, 'privileged')
    expect(leaf(0x1000)).toEqual([0x3456_7f47, 0x12])
    expect(leaf(0x2000)).toEqual([0x4000_0fc7, 0])
    expect(leaf(0x3000)).toEqual([0x0809_0f4b, 0x0060_0000])
    expect(leaf(0x4000)).toEqual([0x4000_0f07, 0])
    expect(leaf(0x5000)).toEqual([0x4000_0f87, 0])
  })

  it('nothing is mapped twice, beyond the output, or beyond 48 bits; a failed map leaves nothing behind', () => {
    const { machine, table } = made()
    expect(table.map(0x5000, RAM_BASE, PAGE, 3)).toBe(true)
    expect(table.map(0x3000, RAM_BASE, 4 * PAGE, 3)).toBe(false)
    expect([table.lookup(0x3000), table.lookup(0x4000)]).toEqual([null, null])
    expect(table.map(0x1000, 2 ** 44, PAGE, 3)).toBe(false)
    expect(table.map(2 ** 48 - PAGE, RAM_BASE, 2 * PAGE, 3)).toBe(false)
    machine.pages.budget = 0
    expect(table.map(2 ** 40, RAM_BASE, PAGE, 3)).toBe(false)
  })

  it('random maps and unmaps: tables say what a plain map says, and go when all that they map goes', () => {
    const step = fc.record({
      page: fc.integer({ min: 0, max: 1100 }),
      pages: fc.constantFrom(1, 1, 2, 3, 7, 512),
      aligned: fc.boolean(),
      unmap: fc.boolean(),
    })
    const { machine, table } = made()
    const freeAll = (tables: readonly number[]): void => {
      for (const one of tables) machine.pages.free(one, 1)
    }
    fc.assert(
      fc.property(fc.array(step, { maxLength: 8 }), (steps) => {
        freeAll(table.unmap(0, 2 ** 30).tables)
        const plain = new Map<number, number>()
        for (const { page, pages, aligned, unmap } of steps) {
          const first = aligned ? Math.floor(page / 512) * 512 : page
          const all = Array.from({ length: pages }, (_, index) => first + index)
          if (unmap) {
            // A block goes whole, as under Linux; here only whole blocks are asked for.
            if (all.length % 512 !== 0 || first % 512 !== 0) continue
            freeAll(table.unmap(first * PAGE, pages * PAGE).tables)
            for (const one of all) plain.delete(one)
          } else {
            const free = all.every((one) => !plain.has(one))
            const done = table.map(first * PAGE, RAM_BASE + first * PAGE, pages * PAGE, 3)
            expect(done).toBe(free)
            if (done) for (const one of all) plain.set(one, RAM_BASE + one * PAGE)
          }
        }
        for (const probe of [0, 1, 511, 512, 513, 1023, 1024, 1100, 1535, 1611]) {
          expect(table.lookup(probe * PAGE)).toBe(plain.get(probe) ?? null)
        }
      }),
      { numRuns: RUNS },
    )
  })
})

describe('CMD_TLBI_NH_VA for a range', () => {
  /** The pages that a command names, by the manual. */
  const pagesOf = ([low, , address, high]: readonly [number, number, number, number]): [number, number] => {
    const count = (((low >>> 12) & 31) + 1) * 2 ** ((low >>> 20) & 31)
    return [high * 0x10_0000 + (address >>> 12), count]
  }

  it('names every page once, and no other', () => {
    const pageCount = fc.oneof(fc.integer({ min: 1, max: 4096 }), fc.integer({ min: 1, max: 2 ** 24 }))
    fc.assert(
      fc.property(pageCount, fc.integer({ min: 1, max: 2 ** 35 }), (pages, first) => {
        let next = first
        for (const command of invalidateRange(7, first * PAGE, pages * PAGE, PAGE, true, true)) {
          const [start, count] = pagesOf(command as [number, number, number, number])
          expect(start).toBe(next)
          next += count
          expect(command[0] & 0xff).toBe(0x12)
          expect(command[1]).toBe(7 << 16)
          // Leaf, level 3, granule of 4 KiB.
          expect(command[2] & 0xfff).toBe(0x701)
        }
        expect(next).toBe(first + pages)
      }),
      { numRuns: RUNS },
    )
  })

  it('a walk’s invalidation has no level, and never a range of one page', () => {
    const [command] = invalidateRange(7, 0x1000, PAGE, PAGE, false, true)
    expect(command![2] & 0xfff).toBe(0x400)
    expect(pagesOf(command as [number, number, number, number])[1]).toBe(2)
  })

  it('blocks are of level 2 and 1', () => {
    expect(invalidateRange(7, MIB2, MIB2, MIB2, true, true)[0]![2] & 0x300).toBe(0x200)
    expect(invalidateRange(7, 2 ** 30, 2 ** 30, 2 ** 30, true, true)[0]![2] & 0x300).toBe(0x100)
    expect(invalidateRange(7, MIB2, 2 * MIB2, MIB2, true, false)).toHaveLength(2)
  })
})
