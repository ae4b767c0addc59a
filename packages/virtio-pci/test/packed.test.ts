import { BufferList, PackedDriverQueue } from '@dmascope/virtqueue/driver'
import { describe, expect, it } from 'vitest'
import { Bench } from './bench-function.ts'

const PACKED = 34
const RING = 0x1000
const DRIVER_AREA = 0x2000
const DEVICE_AREA = 0x3000
const BAR = 4
// Offsets in the common configuration (virtio 1.3 §4.1.4.3).
const FEATURE_SELECT = 0x08
const DRIVER_FEATURE = 0x0c
const DEVICE_FEATURE_SELECT = 0x00
const DEVICE_FEATURE = 0x04
const STATUS = 0x14
const QUEUE_SELECT = 0x16
const QUEUE_SIZE = 0x18
const QUEUE_ENABLE = 0x1c
const QUEUE_DESC = 0x20
const QUEUE_DRIVER = 0x28
const QUEUE_DEVICE = 0x30
const QUEUE_RESET = 0x3a
const NOTIFY = 0x3000

const offeredHigh = (bench: Bench): number => {
  bench.write(BAR, DEVICE_FEATURE_SELECT, 4, 1)
  return bench.read(BAR, DEVICE_FEATURE, 4)
}

/** The driver's part of virtio 1.3 §3.1.1, with a queue of `size` entries. */
function setUp(bench: Bench, high: number, size: number): PackedDriverQueue {
  bench.write(BAR, STATUS, 1, 1)
  bench.write(BAR, STATUS, 1, 3)
  bench.write(BAR, FEATURE_SELECT, 4, 1)
  bench.write(BAR, DRIVER_FEATURE, 4, high)
  bench.write(BAR, STATUS, 1, 0xb)
  const queue = place(bench, size)
  bench.write(BAR, STATUS, 1, 0xf)
  return queue
}

function place(bench: Bench, size: number): PackedDriverQueue {
  bench.memory.fill(0, RING, DEVICE_AREA + 4)
  bench.write(BAR, QUEUE_SELECT, 2, 0)
  bench.write(BAR, QUEUE_SIZE, 2, size)
  bench.write(BAR, QUEUE_DESC, 4, RING)
  bench.write(BAR, QUEUE_DRIVER, 4, DRIVER_AREA)
  bench.write(BAR, QUEUE_DEVICE, 4, DEVICE_AREA)
  bench.write(BAR, QUEUE_ENABLE, 2, 1)
  const features = { indirect: false, eventIndex: false }
  return new PackedDriverQueue(bench.bus, { size, desc: RING, driver: DRIVER_AREA, device: DEVICE_AREA }, features)
}

const VERSION_1 = 1
const RING_PACKED = 1 << (PACKED - 32)
const RING_RESET = 1 << 8

describe('packed rings', () => {
  it('are offered where they are asked for, to drivers that speak virtio 1', () => {
    expect(offeredHigh(new Bench()) & RING_PACKED).toBe(0)
    expect(offeredHigh(new Bench({ packed: true })) & RING_PACKED).toBe(RING_PACKED)
    expect(new Bench({ packed: true, legacy: true }).function.offeredFeatures.hi & RING_PACKED).toBe(RING_PACKED)
    expect(new Bench({ packed: true, legacy: true, modern: false }).function.offeredFeatures.hi).toBe(0)
  })

  it('are served once they are negotiated, of any size', () => {
    const bench = new Bench({ packed: true })
    const queue = setUp(bench, VERSION_1 | RING_PACKED, 6)
    for (const text of ['one', 'two', 'three', 'four']) {
      bench.offer(queue, text)
      bench.write(BAR, NOTIFY, 2, 0)
      bench.function.work(64)
      expect(queue.reap()).toBe(true)
      expect(bench.answer(text.length)).toBe(text.toUpperCase())
    }
    expect(bench.function.brokenReason).toBeNull()
  })

  it('are as new after the queue was reset, and the device goes on', () => {
    const bench = new Bench({ packed: true })
    const queue = setUp(bench, VERSION_1 | RING_PACKED | RING_RESET, 4)
    queue.add(new BufferList(1).readable(0, 0x3_0000, 1), 1)
    bench.write(BAR, QUEUE_SELECT, 2, 0)
    bench.write(BAR, QUEUE_RESET, 2, 1)
    expect(bench.read(BAR, QUEUE_ENABLE, 2)).toBe(0)
    const again = place(bench, 3)
    bench.offer(again, 'anew')
    bench.write(BAR, NOTIFY, 2, 0)
    bench.function.work(64)
    expect([again.reap(), bench.answer(4)]).toEqual([true, 'ANEW'])
  })

  it('a driver that declined them has split ones, whose size is a power of two', () => {
    const bench = new Bench({ packed: true })
    setUp(bench, VERSION_1, 6)
    expect(bench.function.brokenReason).toBe('queue 0: its size, 6, is no power of two')
  })
})
