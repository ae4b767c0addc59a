import { describe, expect, test } from 'vitest'
import { AVAIL, DESC, INDIRECT, NEXT, RingBench, ScriptedPort, USED, WRITE } from './ring-bench.ts'

/** Every test runs with views of the rings and without: what breaks the queue must be the same. */
describe.each([true, false])('what a driver may not do, views %s', (viewsAllowed) => {
  const bench = (size = 8, features = { indirect: true }) => {
    const ring = new RingBench(size)
    const port = new ScriptedPort(ring.memory)
    port.viewsAllowed = viewsAllowed
    return { ring, port, queue: ring.queue(features, port) }
  }

  test('a head outside the queue', () => {
    const { ring, queue } = bench()
    ring.offer(0, 8)
    expect(queue.next()).toBe(false)
    expect(queue.broken).toBe('the driver made head 8 available in a queue of 8')
  })

  test('garbage in place of a ring: the head is named, whatever avail.idx says', () => {
    const { ring, queue } = bench()
    ring.availIdx = 0x8000
    ring.view.setUint16(AVAIL + 4, 60398, true)
    expect(queue.next()).toBe(false)
    expect(queue.broken).toBe('the driver made head 60398 available in a queue of 8')
  })

  test('avail.idx more than the queue ahead', () => {
    const { ring, queue } = bench()
    ring.desc(0, 0x4000, 1)
    ring.availIdx = 9
    expect(queue.next()).toBe(false)
    expect(queue.broken).toBe('avail.idx went from 0 to 9: that is more than 8 entries')
  })

  test('avail.idx going backwards', () => {
    const { ring, queue } = bench()
    ring.desc(0, 0x4000, 1)
    ring.offer(0, 0, 0)
    expect(queue.next()).toBe(true)
    queue.complete(0)
    expect(queue.next()).toBe(true)
    queue.complete(0)
    ring.availIdx = 1
    expect(queue.next()).toBe(false)
    expect(queue.broken).toBe('avail.idx went from 2 to 1: that is more than 8 entries')
  })

  test('avail.idx exactly the queue ahead is full, and well', () => {
    const { ring, queue } = bench()
    ring.desc(0, 0x4000, 1)
    ring.offer(0, 0, 0, 0, 0, 0, 0, 0, 0)
    for (let index = 0; index < 8; index++) expect(queue.next()).toBe(true)
    expect(queue.next()).toBe(false)
    expect(queue.broken).toBeNull()
  })

  test('more chains in flight than there are entries', () => {
    const { ring, queue } = bench()
    ring.desc(0, 0x4000, 1)
    ring.offer(0, 0, 0, 0, 0, 0, 0, 0, 0)
    for (let index = 0; index < 8; index++) queue.next()
    ring.availIdx = 9
    expect(queue.next()).toBe(false)
    expect(queue.broken).toBe('more than 8 chains are in flight')
  })

  test('more chains in flight than there are entries, in a batch that began with room', () => {
    const { ring, queue } = bench(2)
    ring.desc(0, 0x4000, 1)
    ring.offer(0, 0)
    queue.next()
    ring.offer(1, 0, 0)
    expect(queue.next()).toBe(true)
    expect(queue.next()).toBe(false)
    expect(queue.broken).toBe('more than 2 chains are in flight')
  })

  test('a batch that overtakes what is in flight goes as far as it may, and on after a completion', () => {
    const { ring, queue } = bench(2)
    ring.desc(0, 0x4000, 1)
    ring.offer(0, 0)
    expect(queue.next()).toBe(true)
    ring.offer(1, 0, 0)
    expect(queue.next()).toBe(true)
    queue.complete(0)
    expect(queue.next()).toBe(true)
    expect(queue.inFlight).toBe(2)
    expect(queue.broken).toBeNull()
  })

  test('next outside the table', () => {
    const { ring, queue } = bench()
    ring.desc(0, 0x4000, 1, NEXT, 8)
    ring.offer(0, 0)
    expect(queue.next()).toBe(false)
    expect(queue.broken).toBe('the chain at head 0 has a link that leads out of its table')
  })

  test.each([
    ['onto itself', [0]],
    ['of two', [1, 0]],
    ['with a tail', [1, 2, 3, 1]],
  ])('a loop %s', (_name, links) => {
    const { ring, queue } = bench()
    links.forEach((next, index) => {
      ring.desc(index, 0x4000, 1, NEXT, next)
    })
    ring.offer(0, 0)
    expect(queue.next()).toBe(false)
    expect(queue.broken).toBe('the chain at head 0 is a loop, or longer than its table')
  })

  test('a loop of all descriptors', () => {
    const { ring, queue } = bench(256)
    for (let index = 0; index < 256; index++) ring.desc(index, 0x4000, 1, NEXT, (index + 1) % 256)
    ring.offer(0, 17)
    expect(queue.next()).toBe(false)
    expect(queue.broken).toBe('the chain at head 17 is a loop, or longer than its table')
  })

  test('a chain of all descriptors is no loop', () => {
    const { ring, queue } = bench(256)
    for (let index = 0; index < 256; index++) ring.desc(index, 0x4000, 1, index < 255 ? NEXT : 0, index + 1)
    ring.offer(0, 0)
    expect(queue.next()).toBe(true)
    expect(queue.count).toBe(256)
  })

  test('a buffer of no bytes', () => {
    const { ring, queue } = bench()
    ring.desc(0, 0x4000, 0)
    ring.offer(0, 0)
    expect(queue.next()).toBe(false)
    expect(queue.broken).toBe('the chain at head 0 has a buffer of no bytes')
  })

  test('a buffer that ends above 2^64', () => {
    const { ring, queue } = bench()
    ring.desc(0, 0xffff_f000, 0x1001, 0, 0, DESC, 0xffff_ffff)
    ring.offer(0, 0)
    expect(queue.next()).toBe(false)
    expect(queue.broken).toBe('the chain at head 0 has a buffer that ends above 2^64')
  })

  test('§2.7.4.2 a device-readable buffer after a device-writable one', () => {
    const { ring, queue } = bench()
    ring.desc(0, 0x4000, 1, NEXT | WRITE, 1)
    ring.desc(1, 0x4000, 1)
    ring.offer(0, 0)
    expect(queue.next()).toBe(false)
    expect(queue.broken).toBe('the chain at head 0 has a device-readable buffer after a device-writable one')
  })

  test('§2.7.5.3.1 an indirect table without the feature', () => {
    const { ring, queue } = bench(8, { indirect: false })
    ring.desc(0, 0x4000, 16, INDIRECT)
    ring.offer(0, 0)
    expect(queue.next()).toBe(false)
    expect(queue.broken).toBe('the chain at head 0 has an indirect table, which was not negotiated')
  })

  test('§2.7.5.3.1 INDIRECT and NEXT together', () => {
    const { ring, queue } = bench()
    ring.desc(0, 0x4000, 16, INDIRECT | NEXT, 1)
    ring.offer(0, 0)
    expect(queue.next()).toBe(false)
    expect(queue.broken).toBe('the chain at head 0 goes on after its indirect table')
  })

  test('§2.7.5.3.1 an indirect table that refers to another', () => {
    const { ring, queue } = bench()
    ring.desc(0, 0x4000, 16, INDIRECT)
    ring.desc(0, 0x5000, 16, INDIRECT, 0, 0x4000)
    ring.offer(0, 0)
    expect(queue.next()).toBe(false)
    expect(queue.broken).toBe('the chain at head 0 has an indirect table that refers to another')
  })

  test.each([0, 1, 15, 17, 0xffff_ffff])('an indirect table of %s bytes', (bytes) => {
    const { ring, queue } = bench()
    ring.desc(0, 0x4000, bytes, INDIRECT)
    ring.offer(0, 0)
    expect(queue.next()).toBe(false)
    expect(queue.broken).toBe(
      `the chain at head 0 has an indirect table of ${bytes} bytes, which is no multiple of 16 above 0`,
    )
  })

  test('next outside the indirect table, though inside the queue', () => {
    const { ring, queue } = bench()
    ring.desc(0, 0x4000, 32, INDIRECT)
    ring.desc(0, 0x5000, 1, NEXT, 2, 0x4000)
    ring.offer(0, 0)
    expect(queue.next()).toBe(false)
    expect(queue.broken).toBe('the chain at head 0 has a link that leads out of its table')
  })

  test('a loop in an indirect table of 4 GiB ends after 1024 buffers', () => {
    const { ring, port, queue } = bench()
    ring.desc(0, 0x4000, 0xffff_fff0, INDIRECT)
    ring.desc(0, 0x5000, 1, NEXT, 0, 0x4000)
    ring.offer(0, 0)
    expect(queue.next()).toBe(false)
    expect(queue.broken).toBe('the chain at head 0 is a loop, or longer than its table')
    expect(port.seen.length).toBeLessThan(1100)
  })

  test('a broken queue touches no memory', () => {
    const { ring, port, queue } = bench()
    ring.desc(0, 0x4000, 1)
    ring.offer(0, 0, 8)
    expect(queue.next()).toBe(true)
    expect(queue.next()).toBe(false)
    expect(queue.broken).not.toBeNull()
    const memory = ring.memory.slice()
    port.seen.length = 0
    expect(queue.next()).toBe(false)
    queue.complete(1)
    queue.disableNotifications()
    expect(queue.enableNotifications()).toBe(false)
    expect(queue.shouldInterrupt()).toBe(false)
    expect(port.seen).toEqual([])
    expect(Buffer.compare(ring.memory, memory)).toBe(0)
    expect(queue.inFlight).toBe(0)
  })
})

describe('rings that cannot be reached', () => {
  const bench = (outcome: (kind: 'read' | 'write', lo: number) => 0 | 1 | 2 | 3 | 4) => {
    const ring = new RingBench()
    const port = new ScriptedPort(ring.memory)
    port.viewsAllowed = false
    port.outcome = (kind, _hi, lo) => outcome(kind, lo)
    return { ring, port, queue: ring.queue({}, port) }
  }

  test.each([1, 2] as const)('an available ring that reads with result %s reads as zeros: an empty queue', (result) => {
    const { ring, queue } = bench((kind) => (kind === 'read' ? result : 0))
    ring.desc(0, 0x4000, 1)
    ring.offer(0, 0)
    expect(queue.next()).toBe(false)
    expect(queue.broken).toBeNull()
    expect(queue.ringResult).toBe(result)
  })

  test('a ring that is lost in the middle of work reads as head 0 without bytes', () => {
    let lost = false
    const { ring, queue } = bench(() => (lost ? 1 : 0))
    ring.desc(3, 0x4000, 1)
    ring.offer(0, 3)
    expect(queue.next()).toBe(true)
    queue.complete(0)
    lost = true
    expect(queue.next()).toBe(false)
    expect(queue.broken).toContain('avail.idx went from 1 to 0')
  })

  test('a used ring that cannot be written: the device does not notice, as a posted write tells nothing', () => {
    const { ring, queue } = bench((kind, lo) => (kind === 'write' && lo >= USED ? 1 : 0))
    ring.desc(0, 0x4000, 1)
    ring.offer(0, 0)
    expect(queue.next()).toBe(true)
    queue.complete(1)
    expect(ring.usedIdx).toBe(0)
    expect(queue.broken).toBeNull()
    expect(queue.ringResult).toBe(1)
  })

  test.each([
    ['bus mastering is off', 3],
    ['memory is remote', 4],
  ] as const)('while %s nothing is learnt, and nothing lost', (_why, result) => {
    let off: number = 0
    const { ring, queue } = bench((_kind, lo) => (lo === off ? result : 0))
    ring.desc(0, 0x4000, 1, NEXT, 1)
    ring.desc(1, 0x4000, 1)
    ring.offer(0, 0)
    // avail.idx, the head, or the chain's second descriptor is out of reach.
    for (off of [AVAIL + 2, AVAIL + 4, DESC + 16]) expect(queue.next()).toBe(false)
    expect(queue.broken).toBeNull()
    off = 0
    expect(queue.next()).toBe(true)
    expect(queue.count).toBe(2)
  })

  test('a completion while bus mastering is off is lost, and the ring goes on in step', () => {
    let off = false
    const { ring, queue } = bench(() => (off ? 3 : 0))
    ring.desc(0, 0x4000, 1)
    ring.desc(1, 0x4000, 1)
    ring.offer(0, 0, 1)
    queue.next()
    off = true
    queue.complete(7)
    off = false
    expect(queue.inFlight).toBe(0)
    queue.next()
    queue.complete(9)
    expect(ring.usedIdx).toBe(1)
    expect(ring.usedElem(0)).toEqual([1, 9])
  })
})
