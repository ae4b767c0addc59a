import { splitRingLayout } from '@dmascope/virtqueue'
import { BufferList, createFlatBus, SplitDriverQueue } from '@dmascope/virtqueue/driver'
import { describe, expect, test } from 'vitest'

const DESC = 0x1000
const AVAIL = 0x2000
const USED = 0x3000

const bench = (size = 8, features: { indirect?: boolean; eventIndex?: boolean } = {}) => {
  const memory = new Uint8Array(0x8000)
  const view = new DataView(memory.buffer)
  const queue = new SplitDriverQueue<string>(
    createFlatBus(memory),
    { size, desc: DESC, driver: AVAIL, device: USED },
    { indirect: features.indirect ?? false, eventIndex: features.eventIndex ?? false },
  )
  return {
    memory,
    view,
    queue,
    word: (at: number): number => view.getUint16(at, true),
    desc: (index: number, table = DESC): number[] => {
      const at = table + index * 16
      return [
        view.getUint32(at, true),
        view.getUint32(at + 4, true),
        view.getUint32(at + 8, true),
        view.getUint16(at + 12, true),
        view.getUint16(at + 14, true),
      ]
    },
    /** What a device would write. */
    finish: (index: number, id: number, length: number): void => {
      view.setUint32(USED + 4 + (index % size) * 8, id, true)
      view.setUint32(USED + 8 + (index % size) * 8, length, true)
      view.setUint16(USED + 2, index + 1, true)
    },
  }
}

const one = (address = 0x4000): BufferList => new BufferList(1).readable(0, address, 16)

describe('a request, in the order in which Linux makes one', () => {
  test('virtio_ring: add, publish, notify, interrupt, reap', () => {
    const { queue, word, desc, finish } = bench()
    const buffers = new BufferList(3).readable(1, 0x4000, 16).writable(2, 0x5000, 512).writable(3, 0x6000, 1)
    // 1. Descriptors, linked in the order of the free list.
    expect(queue.add(buffers, 'read')).toBe(0)
    expect(desc(0)).toEqual([0x4000, 1, 16, 1, 1])
    expect(desc(1)).toEqual([0x5000, 2, 512, 3, 2])
    expect(desc(2).slice(0, 4)).toEqual([0x6000, 3, 1, 2])
    expect(queue.free).toBe(5)
    // 2. The head in the available ring; the device does not see it yet.
    expect(word(AVAIL + 4)).toBe(0)
    expect(word(AVAIL + 2)).toBe(0)
    // 3. avail.idx, and whether to notify.
    expect(queue.publish()).toBe(true)
    expect(word(AVAIL + 2)).toBe(1)
    expect(queue.publish()).toBe(false)
    // 4. The device finishes, and interrupts.
    finish(0, 0, 513)
    queue.disableInterrupts()
    expect(word(AVAIL)).toBe(1)
    // 5. The used ring is read until it is empty.
    expect(queue.reap()).toBe(true)
    expect([queue.reapedToken, queue.reapedHead, queue.reapedLength]).toEqual(['read', 0, 513])
    expect(queue.reap()).toBe(false)
    // 6. Interrupts on again, and a last look.
    expect(queue.enableInterrupts()).toBe(false)
    expect(word(AVAIL)).toBe(0)
    expect([queue.free, queue.inFlight]).toEqual([8, 0])
  })

  test('several requests are published at once, and come back in any order', () => {
    const { queue, word, finish } = bench()
    expect([queue.add(one(), 'a'), queue.add(one(), 'b'), queue.add(one(), 'c')]).toEqual([0, 1, 2])
    queue.publish()
    expect([word(AVAIL + 2), word(AVAIL + 4), word(AVAIL + 6), word(AVAIL + 8)]).toEqual([3, 0, 1, 2])
    finish(0, 2, 0)
    finish(1, 0, 0)
    const back: (string | undefined)[] = []
    while (queue.reap()) back.push(queue.reapedToken)
    expect(back).toEqual(['c', 'a'])
    expect(queue.inFlight).toBe(1)
  })

  test('a freed chain is used again first', () => {
    const { queue, finish } = bench()
    queue.add(one(), 'a')
    queue.add(one(), 'b')
    queue.publish()
    finish(0, 1, 0)
    queue.reap()
    expect(queue.add(one(), 'c')).toBe(1)
    expect(queue.add(one(), 'd')).toBe(2)
  })

  test('the queue is full when its descriptors are', () => {
    const { queue } = bench(4)
    const three = new BufferList(3).readable(0, 1, 1).readable(0, 2, 1).readable(0, 3, 1)
    expect(queue.add(three, 'a')).toBe(0)
    expect(queue.add(three, 'b')).toBe(-1)
    expect(queue.free).toBe(1)
    expect(queue.add(one(), 'c')).toBe(3)
    expect(queue.add(one(), 'd')).toBe(-1)
  })
})

describe('indirect tables', () => {
  const two = (): BufferList => new BufferList(2).readable(5, 0x6000, 16).writable(6, 0x7000, 8)
  const table = { cpu: 0x5000, hi: 9, lo: 0xf000, capacity: 2 }

  test('two buffers take one descriptor, which refers to the table by its bus address', () => {
    const { queue, desc } = bench(2, { indirect: true })
    expect(queue.add(two(), 'a', table)).toBe(0)
    expect(desc(0).slice(0, 4)).toEqual([0xf000, 9, 32, 4])
    expect(desc(0, 0x5000)).toEqual([0x6000, 5, 16, 1, 1])
    expect(desc(1, 0x5000).slice(0, 4)).toEqual([0x7000, 6, 8, 2])
    expect(queue.free).toBe(1)
  })

  test('a single buffer, and a device that did not offer them, do without', () => {
    const { queue, desc } = bench(8, { indirect: true })
    queue.add(one(), 'a', table)
    expect(desc(0)[3]).toBe(0)
    const plain = bench(8)
    plain.queue.add(two(), 'a', table)
    expect(plain.desc(0)[3]).toBe(1)
    expect(plain.queue.free).toBe(6)
  })

  test('a table that is too small is a mistake of the caller', () => {
    const { queue } = bench(8, { indirect: true })
    const three = new BufferList(3).readable(0, 1, 1).readable(0, 2, 1).readable(0, 3, 1)
    expect(() => queue.add(three, 'a', table)).toThrow('3 buffers do not fit in an indirect table of 2')
  })
})

describe('suppression', () => {
  test('§2.7.10 without the event index, used.flags says whether to notify', () => {
    const { queue, view } = bench()
    view.setUint16(USED, 1, true)
    queue.add(one(), 'a')
    expect(queue.publish()).toBe(false)
    view.setUint16(USED, 0, true)
    queue.add(one(), 'b')
    expect(queue.publish()).toBe(true)
  })

  test('§2.7.10 with it, avail_event says after which entry', () => {
    const { queue, view } = bench(8, { eventIndex: true })
    view.setUint16(USED, 1, true)
    view.setUint16(USED + 4 + 8 * 8, 2, true)
    queue.add(one(), 'a')
    queue.add(one(), 'b')
    expect(queue.publish()).toBe(false)
    queue.add(one(), 'c')
    expect(queue.publish()).toBe(true)
    queue.add(one(), 'd')
    expect(queue.publish()).toBe(false)
  })

  test('with it, used_event follows what is reaped while interrupts are on, and is passed while they are off', () => {
    const { queue, word, finish } = bench(8, { eventIndex: true })
    const event = (): number => word(AVAIL + 4 + 2 * 8)
    queue.add(one(), 'a')
    queue.add(one(), 'b')
    queue.publish()
    finish(0, 0, 0)
    queue.reap()
    expect(event()).toBe(1)
    queue.disableInterrupts()
    expect(event()).toBe(0)
    expect(word(AVAIL)).toBe(0)
    finish(1, 1, 0)
    queue.reap()
    expect(event()).toBe(0)
    expect(queue.enableInterrupts()).toBe(false)
    expect(event()).toBe(2)
  })

  test('a request that is finished between the last look and enabling is not missed', () => {
    const { queue, finish } = bench()
    queue.add(one(), 'a')
    queue.publish()
    queue.disableInterrupts()
    expect(queue.reap()).toBe(false)
    finish(0, 0, 0)
    expect(queue.enableInterrupts()).toBe(true)
    expect(queue.reap()).toBe(true)
  })
})

describe('what a device may not write', () => {
  test.each([
    [8, 'the device gave back head 8, outside the queue of 8'],
    [0xffff_ffff, 'the device gave back head 4294967295, outside the queue of 8'],
    [3, 'the device gave back head 3, which is not in flight'],
  ])('id %s', (id, reason) => {
    const { queue, finish } = bench()
    queue.add(one(), 'a')
    queue.publish()
    finish(0, id, 0)
    expect(queue.reap()).toBe(false)
    expect(queue.broken).toBe(reason)
    expect(queue.add(one(), 'b')).toBe(-1)
    expect(queue.publish()).toBe(false)
    expect(queue.reap()).toBe(false)
    expect(queue.enableInterrupts()).toBe(false)
  })

  test('the same id twice', () => {
    const { queue, finish } = bench()
    queue.add(one(), 'a')
    queue.publish()
    finish(0, 0, 0)
    finish(1, 0, 0)
    expect(queue.reap()).toBe(true)
    expect(queue.reap()).toBe(false)
    expect(queue.broken).toBe('the device gave back head 0, which is not in flight')
  })

  test('links that it wrote into the descriptor table are not followed', () => {
    const { queue, view, finish } = bench()
    const two = new BufferList(2).readable(0, 1, 1).readable(0, 2, 1)
    queue.add(two, 'a')
    queue.publish()
    view.setUint16(DESC + 14, 7, true)
    finish(0, 0, 0)
    queue.reap()
    expect(queue.add(two, 'b')).toBe(0)
    expect(view.getUint16(DESC + 14, true)).toBe(1)
  })

  test('after a reset, requests that never came back are given back', () => {
    const { queue } = bench()
    queue.add(one(), 'a')
    queue.add(one(), 'b')
    const back: string[] = []
    queue.detachUnused((token) => back.push(token))
    expect(back).toEqual(['a', 'b'])
    expect([queue.inFlight, queue.add(one(), 'c')]).toEqual([0, -1])
  })
})

describe("a caller's mistakes", () => {
  test('a ring that is not aligned', () => {
    const bus = createFlatBus(new Uint8Array(64))
    const features = { indirect: false, eventIndex: false }
    for (const [desc, driver, device] of [
      [8, 0, 0],
      [0, 1, 0],
      [0, 0, 2],
    ] as const) {
      expect(() => new SplitDriverQueue(bus, { size: 1, desc, driver, device }, features)).toThrow(RangeError)
    }
    expect(() => new SplitDriverQueue(bus, { size: 3, desc: 0, driver: 0, device: 0 }, features)).toThrow(
      "a queue's size is a power of two in [1, 32768], got 3",
    )
  })

  test('a request without buffers, a list that is full, a readable buffer after a writable one', () => {
    const { queue } = bench()
    expect(() => queue.add(new BufferList(1), 'a')).toThrow('a request has at least one buffer')
    const list = new BufferList(1).writable(0, 0, 1)
    expect(() => list.writable(0, 0, 1)).toThrow('this list holds 1 buffers at most')
    expect(() => list.readable(0, 0, 1)).toThrow('a device-readable buffer cannot follow a device-writable one')
    expect(list.clear().readable(0, 0, 1).count).toBe(1)
  })

  test('a queue of 32768 lies in one piece of 512 KiB, 64 KiB + 6, and 256 KiB + 6', () => {
    expect(splitRingLayout(32768, 4096)).toEqual({
      desc: 0,
      driver: 0x8_0000,
      device: 0x9_1000,
      bytes: 0x9_1000 + 0x4_0000 + 6,
    })
  })
})
