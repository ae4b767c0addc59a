import {
  BufferList,
  createDriverQueue,
  createFlatBus,
  PackedDriverQueue,
  SplitDriverQueue,
} from '@dmascope/virtqueue/driver'
import { describe, expect, test } from 'vitest'
import { AVAIL, DEVICE_EVENT, DRIVER_EVENT, PackedBench, USED } from './packed-bench.ts'
import { DESC, INDIRECT, NEXT, WRITE } from './ring-bench.ts'

const bench = (size = 4, features: { indirect?: boolean; eventIndex?: boolean } = {}) => {
  const ring = new PackedBench(size)
  const driver = new PackedDriverQueue<string>(
    createFlatBus(ring.memory),
    { size, desc: DESC, driver: DRIVER_EVENT, device: DEVICE_EVENT },
    { indirect: features.indirect ?? false, eventIndex: features.eventIndex ?? false },
  )
  return { ring, driver }
}
const one = (): BufferList => new BufferList(1).readable(0, 0x4000, 4)

test('Linux’s order for a request: what is written where, and what the device gives back', () => {
  const { ring, driver } = bench(4)
  // 1. A chain of three: every descriptor bears the id, and AVAIL of the first round.
  const buffers = new BufferList(3).readable(0, 0x4000, 16).writable(1, 0x5000, 512).writable(0, 0x6000, 1)
  expect(driver.add(buffers, 'first')).toBe(0)
  expect([0, 1, 2].map((index) => ring.entry(index))).toEqual([
    { id: 0, len: 16, flags: AVAIL | NEXT },
    { id: 0, len: 512, flags: AVAIL | NEXT | WRITE },
    { id: 0, len: 1, flags: AVAIL | WRITE },
  ])
  expect(ring.view.getUint32(DESC + 16 + 4, true)).toBe(1)
  expect(driver.free).toBe(1)
  expect(driver.add(buffers, 'no room')).toBe(-1)
  // 2. The doorbell, which the device wants unless it says otherwise.
  expect([driver.publish(), driver.publish()]).toEqual([true, false])
  // 3. The device writes over the first entry alone.
  ring.desc(0, 0, 513, AVAIL | USED | WRITE, 0)
  expect(driver.reap()).toBe(true)
  expect([driver.reapedToken, driver.reapedHead, driver.reapedLength, driver.free]).toEqual(['first', 0, 513, 4])
  expect(driver.reap()).toBe(false)
  // 4. The next chain goes over the end: USED marks the second round.
  expect(driver.add(new BufferList(2).readable(0, 0x4000, 1).writable(0, 0x5000, 1), 'second')).toBe(0)
  expect([ring.entry(3).flags, ring.entry(0).flags]).toEqual([AVAIL | NEXT, USED | WRITE])
  ring.desc(3, 0, 1, AVAIL | USED, 0)
  expect([driver.reap(), driver.reapedToken]).toEqual([true, 'second'])
  // 5. And so does what the device gives back: neither bit, from here on.
  expect(driver.reap()).toBe(false)
  driver.add(one(), 'third')
  ring.desc(1, 0, 0, 0, 0)
  expect([driver.reap(), driver.reapedToken]).toEqual([true, 'third'])
})

test('an indirect table: one descriptor, and in the table no flags but WRITE', () => {
  const { ring, driver } = bench(4, { indirect: true })
  const buffers = new BufferList(2).readable(0, 0x4000, 16).writable(0, 0x5000, 1)
  ring.memory.fill(0xff, 0x8000, 0x8020)
  driver.add(buffers, 'one', { cpu: 0x8000, hi: 3, lo: 0x9000, capacity: 2 })
  expect(ring.entry(0)).toEqual({ id: 0, len: 32, flags: AVAIL | INDIRECT })
  expect([ring.view.getUint32(DESC, true), ring.view.getUint32(DESC + 4, true)]).toEqual([0x9000, 3])
  expect([ring.view.getUint32(0x8000 + 12, true), ring.view.getUint32(0x8010 + 12, true)]).toEqual([0, WRITE << 16])
  expect(driver.free).toBe(3)
  expect(() =>
    driver.add(new BufferList(3).readable(0, 1, 1).readable(0, 1, 1).readable(0, 1, 1), 'x', {
      cpu: 0x8000,
      hi: 0,
      lo: 0,
      capacity: 2,
    }),
  ).toThrow('3 buffers do not fit in an indirect table of 2')
})

describe('§2.8.10 event suppression', () => {
  test.each([
    [0, 0, true],
    [0, 1, false],
    // At a descriptor: of three that were added, the one that is named was the last; or is yet to come.
    [0x8002, 2, true],
    [0x8003, 2, false],
    // Of the other round: long past.
    [0x0002, 2, false],
  ])('device area %i, flags %i: notify %s', (desc, flags, wanted) => {
    const { ring, driver } = bench()
    ring.setEvent(DEVICE_EVENT, desc, flags)
    for (const name of ['a', 'b', 'c']) driver.add(one(), name)
    expect(driver.publish()).toBe(wanted)
  })

  test('interrupts without the event index', () => {
    const { ring, driver } = bench()
    driver.disableInterrupts()
    expect(ring.event(DRIVER_EVENT)).toEqual([0, 1])
    expect(driver.enableInterrupts()).toBe(false)
    expect(ring.event(DRIVER_EVENT)).toEqual([0, 0])
  })

  test('interrupts with it: at the entry that comes next, and it moves with what is reaped', () => {
    const { ring, driver } = bench(2, { eventIndex: true })
    driver.disableInterrupts()
    driver.add(one(), 'a')
    driver.add(one(), 'b')
    ring.desc(0, 0, 0, AVAIL | USED, 0)
    expect(driver.enableInterrupts()).toBe(true)
    expect(ring.event(DRIVER_EVENT)).toEqual([0x8000, 2])
    driver.reap()
    expect(ring.event(DRIVER_EVENT)).toEqual([0x8001, 2])
    ring.desc(1, 0, 0, AVAIL | USED, 1)
    driver.reap()
    expect(ring.event(DRIVER_EVENT)).toEqual([0, 2])
  })
})

test('a device that gives back what is not in flight ends the queue', () => {
  for (const [id, reason] of [
    [1, 'the device gave back id 1, which is not in flight'],
    [4, 'the device gave back id 4, outside the queue of 4'],
  ] as const) {
    const { ring, driver } = bench()
    driver.add(one(), 'a')
    ring.desc(0, 0, 0, AVAIL | USED, id)
    expect([driver.reap(), driver.broken]).toEqual([false, reason])
    expect([driver.add(one(), 'b'), driver.publish(), driver.reap(), driver.enableInterrupts()]).toEqual([
      -1,
      false,
      false,
      false,
    ])
  }
})

test('after a reset what was in flight is given back', () => {
  const { driver } = bench()
  driver.add(one(), 'a')
  driver.add(one(), 'b')
  const back: string[] = []
  driver.detachUnused((token, head) => back.push(`${head} ${token}`))
  expect([back, driver.inFlight]).toEqual([['0 a', '1 b'], 0])
})

test('misaligned parts and impossible sizes are the caller’s mistakes', () => {
  const bus = createFlatBus(new Uint8Array(64))
  const features = { indirect: false, eventIndex: false }
  for (const [desc, driver, device] of [
    [8, 0, 0],
    [0, 2, 0],
    [0, 0, 2],
  ] as const) {
    expect(() => new PackedDriverQueue(bus, { size: 1, desc, driver, device }, features)).toThrow(RangeError)
  }
  const at = { desc: 0, driver: 0, device: 0 }
  expect(() => new PackedDriverQueue(bus, { size: 0, ...at }, features)).toThrow(RangeError)
  expect(createDriverQueue(bus, { size: 3, ...at }, { ...features, packed: true })).toBeInstanceOf(PackedDriverQueue)
  expect(createDriverQueue(bus, { size: 4, ...at }, features)).toBeInstanceOf(SplitDriverQueue)
})
