import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { composeWindows, type InboundWindow, InboundWindows, overlapOf } from '../src/inbound/inbound-windows.ts'

const RUNS = { numRuns: Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300) }
const PAGE = 4096
const PAGES = 24

/** Windows over a few pages, disjoint on their bus. */
const windows = fc
  .array(
    fc.record({
      bus: fc.integer({ min: 0, max: PAGES - 1 }),
      memory: fc.integer({ min: 0, max: PAGES - 1 }),
      size: fc.integer({ min: 1, max: 6 }),
    }),
    { maxLength: 5 },
  )
  .map((all): InboundWindow[] => {
    const taken = new Set<number>()
    return all.flatMap(({ bus, memory, size }) => {
      const pages = Array.from({ length: size }, (_, index) => bus + index)
      if (pages.some((page) => taken.has(page))) return []
      for (const page of pages) taken.add(page)
      return { bus: bus * PAGE, memory: memory * PAGE, size: size * PAGE }
    })
  })

/** Page on the bus to page above. */
const plainMap = (all: readonly InboundWindow[]): Map<number, number> => {
  const map = new Map<number, number>()
  for (const { bus, memory, size } of all) {
    for (let at = 0; at < size; at += PAGE) map.set((bus + at) / PAGE, (memory + at) / PAGE)
  }
  return map
}

describe('windows between a bus and memory', () => {
  it('translate an access that is in one window, and no other', () => {
    const two = new InboundWindows([
      { bus: 0xc000_0000, memory: 0x4000_0000, size: 0x1000_0000 },
      { bus: 0xd000_0000, memory: 0x8000_0000, size: 0x1000 },
    ])
    expect(two.memoryOf(0xc000_0000, 4)).toBe(0x4000_0000)
    expect(two.memoryOf(0xcfff_fffc, 4)).toBe(0x4fff_fffc)
    expect(two.memoryOf(0xd000_0ff0, 16)).toBe(0x8000_0ff0)
    // Adjacent on the bus, and not in memory.
    expect(two.memoryOf(0xcfff_fffe, 4)).toBe(-1)
    expect(two.memoryOf(0xd000_0ff0, 17)).toBe(-1)
    expect(two.memoryOf(0xbfff_ffff, 1)).toBe(-1)
    expect(two.memoryOf(0x4000_0000, 4)).toBe(-1)
    expect(new InboundWindows([]).memoryOf(0, 1)).toBe(-1)
  })

  it('reach beyond 4 GiB, and answer nothing beyond what a Number can say', () => {
    const high = new InboundWindows([{ bus: 0x4_0000_0000, memory: 0, size: 0x8000_0000 }])
    expect(high.memoryOf(0x4_1234_5678, 8)).toBe(0x1234_5678)
    expect(high.memoryOf(0x1234_5678, 8)).toBe(-1)
    expect(high.memoryOf(2 ** 64, 8)).toBe(-1)
  })

  it('are a plain map of pages, in whatever order they are asked', () => {
    fc.assert(
      fc.property(windows, fc.array(fc.integer({ min: 0, max: PAGES + 8 }), { maxLength: 40 }), (all, asked) => {
        const made = new InboundWindows(all)
        const map = plainMap(all)
        for (const page of asked) {
          const to = map.get(page)
          expect(made.memoryOf(page * PAGE + 8, 16)).toBe(to === undefined ? -1 : to * PAGE + 8)
        }
      }),
      RUNS,
    )
  })

  it('one after the other, they are one map after the other', () => {
    fc.assert(
      fc.property(windows, windows, (first, second) => {
        const [low, high] = [plainMap(first), plainMap(second)]
        const both = [...low].flatMap(([page, middle]) => {
          const to = high.get(middle)
          return to === undefined ? [] : [[page, to] as const]
        })
        const composed = composeWindows(first, second)
        expect(overlapOf(composed)).toBeNull()
        expect([...plainMap(composed)].sort()).toEqual(both.sort())
      }),
      RUNS,
    )
  })
})
