import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { dealFrames } from '../src/deal-frames.ts'
import { FRAME_OWNER, FrameTable } from '../src/frame-table.ts'

const RUNS = { numRuns: Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300) }
/** 32 MiB: an image, what is free, and some to deal. */
const FRAMES = 8192

describe('memory that is dealt out', () => {
  it('goes to one owner each, and what is no RAM to none', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 256, max: 900 }),
        fc.constantFrom(1, 2, 4, 8, 16),
        fc.integer({ min: 6500, max: 7500 }),
        (pages, piece, hole) => {
          const table = new FrameTable([
            { first: 0, end: hole },
            { first: hole + 100, end: FRAMES },
          ])
          const list = dealFrames(table, { pages, boot: 256, piece })
          expect(list.length).toBe(pages)
          expect(new Set(list).size).toBe(pages)
          expect(list.every((frame) => table.ownerOf(frame) === FRAME_OWNER.domain)).toBe(true)
          expect(table.ownerOf(hole)).toBe(FRAME_OWNER.none)
          expect(table.ownerOf(hole + 99)).toBe(FRAME_OWNER.none)
          // What the domain starts with lies in a row.
          expect(list.subarray(0, 256).every((frame, page) => frame === list[0]! + page)).toBe(true)
        },
      ),
      RUNS,
    )
  })

  it('comes out the same each time, and hardly ever where the domain’s own number says', () => {
    const deal = (): Uint32Array =>
      dealFrames(new FrameTable([{ first: 0, end: 65_536 }]), { pages: 30_000, boot: 256, piece: 4 })
    const list = deal()
    expect(deal()).toEqual(list)
    expect(list.filter((frame, page) => frame === page).length).toBeLessThan(100)
  })

  it('gives extents that are aligned, below the limit and nobody else’s, until there are none', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 6 }), fc.integer({ min: 4000, max: FRAMES })), { maxLength: 40 }),
        (wishes) => {
          const table = new FrameTable([{ first: 0, end: FRAMES }])
          table.give(4096, 512, FRAME_OWNER.free)
          const taken = new Set<number>()
          for (const [order, limit] of wishes) {
            const first = table.allocate(order, limit)
            if (first < 0) continue
            expect(first % 2 ** order).toBe(0)
            expect(first + 2 ** order).toBeLessThanOrEqual(limit)
            expect(first).toBeGreaterThanOrEqual(4096)
            expect(first + 2 ** order).toBeLessThanOrEqual(4608)
            const extent = Array.from({ length: 2 ** order }, (_, index) => first + index)
            expect(extent.some((frame) => taken.has(frame))).toBe(false)
            expect(extent.every((frame) => table.ownerOf(frame) === FRAME_OWNER.domain)).toBe(true)
            for (const frame of extent) taken.add(frame)
          }
        },
      ),
      RUNS,
    )
  })

  it('has extents again once they are given back, and says that they are to be cleared', () => {
    const table = new FrameTable([{ first: 0, end: FRAMES }])
    table.give(4096, 64, FRAME_OWNER.free)
    const first = table.allocate(6, FRAMES)
    expect(first).toBe(4096)
    expect(table.takeDirt(first)).toBe(false)
    expect(table.allocate(0, FRAMES)).toBe(-1)
    for (let frame = first; frame < first + 64; frame++) table.release(frame)
    expect(table.allocate(6, FRAMES)).toBe(4096)
    expect(table.takeDirt(first)).toBe(true)
  })
})
