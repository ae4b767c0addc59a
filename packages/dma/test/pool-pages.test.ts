import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DirectDma, PoolPages, SEGMENT_SLOTS, SLOT_BYTES, Swiotlb } from '../src/index.ts'

const numRuns = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const START = 0x10_0000
const PAGE = 4096

class Memory {
  readonly bytes = new Uint8Array(2 << 20).fill(0xaa)

  readBytes(address: number, into: Uint8Array): void {
    into.set(this.bytes.subarray(address, address + into.length))
  }

  writeBytes(address: number, from: Uint8Array): void {
    this.bytes.set(from, address)
  }
}

function made(segments = 2, start = START) {
  const memory = new Memory()
  const pool = new Swiotlb({ memory, start, slots: segments * SEGMENT_SLOTS })
  return { memory, pool, pages: new PoolPages(pool, memory) }
}

describe('pages of a pool', () => {
  it('are cleared, and lie in it, aligned to the next power of two of their size', () => {
    const { memory, pages } = made()
    expect(pages.allocate(1)).toBe(START)
    const three = pages.allocate(3)!
    expect(three % (4 * PAGE)).toBe(0)
    expect(memory.bytes.subarray(three, three + 3 * PAGE).every((one) => one === 0)).toBe(true)
    expect(memory.bytes[three + 3 * PAGE]).toBe(0xaa)
  })

  it('are at most a segment of 256 KiB', () => {
    const { pages } = made()
    expect(pages.allocate(65)).toBeNull()
    expect(pages.allocate(64)).toBe(START)
  })

  it('are none where a segment lies across the alignment', () => {
    const { pages } = made(2, START + PAGE)
    expect(pages.allocate(64)).toBeNull()
    expect(pages.allocate(32)).not.toBeNull()
  })

  it('are none above the limit, and take nothing up then', () => {
    const { pool, pages } = made()
    expect(pages.allocate(1, START + PAGE - 1)).toBeNull()
    expect(pool.used).toBe(0)
    expect(pages.allocate(1, START + 2 * PAGE)).toBe(START + PAGE)
  })

  it('are shared with what is bounced, and run out together', () => {
    const { pool, pages } = made(1)
    const half = pages.allocate(32)!
    expect(pool.map(0, 32 * PAGE, 'to-device')).not.toBeNull()
    expect(pool.map(0, 1, 'to-device')).toBeNull()
    pages.free(half, 32)
    expect(pool.map(0, 1, 'to-device')).not.toBeNull()
  })

  it('that are none of the pool’s, or free, cannot be given back', () => {
    const { pages } = made()
    const one = pages.allocate(1)!
    expect(() => pages.free(one - PAGE, 1)).toThrow(/not taken from this pool/)
    expect(() => pages.free(one, 2)).toThrow(/not taken from this pool/)
    pages.free(one, 1)
    expect(() => pages.free(one, 1)).toThrow(/not taken from this pool/)
  })

  it('never overlap, whatever is taken and given back', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 70 }), { maxLength: 12 }),
        fc.array(fc.nat(11)),
        (sizes, freed) => {
          const { pool, pages } = made()
          const held = new Map<number, number>()
          for (const count of sizes) {
            const at = pages.allocate(count)
            if (at === null) continue
            for (const [other, length] of held) {
              expect(at >= other + length * PAGE || at + count * PAGE <= other).toBe(true)
            }
            held.set(at, count)
          }
          for (const index of freed) {
            const [at] = [...held.keys()].slice(index, index + 1)
            if (at === undefined) continue
            pages.free(at, held.get(at)!)
            held.delete(at)
          }
          const slots = [...held.values()].reduce((sum, count) => sum + (count * PAGE) / SLOT_BYTES, 0)
          expect(pool.used).toBe(slots)
        },
      ),
      { numRuns: Math.ceil(numRuns / 10) },
    )
  })
})

it('a device of a pool gets coherent memory and bounced buffers from it alone', () => {
  const { pool, pages } = made()
  const dma = new DirectDma({ owner: 'x', maskBits: 32, pages, bounce: pool, bounceAll: true })
  const ring = dma.allocCoherent(100, 'ring')!
  const buffer = dma.map(0x8_0000, 100, 'to-device', 'buffer')!
  for (const { lo } of [ring, buffer]) {
    expect(lo).toBeGreaterThanOrEqual(pool.start)
    expect(lo + 100).toBeLessThanOrEqual(pool.end)
  }
  dma.unmap(buffer)
  dma.freeCoherent(ring)
  expect(pool.used).toBe(0)
})
