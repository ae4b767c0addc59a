import { needPackedEvent, packedRingLayout } from '@dmascope/virtqueue'
import { createDeviceQueue, createFlatPort, PackedDeviceQueue, SplitDeviceQueue } from '@dmascope/virtqueue/device'
import { PVIRTQ_DESC, PVIRTQ_DESC_F, PVIRTQ_EVENT_SUPPRESS } from '@dmascope/virtqueue/spec'
import { describe, expect, test } from 'vitest'
import { AVAIL, DEVICE_EVENT, DRIVER_EVENT, PackedBench, USED } from './packed-bench.ts'
import { DESC, INDIRECT, NEXT, ScriptedPort, WRITE } from './ring-bench.ts'

test('the layout: virtio 1.3 §2.8.13 and §2.8.14', () => {
  const { addr, len, id, flags } = PVIRTQ_DESC.fields
  expect([addr.lo.offset, addr.hi.offset, len.offset, id.offset, flags.offset, PVIRTQ_DESC.size]).toEqual([
    0, 4, 8, 12, 14, 16,
  ])
  const f = PVIRTQ_DESC_F.fields
  expect([f.VIRTQ_DESC_F_AVAIL.loMask, f.VIRTQ_DESC_F_USED.loMask]).toEqual([0x80, 0x8000])
  expect([PVIRTQ_EVENT_SUPPRESS.fields.desc.offset, PVIRTQ_EVENT_SUPPRESS.fields.flags.offset]).toEqual([0, 2])
  expect(packedRingLayout(6)).toEqual({ desc: 0, driver: 96, device: 100, bytes: 104 })
})

test('a size need be no power of two, but there is a largest', () => {
  const port = createFlatPort(new Uint8Array(64))
  const at = { descHi: 0, descLo: 0, driverHi: 0, driverLo: 0, deviceHi: 0, deviceLo: 0 }
  const features = { indirect: false, eventIndex: false }
  expect(new PackedDeviceQueue(port, { size: 3, ...at }, features).size).toBe(3)
  for (const size of [0, 32769, 1.5]) {
    expect(() => new PackedDeviceQueue(port, { size, ...at }, features)).toThrow(RangeError)
  }
  expect(createDeviceQueue(port, { size: 3, ...at }, { ...features, packed: true })).toBeInstanceOf(PackedDeviceQueue)
  expect(createDeviceQueue(port, { size: 4, ...at }, features)).toBeInstanceOf(SplitDeviceQueue)
})

describe.each([true, false])('a packed queue, views %s', (viewsAllowed) => {
  const bench = (size = 8, features: { indirect?: boolean; eventIndex?: boolean } = { indirect: true }) => {
    const ring = new PackedBench(size)
    const port = new ScriptedPort(ring.memory)
    port.viewsAllowed = viewsAllowed
    return { ring, port, queue: ring.queue(features, port) }
  }

  test('§2.8.1 a descriptor is available where AVAIL is the wrap counter and USED is not', () => {
    for (const [flags, available] of [
      [0, false],
      [AVAIL, true],
      [USED, false],
      [AVAIL | USED, false],
    ] as const) {
      const { ring, queue } = bench()
      ring.desc(0, 0x4000, 4, flags)
      expect(queue.next()).toBe(available)
      expect(queue.broken).toBeNull()
    }
  })

  test('§2.8.6 a chain goes over the end of the ring; its id is that of its last descriptor', () => {
    const { ring, queue } = bench(3)
    ring.desc(0, 0x4000, 4, AVAIL, 7)
    ring.desc(1, 0x4000, 4, AVAIL, 8)
    expect([queue.next(), queue.next(), queue.next()]).toEqual([true, true, false])
    queue.complete(0)
    queue.complete(0, 0)
    expect([ring.entry(0), ring.entry(1)]).toEqual([
      { id: 8, len: 0, flags: AVAIL | USED },
      { id: 7, len: 0, flags: AVAIL | USED },
    ])
    ring.desc(0, 0x5000, 8, WRITE | USED, 2)
    ring.desc(2, 0x4000, 4, AVAIL | NEXT, 1)
    expect(queue.next()).toBe(true)
    expect([queue.count, queue.readableBytes, queue.writableBytes, queue.lo[1]]).toEqual([2, 4, 8, 0x5000])
    queue.complete(8)
    // One entry tells of the whole chain; the other is passed over.
    expect(ring.entry(2)).toEqual({ id: 2, len: 8, flags: AVAIL | USED | WRITE })
    expect(ring.entry(0)).toEqual({ id: 2, len: 8, flags: WRITE | USED })
    // The next round: available is USED alone, used is neither.
    ring.desc(1, 0x4000, 4, USED, 5)
    expect(queue.next()).toBe(true)
    queue.complete(0)
    expect(ring.entry(1)).toEqual({ id: 5, len: 0, flags: 0 })
    expect(queue.inFlight).toBe(0)
  })

  test('§2.8.7 of an indirect table all entries count, and of their flags WRITE alone', () => {
    const { ring, queue } = bench()
    ring.desc(0, 0x4ff0, 48, INDIRECT | AVAIL, 5)
    ring.desc(0, 0x5000, 16, 0, 9, 0x4ff0)
    ring.desc(1, 0x6000, 32, NEXT | AVAIL | USED, 9, 0x4ff0)
    ring.desc(2, 0x7000, 1, WRITE, 9, 0x4ff0)
    expect(queue.next()).toBe(true)
    expect([queue.count, queue.readableCount, queue.readableBytes, queue.writableBytes]).toEqual([3, 2, 48, 1])
    queue.complete(1)
    expect(ring.entry(0)).toEqual({ id: 5, len: 1, flags: AVAIL | USED | WRITE })
  })

  test('two chains by one id are two chains', () => {
    const { ring, queue } = bench()
    ring.desc(0, 0x4000, 1, AVAIL | NEXT, 3)
    ring.desc(1, 0x4000, 1, AVAIL, 3)
    ring.desc(2, 0x4000, 1, AVAIL, 3)
    queue.next()
    const first = queue.head
    queue.next()
    const second = queue.head
    expect(second).not.toBe(first)
    queue.complete(0, second)
    queue.complete(0, first)
    expect([ring.entry(0).id, ring.entry(1).id]).toEqual([3, 3])
    expect(() => queue.complete(0, first)).toThrow('no chain of this queue is in flight')
  })

  test('a head that is none, or was given back, is the caller’s mistake', () => {
    const { ring, queue } = bench()
    ring.desc(0, 0x4000, 1, AVAIL)
    ring.desc(1, 0x4000, 1, AVAIL)
    queue.next()
    const first = queue.head
    queue.next()
    queue.complete(0, first)
    expect(() => queue.complete(0, first)).toThrow(`head ${first} is not in flight`)
    expect(() => queue.complete(0, 8)).toThrow('head 8 is outside [0, 8)')
  })

  test.each([
    ['a buffer of no bytes', [[0x4000, 0, 0]], 'has a buffer of no bytes'],
    ['a buffer that ends above 2^64', [[0xffff_f000, 0x1001, 0]], 'has a buffer that ends above 2^64'],
    [
      '§2.8.5 a device-readable buffer after a device-writable one',
      [
        [0x4000, 1, NEXT | WRITE],
        [0x4000, 1, 0],
      ],
      'has a device-readable buffer after a device-writable one',
    ],
    ['INDIRECT and NEXT together', [[0x4000, 16, INDIRECT | NEXT]], 'goes on after its indirect table'],
    [
      'an indirect table behind direct descriptors',
      [
        [0x4000, 16, NEXT],
        [0x4000, 16, INDIRECT],
      ],
      'refers to an indirect table where none may be',
    ],
    [
      'an indirect table of 17 bytes',
      [[0x4000, 17, INDIRECT]],
      'has an indirect table of 17 bytes, which is no multiple of 16 above 0',
    ],
    ['an indirect table of 1025 entries, in a queue of 8', [[0x4000, 1025 * 16, INDIRECT]], 'is longer than it may be'],
  ] as const)('%s breaks it', (_what, descriptors, reason) => {
    const { ring, queue } = bench()
    descriptors.forEach(([address, length, flags], index) => {
      ring.desc(index, address, length, flags | AVAIL, 0, DESC, address === 0xffff_f000 ? 0xffff_ffff : 0)
    })
    expect(queue.next()).toBe(false)
    expect(queue.broken).toBe(`the chain at entry 0 ${reason}`)
  })

  test('an indirect table that was not negotiated, and one within another, break it', () => {
    const plain = bench(8, {})
    plain.ring.desc(0, 0x4000, 16, INDIRECT | AVAIL)
    expect(plain.queue.next()).toBe(false)
    expect(plain.queue.broken).toBe('the chain at entry 0 has an indirect table, which was not negotiated')
    const { ring, queue } = bench()
    ring.desc(0, 0x4000, 16, INDIRECT | AVAIL)
    ring.desc(0, 0x5000, 16, INDIRECT, 0, 0x4000)
    expect(queue.next()).toBe(false)
    expect(queue.broken).toBe('the chain at entry 0 refers to an indirect table where none may be')
  })

  test.each([1, 3, 40])('a ring of %s in which every descriptor goes on: once around, and no further', (size) => {
    const { ring, port, queue } = bench(size)
    for (let index = 0; index < size; index++) ring.desc(index, 0x4000, 1, NEXT | AVAIL)
    expect(queue.next()).toBe(false)
    expect(queue.broken).toBe('the chain at entry 0 is longer than it may be')
    expect(port.seen.length).toBeLessThan(2 * size + 4)
  })

  test('a chain of all entries is well; one that overtakes what is in flight breaks the queue', () => {
    const { ring, queue } = bench(40)
    for (let index = 0; index < 40; index++) ring.desc(index, 0x4000, 1, AVAIL | (index < 39 ? NEXT : 0))
    expect(queue.next()).toBe(true)
    expect(queue.count).toBe(40)
    ring.desc(0, 0x4000, 1, USED)
    expect(queue.next()).toBe(false)
    expect(queue.broken).toBe('more than 40 descriptors are in flight')
  })

  test('a broken queue touches no memory', () => {
    const { ring, port, queue } = bench()
    ring.desc(0, 0x4000, 1, AVAIL)
    ring.desc(1, 0x4000, 0, AVAIL)
    expect([queue.next(), queue.next()]).toEqual([true, false])
    const memory = ring.memory.slice()
    port.seen.length = 0
    expect(queue.next()).toBe(false)
    queue.complete(1)
    queue.disableNotifications()
    expect([queue.enableNotifications(), queue.shouldInterrupt(), queue.inFlight]).toEqual([false, false, 0])
    expect(port.seen).toEqual([])
    expect(Buffer.compare(ring.memory, memory)).toBe(0)
  })

  test('§2.8.10 without the event index: notifications and interrupts are on or off', () => {
    const { ring, queue } = bench()
    queue.disableNotifications()
    expect(ring.event(DEVICE_EVENT)).toEqual([0, 1])
    ring.desc(0, 0x4000, 1, AVAIL)
    expect(queue.enableNotifications()).toBe(true)
    expect(ring.event(DEVICE_EVENT)).toEqual([0, 0])
    for (const [index, flags, wanted] of [
      [0, 0, true],
      [1, 1, false],
      // "At a descriptor" was not negotiated, and 3 is reserved: an interrupt too many harms nobody.
      [2, 2, true],
      [3, 3, true],
    ] as const) {
      ring.desc(index, 0x4000, 1, AVAIL)
      ring.setEvent(DRIVER_EVENT, 100, flags)
      expect(queue.next()).toBe(true)
      queue.complete(0)
      expect(queue.shouldInterrupt()).toBe(wanted)
      expect(queue.shouldInterrupt()).toBe(false)
    }
  })

  test('§2.8.10 with the event index: at the descriptor that each side names, in its round', () => {
    const { ring, queue } = bench(4, { eventIndex: true })
    const serve = (flags: number, ...entries: number[]): void => {
      for (const index of entries) ring.desc(index, 0x4000, 1, flags)
      for (const _ of entries) {
        expect(queue.next()).toBe(true)
        queue.complete(0)
      }
    }
    expect(queue.enableNotifications()).toBe(false)
    expect(ring.event(DEVICE_EVENT)).toEqual([0x8000, 2])
    ring.setEvent(DRIVER_EVENT, 0x8003, 2)
    serve(AVAIL, 0)
    expect(queue.shouldInterrupt()).toBe(true) // the first one, whatever is asked for
    serve(AVAIL, 1, 2)
    expect(queue.shouldInterrupt()).toBe(false)
    serve(AVAIL, 3)
    expect(queue.shouldInterrupt()).toBe(true)
    expect(queue.enableNotifications()).toBe(false)
    expect(ring.event(DEVICE_EVENT)).toEqual([0, 2])
    // Entry 1 of the round before has passed; of this round it is to come.
    ring.setEvent(DRIVER_EVENT, 0x8001, 2)
    serve(USED, 0, 1)
    expect(queue.shouldInterrupt()).toBe(false)
    ring.setEvent(DRIVER_EVENT, 0x0003, 2)
    serve(USED, 2, 3)
    expect(queue.shouldInterrupt()).toBe(true)
  })

  test('everything that is read and written is told to the ledger, or went through the port', () => {
    const { ring, port, queue } = bench(8, { indirect: true, eventIndex: true })
    queue.disableNotifications() // 1 write of 2
    ring.desc(0, 0x4000, 32, INDIRECT | AVAIL)
    ring.desc(0, 0x5000, 1, 0, 0, 0x4000)
    ring.desc(1, 0x5000, 1, WRITE, 0, 0x4000)
    ring.desc(1, 0x5000, 1, AVAIL)
    ring.setEvent(DRIVER_EVENT, 0, 2)
    while (queue.next()) queue.complete(0) // 3 looks of 2, 4 descriptors of 16; twice 6 and 2 written
    queue.enableNotifications() // 2 writes of 2, 1 look
    queue.shouldInterrupt() // 2 reads of 2
    const [reads, writes, bytes] = port.accountedTotal
    const through = port.seen.reduce((sum, { length }) => sum + length, 0)
    const count = (kind: string): number => port.seen.filter((one) => one.kind === kind).length
    expect([reads + count('read'), writes + count('write'), bytes + through]).toEqual([10, 7, 98])
    expect(port.seen.length === 0).toBe(viewsAllowed)
  })

  test('while bus mastering is off nothing is learnt, and nothing lost but completions', () => {
    const { ring, port, queue } = bench()
    let off: number | null = DESC + 14
    port.viewsAllowed = false
    port.outcome = (_kind, _hi, lo) => (off !== null && lo >= off && lo < off + 8 ? 3 : 0)
    ring.desc(0, 0x4000, 1, AVAIL | NEXT)
    ring.desc(1, 0x4000, 1, AVAIL, 6)
    expect(queue.next()).toBe(false)
    off = DESC + 16
    expect(queue.next()).toBe(false)
    off = null
    expect([queue.next(), queue.broken]).toEqual([true, null])
    off = DESC + 8
    queue.complete(1)
    off = null
    expect([queue.inFlight, ring.entry(0).flags]).toEqual([0, AVAIL | NEXT])
    ring.desc(2, 0x4000, 1, AVAIL, 4)
    queue.next()
    queue.complete(0)
    expect(ring.entry(0).id).toBe(4)
  })
})

test('a ring that the IOMMU refuses is an empty one; what is written to it is lost, and `ringResult` tells', () => {
  const ring = new PackedBench()
  const port = new ScriptedPort(ring.memory)
  port.viewsAllowed = false
  const queue = ring.queue({}, port)
  ring.desc(0, 0x4000, 1, AVAIL)
  port.outcome = () => 1
  expect([queue.next(), queue.broken, queue.ringResult]).toEqual([false, null, 1])
  port.outcome = (kind) => (kind === 'write' ? 1 : 0)
  expect(queue.next()).toBe(true)
  queue.complete(1)
  expect([queue.ringResult, queue.broken, ring.entry(0).flags]).toEqual([1, null, AVAIL])
})

test('a view that an invalidation ends is asked for again before the ring is written', () => {
  const ring = new PackedBench()
  const port = new ScriptedPort(ring.memory)
  const queue = ring.queue({}, port)
  ring.desc(0, 0x4000, 1, AVAIL)
  queue.next()
  const given = port.viewsGiven
  port.epoch++
  queue.complete(0)
  expect(port.viewsGiven).toBe(given + 1)
  expect(ring.entry(0).flags).toBe(AVAIL | USED)
})

test('needPackedEvent: an event of the round before lies as far behind', () => {
  expect(needPackedEvent(0x8002, 3, 1, 1, 4)).toBe(true)
  expect(needPackedEvent(0x8002, 2, 1, 1, 4)).toBe(false)
  expect(needPackedEvent(0x8003, 1, 0, 2, 4)).toBe(true)
  expect(needPackedEvent(0x8003, 1, 0, 1, 4)).toBe(false)
  expect(needPackedEvent(0x0003, 1, 0, 4, 4)).toBe(false)
})
