import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createBalloon } from '../src/index.ts'
import { Bench, FUZZ_RUNS, words } from './bench.ts'

const INFLATE = 0
const DEFLATE = 1
const STATS = 2

function setup() {
  const pages = new Set<number>()
  const device = createBalloon({
    memory: { inflate: (page) => pages.add(page), deflate: (page) => pages.delete(page) },
  })
  return { pages, device, bench: new Bench(device) }
}
/** virtio 1.3 §5.5.6.3: le16 tag, le64 val, 10 bytes. */
const stat = (tag: number, lo: number, hi = 0): Uint8Array => Uint8Array.of(tag & 0xff, tag >>> 8, ...words(lo, hi))

it('offers what QEMU offers: statistics and page poisoning, three queues of 128', () => {
  const device = createBalloon()
  expect([device.type, device.queueSizes, device.features]).toEqual([5, [128, 128, 128], { lo: 0b1_0010, hi: 0 }])
  expect(device.config.size).toBe(16)
})

describe('§5.5.6 inflating and deflating', () => {
  it('takes and gives back the pages that the driver names', () => {
    const { bench, pages, device } = setup()
    expect(bench.request(INFLATE, [bench.piece(words(0x1000, 0x1001, 0xffff_ffff))], [])).toBe(0)
    expect(pages).toEqual(new Set([0x1000, 0x1001, 0xffff_ffff]))
    expect(bench.request(DEFLATE, [bench.piece(words(0x1001))], [])).toBe(0)
    expect(pages).toEqual(new Set([0x1000, 0xffff_ffff]))
    expect([device.inflated, device.deflated]).toEqual([3, 1])
  })

  it('takes more pages than one look at the buffer holds, and no part of a page number', () => {
    const { bench, pages } = setup()
    const numbers = Array.from({ length: 1000 }, (_, index) => index * 3)
    const bytes = new Uint8Array(4003)
    bytes.set(words(...numbers))
    bench.request(INFLATE, [bench.piece(bytes.subarray(0, 1)), bench.piece(bytes.subarray(1))], [])
    expect([...pages]).toEqual(numbers)
  })

  it('takes nothing from a buffer that it may not read, and gives it back', () => {
    const { bench, pages } = setup()
    const bad = bench.piece(words(1, 2))
    bench.refuse(bad)
    expect(bench.request(INFLATE, [bad], [])).toBe(0)
    expect(pages.size).toBe(0)
    expect(bench.request(INFLATE, [], [bench.piece(8)])).toBe(0)
  })

  it('§5.5.4: the device sets the target, the driver what it has', () => {
    const { bench, device } = setup()
    device.setTarget(512)
    expect([bench.configChanges, device.config.read(0, 4)]).toEqual([1, 512])
    device.config.write(0, 4, 7)
    device.config.write(4, 4, 510)
    device.config.write(8, 4, 7)
    expect([device.config.read(0, 4), device.actual, device.config.read(8, 4)]).toEqual([512, 510, 0])
    device.reset()
    expect([device.config.read(0, 4), device.actual]).toEqual([512, 0])
    expect(() => device.setTarget(2 ** 32)).toThrow(RangeError)
  })
})

describe('§5.5.6.3 statistics', () => {
  it('keeps the buffer until new numbers are wanted, then gives it back', () => {
    const { bench, device } = setup()
    expect(device.requestStats()).toBe(false)
    bench.add(STATS, [bench.piece(Uint8Array.of(...stat(4, 1000), ...stat(5, 5, 1)))], [], 1)
    bench.run()
    expect(bench.reap(STATS)).toEqual([])
    expect(device.stats).toEqual({ VIRTIO_BALLOON_S_MEMFREE: [0, 1000], VIRTIO_BALLOON_S_MEMTOT: [1, 5] })
    expect(device.requestStats()).toBe(true)
    bench.run()
    expect(bench.reap(STATS)).toEqual([{ token: 1, length: 0 }])
    expect(bench.interrupts[STATS]).toBe(1)
    bench.add(STATS, [bench.piece(stat(4, 900))], [], 2)
    bench.run()
    expect(device.stats).toEqual({ VIRTIO_BALLOON_S_MEMFREE: [0, 900] })
  })

  it('ignores tags that it does not know, and what is no whole entry', () => {
    const { bench, device } = setup()
    bench.add(STATS, [bench.piece(Uint8Array.of(...stat(10, 1), ...stat(0xffff, 2), ...stat(0, 3), 1, 0, 9))], [])
    bench.run()
    expect(device.stats).toEqual({ VIRTIO_BALLOON_S_SWAP_IN: [0, 3] })
  })

  it('keeps the old numbers where the new cannot be read', () => {
    const { bench, device } = setup()
    bench.add(STATS, [bench.piece(Uint8Array.of(...stat(0, 1), ...stat(1, 5)))], [])
    bench.run()
    device.requestStats()
    bench.run()
    const bad = bench.piece(stat(0, 2))
    bench.refuse(bad)
    bench.add(STATS, [bad], [])
    bench.run()
    expect(device.stats).toEqual({ VIRTIO_BALLOON_S_SWAP_IN: [0, 1], VIRTIO_BALLOON_S_SWAP_OUT: [0, 5] })
    expect(device.requestStats()).toBe(true)
  })

  it('leaves a second buffer alone until the first is given back', () => {
    const { bench, device } = setup()
    bench.add(STATS, [bench.piece(stat(0, 1))], [], 1)
    bench.run()
    bench.add(STATS, [bench.piece(stat(0, 2))], [], 2)
    device.notify(STATS)
    bench.run()
    expect(bench.reap(STATS)).toEqual([])
    expect(device.stats.VIRTIO_BALLOON_S_SWAP_IN).toEqual([0, 1])
    device.requestStats()
    bench.run()
    expect(bench.reap(STATS).map(({ token }) => token)).toEqual([1])
    expect(device.stats.VIRTIO_BALLOON_S_SWAP_IN).toEqual([0, 2])
  })
})

it('after any inflations and deflations the balloon holds what the driver thinks', () => {
  const { pages, device } = setup()
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.boolean(), fc.array(fc.nat(63), { minLength: 1, maxLength: 20 })), { maxLength: 8 }),
      (steps) => {
        device.reset()
        pages.clear()
        const bench = new Bench(device, { memory: 1 << 16 })
        const model = new Set<number>()
        for (const [inflate, numbers] of steps) {
          for (const page of numbers) inflate ? model.add(page) : model.delete(page)
          expect(bench.request(inflate ? INFLATE : DEFLATE, [bench.piece(words(...numbers))], [])).toBe(0)
        }
        expect(pages).toEqual(model)
      },
    ),
    { numRuns: FUZZ_RUNS },
  )
})
