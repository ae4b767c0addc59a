import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { IovaAllocator } from '../src/index.ts'

const numRuns = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const MASK_32 = 0xffff_ffff

describe('IovaAllocator, top down', () => {
  it('gives the top page below 4 GiB first, then the one below it', () => {
    const iovas = new IovaAllocator({ end: 2 ** 39 })
    expect(iovas.allocate(4096, MASK_32)).toBe(0xffff_f000)
    expect(iovas.allocate(1, MASK_32)).toBe(0xffff_e000)
  })

  it('leaves out the MSI window and the host bridge windows of a q35', () => {
    const iovas = new IovaAllocator({ end: 2 ** 39 })
    iovas.reserve(0xfee0_0000, 0xfef0_0000)
    iovas.reserve(0xc000_0000, 0xfec0_0000)
    iovas.reserve(0x2000_0000, 0xb000_0000)
    // 16 MiB less the MSI window, aligned to its size rounded up: the only 16 MiB block above it is [0xff000000, 4 GiB).
    expect(iovas.allocate(0x100_0000, MASK_32)).toBe(0xff00_0000)
    // 1 MiB fits between the MSI window and that block.
    expect(iovas.allocate(0x10_0000, MASK_32)).toBe(0xfef0_0000)
    // The next one lies below the MSI window, in [0xfec00000, 0xfee00000).
    expect(iovas.allocate(0x10_0000, MASK_32)).toBe(0xfed0_0000)
    expect(iovas.allocate(0x10_0000, MASK_32)).toBe(0xfec0_0000)
    // Then the ECAM hole below the upper PCI window.
    expect(iovas.allocate(0x10_0000, MASK_32)).toBe(0xbff0_0000)
  })

  it('aligns to the size rounded up to a power of two', () => {
    const iovas = new IovaAllocator({ end: 2 ** 39 })
    expect(iovas.allocate(4096, MASK_32)).toBe(0xffff_f000)
    // Three pages become four, aligned to four.
    expect(iovas.allocate(3 * 4096, MASK_32)).toBe(0xffff_8000)
    // Forty pages stay forty, aligned to sixty-four.
    expect(iovas.allocate(40 * 4096, MASK_32)).toBe(0xfffc_0000)
  })

  it('goes on below the last range, and comes back to holes above only when nothing is left', () => {
    const iovas = new IovaAllocator({ end: 0x10_0000 })
    expect(iovas.allocate(4096, MASK_32)).toBe(0xf_f000)
    expect(iovas.allocate(0x4_0000, MASK_32)).toBe(0x8_0000)
    // [0xc0000, 0xff000) is free, but lies above the cursor.
    expect(iovas.allocate(4096, MASK_32)).toBe(0x7_f000)
    expect(iovas.allocate(0x2_0000, MASK_32)).toBe(0x4_0000)
    // Nothing as large is left below: from the top once more.
    expect(iovas.allocate(0x3_0000, MASK_32)).toBe(0xc_0000)
  })

  it('gives the range freed last first, to sizes of up to 32 pages', () => {
    const iovas = new IovaAllocator({ end: 2 ** 39 })
    const first = iovas.allocate(4096, MASK_32)!
    const second = iovas.allocate(4096, MASK_32)!
    iovas.allocate(4096, MASK_32)
    iovas.free(first, 4096)
    iovas.free(second, 4096)
    expect(iovas.allocate(4096, MASK_32)).toBe(second)
    expect(iovas.allocate(4096, MASK_32)).toBe(first)
  })

  it('never gives out address 0', () => {
    const iovas = new IovaAllocator({ end: 0x2000 })
    expect(iovas.allocate(4096, MASK_32)).toBe(0x1000)
    expect(iovas.allocate(4096, MASK_32)).toBeNull()
  })

  it('gives cached ranges up before it fails', () => {
    const iovas = new IovaAllocator({ end: 0x10_000 })
    const pages = Array.from({ length: 15 }, () => iovas.allocate(4096, MASK_32)!)
    expect(iovas.allocate(0x8000, MASK_32)).toBeNull()
    for (const page of pages) iovas.free(page, 4096)
    expect(iovas.allocate(0x8000, MASK_32)).toBe(0x8000)
  })

  it('uses addresses above 4 GiB for a mask that reaches them', () => {
    const iovas = new IovaAllocator({ end: 2 ** 39 })
    expect(iovas.allocate(4096, 2 ** 53 - 1)).toBe(2 ** 39 - 4096)
    expect(iovas.allocate(4096, MASK_32)).toBe(0xffff_f000)
  })
})

describe('IovaAllocator, bottom up', () => {
  it('starts at the lowest page but 0, and takes the lowest hole that fits', () => {
    const iovas = new IovaAllocator({ end: 2 ** 39, order: 'bottom-up' })
    expect(iovas.allocate(4096, MASK_32)).toBe(0x1000)
    expect(iovas.allocate(2 * 4096, MASK_32)).toBe(0x2000)
    iovas.reserve(0x4000, 0x10_0000)
    expect(iovas.allocate(4096, MASK_32)).toBe(0x10_0000)
  })
})

describe('IovaAllocator refuses', () => {
  it('what was not given out', () => {
    const iovas = new IovaAllocator({ end: 2 ** 39 })
    const iova = iovas.allocate(4096, MASK_32)!
    expect(() => iovas.free(iova - 4096, 4096)).toThrow(RangeError)
    expect(() => iovas.free(iova, 2 * 4096)).toThrow(RangeError)
    iovas.free(iova, 4096)
    expect(() => iovas.free(iova, 4096)).toThrow(/freed before/)
  })

  it('ends and lengths that are none', () => {
    expect(() => new IovaAllocator({ end: 4097 })).toThrow(RangeError)
    expect(() => new IovaAllocator({ end: 4096, start: 4096 })).toThrow(RangeError)
    const iovas = new IovaAllocator({ end: 2 ** 39 })
    expect(() => iovas.allocate(0, MASK_32)).toThrow(RangeError)
    expect(() => iovas.reserve(8, 8)).toThrow(RangeError)
  })
})

describe('IovaAllocator against a plain set of pages', () => {
  // A space of 256 pages; the model is one flag a page.
  const step = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        pages: fc.integer({ min: 1, max: 48 }),
        mask: fc.constantFrom(0xf_ffff, 0x7_ffff, 0x3_ffff),
      }),
    },
    { weight: 3, arbitrary: fc.record({ free: fc.nat(40) }) },
    { weight: 1, arbitrary: fc.record({ reserve: fc.nat(255), count: fc.integer({ min: 1, max: 6 }) }) },
  )

  it('never overlaps, leaves reserved pages alone, aligns, and respects the mask', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('top-down' as const, 'bottom-up' as const),
        fc.array(step, { maxLength: 30 }),
        (order, steps) => {
          const iovas = new IovaAllocator({ end: 0x10_0000, order })
          const owner = new Int8Array(256)
          const live: { iova: number; pages: number }[] = []
          for (const one of steps) {
            if ('pages' in one) {
              const iova = iovas.allocate(one.pages * 4096, one.mask)
              if (iova === null) continue
              const rounded = 2 ** Math.ceil(Math.log2(one.pages))
              expect(iova % (rounded * 4096)).toBe(0)
              expect(iova).toBeGreaterThan(0)
              expect(iova + one.pages * 4096 - 1).toBeLessThanOrEqual(one.mask)
              for (let page = iova / 4096; page < iova / 4096 + one.pages; page++) {
                expect(owner[page]).toBe(0)
                owner[page] = 1
              }
              live.push({ iova, pages: one.pages })
            } else if ('free' in one) {
              const [gone] = live.splice(one.free % Math.max(1, live.length), 1)
              if (!gone) continue
              iovas.free(gone.iova, gone.pages * 4096)
              owner.fill(0, gone.iova / 4096, gone.iova / 4096 + gone.pages)
            } else {
              // A reservation of free pages only: regions are reserved before a domain is used.
              const end = Math.min(256, one.reserve + one.count)
              const taken = [...iovas.taken()].some(
                (range) => range.start < end * 4096 && range.end > one.reserve * 4096,
              )
              if (taken) continue
              iovas.reserve(one.reserve * 4096, end * 4096)
              owner.fill(2, one.reserve, end)
            }
          }
        },
      ),
      { numRuns },
    )
  })

  it('finds a range wherever one is free, having given up what it keeps for reuse', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(254), { maxLength: 60 }), fc.integer({ min: 1, max: 31 }), (reserved, pages) => {
        const iovas = new IovaAllocator({ end: 0x10_0000 })
        const blocked = new Set([0, ...reserved])
        for (const page of reserved) iovas.reserve(page * 4096, (page + 1) * 4096)
        const rounded = 2 ** Math.ceil(Math.log2(pages))
        let possible = false
        for (let first = 0; first + rounded <= 256; first += rounded) {
          let free = true
          for (let page = first; page < first + rounded; page++) free &&= !blocked.has(page)
          possible ||= free
        }
        expect(iovas.allocate(pages * 4096, 0xf_ffff) !== null).toBe(possible)
      }),
      { numRuns },
    )
  })
})
