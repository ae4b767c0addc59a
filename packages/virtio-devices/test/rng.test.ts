import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createRng } from '../src/index.ts'
import { RandomBytes } from '../src/random-bytes.ts'
import { Bench, FUZZ_RUNS } from './bench.ts'

describe('the generator', () => {
  it('is xoshiro128**: its first words from the state 1, 2, 3, 4 of the reference', () => {
    // rotl(2 * 5, 7) * 9 = 11520; then the state is 7, 0, 1026, 12288, and rotl(0 * 5, 7) * 9 = 0; then 1029 * 5 ...
    const random = new RandomBytes(0, [1, 2, 3, 4])
    const bytes = new Uint8Array(16)
    random.fill(bytes)
    const view = new DataView(bytes.buffer)
    expect([0, 4, 8].map((at) => view.getUint32(at, true))).toEqual([11_520, 0, 5_927_040])
  })

  it('gives the same bytes in whatever portions they are taken', () => {
    const whole = new Uint8Array(64)
    new RandomBytes(7).fill(whole)
    fc.assert(
      fc.property(fc.array(fc.nat(20), { maxLength: 6 }), (cuts) => {
        const random = new RandomBytes(7)
        const got = new Uint8Array(64)
        let at = 0
        for (const cut of [...cuts, 64]) {
          const end = Math.min(at + cut, 64)
          random.fill(got.subarray(at, end))
          at = end
        }
        expect(got).toEqual(whole)
      }),
      { numRuns: FUZZ_RUNS },
    )
  })

  it('does not repeat itself from seed to seed, or give a constant', () => {
    const first = [0, 1, 2, 0xffff_ffff].map((seed) => {
      const bytes = new Uint8Array(32)
      new RandomBytes(seed).fill(bytes)
      return bytes
    })
    expect(new Set(first.map(String)).size).toBe(4)
    for (const bytes of first) expect(new Set(bytes).size).toBeGreaterThan(16)
  })
})

describe('§5.4 the entropy device', () => {
  it('has type 4, one queue of 8 entries, no features and no configuration', () => {
    const device = createRng({ seed: 1 })
    expect([device.type, device.queueSizes, device.features, device.config.size]).toEqual([4, [8], { lo: 0, hi: 0 }, 0])
  })

  it('fills buffers with the bytes of its seed, in order', () => {
    const bench = new Bench(createRng({ seed: 42 }))
    const expected = new Uint8Array(96)
    new RandomBytes(42).fill(expected)
    const [a, b, c] = [bench.piece(10), bench.piece(22), bench.piece(64)]
    expect(bench.request(0, [], [a, b])).toBe(32)
    expect(bench.request(0, [], [c])).toBe(64)
    expect([...a.bytes, ...b.bytes, ...c.bytes]).toEqual([...expected])
    expect(bench.interrupts[0]).toBe(2)
  })

  it('starts over after a reset', () => {
    const device = createRng({ seed: 3 })
    const bytes = [1, 2].map(() => {
      device.reset()
      const bench = new Bench(device)
      const piece = bench.piece(16)
      bench.request(0, [], [piece])
      return [...piece.bytes]
    })
    expect(bytes[0]).toEqual(bytes[1])
    expect(new Set(bytes[0]).size).toBeGreaterThan(8)
  })

  it('§5.4.6: fills a long buffer in part, as far as its limit', () => {
    const bench = new Bench(createRng({ seed: 3, maxBytes: 100 }))
    const piece = bench.piece(200)
    expect(bench.request(0, [], [piece])).toBe(100)
    expect(piece.bytes.subarray(100).every((byte) => byte === 0)).toBe(true)
  })

  it('is not moved by lengths of 4 GiB', () => {
    const bench = new Bench(createRng({ seed: 3 }))
    const huge = { address: 0, bytes: { length: 0xffff_ffff } as unknown as Uint8Array }
    const start = bench.piece(65_536)
    expect(bench.request(0, [], [start, huge, huge])).toBe(65_536)
  })

  it('gives back what it may not write with a length of 0, and what it has nothing to write to', () => {
    const bench = new Bench(createRng({ seed: 3 }))
    const piece = bench.piece(16)
    bench.refuse(piece)
    expect(bench.request(0, [], [piece])).toBe(0)
    expect(piece.bytes).toEqual(new Uint8Array(16))
    expect(bench.request(0, [bench.piece(16)], [])).toBe(0)
    expect(bench.resetReason).toBeNull()
  })

  it('delivers the same bytes where memory had to be waited for', () => {
    const bench = new Bench(createRng({ seed: 5 }))
    const expected = new Uint8Array(16)
    new RandomBytes(5).fill(expected)
    const piece = bench.piece(16)
    bench.add(0, [], [piece])
    bench.delayAfter(0)
    expect(bench.run()).toBe('waiting')
    expect(bench.run()).toBe('idle')
    expect(bench.reap(0)).toHaveLength(1)
    expect(piece.bytes).toEqual(expected)
  })

  it('serves a driver that notified before DRIVER_OK, and a queue that fills while it works', () => {
    const bench = new Bench(createRng({ seed: 1 }))
    for (let token = 0; token < 8; token++) bench.add(0, [], [bench.piece(4)], token)
    expect(bench.device.work(3)).toBe('more')
    expect(bench.reap(0)).toHaveLength(3)
    bench.add(0, [], [bench.piece(4)], 8)
    bench.run(2)
    expect(bench.reap(0).map(({ token }) => token)).toEqual([3, 4, 5, 6, 7, 8])
  })

  it('refuses seeds that are no 32-bit integers', () => {
    for (const seed of [-1, 2 ** 32, 0.5]) expect(() => createRng({ seed })).toThrow(RangeError)
    expect(() => createRng({ seed: 1, maxBytes: 0 })).toThrow(RangeError)
  })
})
