import { describe, expect, test } from 'vitest'
import { AVAIL, RingBench, ScriptedPort, USED, WRITE } from './ring-bench.ts'

const USED_EVENT = AVAIL + 4 + 2 * 8
const AVAIL_EVENT = USED + 4 + 8 * 8

describe.each([true, false])('suppression, views %s', (viewsAllowed) => {
  const bench = (eventIndex: boolean) => {
    const ring = new RingBench()
    const port = new ScriptedPort(ring.memory)
    port.viewsAllowed = viewsAllowed
    for (let index = 0; index < 8; index++) ring.desc(index, 0x4000, 1, WRITE)
    return { ring, port, queue: ring.queue({ eventIndex }, port), word: (at: number) => ring.view.getUint16(at, true) }
  }

  test('§2.7.10 without the event index, used.flags says whether to notify', () => {
    const { queue, word } = bench(false)
    queue.disableNotifications()
    expect(word(USED)).toBe(1)
    expect(queue.enableNotifications()).toBe(false)
    expect(word(USED)).toBe(0)
  })

  test('only that bit is touched, so that a ring in the wrong place shows where it lies', () => {
    const { ring, queue, word } = bench(false)
    ring.view.setUint16(USED, 0xabcc, true)
    queue.disableNotifications()
    expect(word(USED)).toBe(0xabcd)
    queue.enableNotifications()
    expect(word(USED)).toBe(0xabcc)
  })

  test('§2.7.10 with the event index, avail_event is written when notifications are turned on, found or not', () => {
    const { ring, queue, word } = bench(true)
    ring.view.setUint16(AVAIL_EVENT, 0x5555, true)
    queue.disableNotifications()
    expect(word(AVAIL_EVENT)).toBe(0x5555)
    expect(word(USED)).toBe(0)
    expect(queue.enableNotifications()).toBe(false)
    expect(word(AVAIL_EVENT)).toBe(0)
    expect(word(USED)).toBe(0)
  })

  test('while notifications are on, avail_event follows each chain that is taken; while off, it stays', () => {
    const { ring, queue, word } = bench(true)
    ring.offer(0, 0, 1, 2, 3)
    queue.next()
    expect(word(AVAIL_EVENT)).toBe(1)
    queue.disableNotifications()
    queue.next()
    queue.next()
    expect(word(AVAIL_EVENT)).toBe(1)
    expect(queue.enableNotifications()).toBe(true)
    expect(word(AVAIL_EVENT)).toBe(4)
  })

  test('a chain that comes between the last look and enabling is not missed', () => {
    const { ring, queue } = bench(false)
    queue.disableNotifications()
    expect(queue.next()).toBe(false)
    ring.offer(0, 0)
    expect(queue.enableNotifications()).toBe(true)
    expect(queue.next()).toBe(true)
  })

  test('§2.7.7 without the event index, avail.flags says whether to interrupt', () => {
    const { ring, queue } = bench(false)
    ring.offer(0, 0, 1)
    queue.next()
    queue.complete(1)
    expect(queue.shouldInterrupt()).toBe(true)
    expect(queue.shouldInterrupt()).toBe(false)
    ring.view.setUint16(AVAIL, 1, true)
    queue.next()
    queue.complete(1)
    expect(queue.shouldInterrupt()).toBe(false)
    ring.view.setUint16(AVAIL, 0, true)
    expect(queue.shouldInterrupt()).toBe(false)
  })

  test('§2.7.7.2 with the event index, used_event says after which chain to interrupt', () => {
    const { ring, queue } = bench(true)
    const serve = (count: number): boolean => {
      for (let index = 0; index < count; index++) {
        ring.offer(ring.availIdx, 0)
        queue.next()
        queue.complete(1)
      }
      return queue.shouldInterrupt()
    }
    ring.view.setUint16(USED_EVENT, 0, true)
    expect(serve(1)).toBe(true)
    expect(serve(1)).toBe(false)
    ring.view.setUint16(USED_EVENT, 4, true)
    expect(serve(2)).toBe(false)
    expect(serve(1)).toBe(true)
    ring.view.setUint16(USED_EVENT, 6, true)
    expect(serve(5)).toBe(true)
    expect(serve(1)).toBe(false)
    // avail.flags has no say where the event index was negotiated.
    ring.view.setUint16(USED_EVENT, ring.usedIdx, true)
    ring.view.setUint16(AVAIL, 1, true)
    expect(serve(1)).toBe(true)
  })

  test('the first interrupt is raised wherever used_event lies: there is nothing to compare with', () => {
    const { ring, queue } = bench(true)
    ring.view.setUint16(USED_EVENT, 0x1234, true)
    ring.offer(0, 0)
    queue.next()
    queue.complete(1)
    expect(queue.shouldInterrupt()).toBe(true)
  })

  test('so is one after more completions than 15 bits count', () => {
    const { ring, queue } = bench(true)
    const serve = (): void => {
      ring.offer(ring.availIdx, 0)
      queue.next()
      queue.complete(1)
    }
    serve()
    queue.shouldInterrupt()
    // An index that these completions do not pass.
    ring.view.setUint16(USED_EVENT, 0, true)
    for (let index = 0; index < 0x7fff; index++) serve()
    expect(queue.shouldInterrupt()).toBe(false)
    for (let index = 0; index < 0x8000; index++) serve()
    expect(queue.shouldInterrupt()).toBe(true)
  })

  test('bus mastering off: no interrupt is decided on, and none is lost', () => {
    const { ring, port, queue } = bench(false)
    port.viewsAllowed = false
    ring.offer(0, 0)
    queue.next()
    queue.complete(1)
    port.epoch++
    port.outcome = () => 3
    expect(queue.shouldInterrupt()).toBe(false)
    port.outcome = () => 0
    expect(queue.shouldInterrupt()).toBe(true)
  })
})

describe('views', () => {
  const bench = () => {
    const ring = new RingBench()
    const port = new ScriptedPort(ring.memory)
    for (let index = 0; index < 8; index++) ring.desc(index, 0x4000, 1, WRITE)
    return { ring, port, queue: ring.queue({ indirect: true }, port) }
  }

  test('the ledger is told what went through views: as much as without views goes through the port', () => {
    const total = (viewsAllowed: boolean): number[] => {
      const { ring, port, queue } = bench()
      port.viewsAllowed = viewsAllowed
      ring.desc(5, 0x5000, 32, 4)
      ring.desc(0, 0x4000, 1, 1, 1, 0x5000)
      ring.desc(1, 0x4000, 1, 0, 0, 0x5000)
      queue.disableNotifications()
      ring.offer(0, 0, 5, 2)
      while (queue.next()) queue.complete(1)
      queue.shouldInterrupt()
      queue.enableNotifications()
      queue.flush()
      const seen = port.seen.reduce(
        ([reads, writes, bytes], { kind, length }) =>
          kind === 'read'
            ? ([reads + 1, writes, bytes + length] as const)
            : ([reads, writes + 1, bytes + length] as const),
        [0, 0, 0] as readonly [number, number, number],
      )
      const told = port.accountedTotal
      return [seen[0] + told[0], seen[1] + told[1], seen[2] + told[2]]
    }
    // avail.idx 3 times (before, after, enabling), 3 heads, 1 avail.flags; 5 descriptors; used.flags twice.
    const reads = 3 + 3 + 1 + 5 + 2
    // 3 elements, 3 times used.idx, used.flags twice.
    const writes = 3 + 3 + 2
    expect(total(false)).toEqual([reads, writes, (3 + 3 + 1 + 2) * 2 + 5 * 16 + 3 * 10 + 2 * 2])
    expect(total(true)).toEqual(total(false))
  })

  test('a view that ended is asked for again at the next batch', () => {
    const { ring, port, queue } = bench()
    ring.offer(0, 0)
    queue.next()
    queue.complete(1)
    const given = port.viewsGiven
    port.epoch++
    ring.offer(1, 1)
    expect(queue.next()).toBe(true)
    expect(port.viewsGiven).toBe(given + 3)
  })

  test('a used ring whose view ended within a batch is not written through it', () => {
    const { ring, port, queue } = bench()
    ring.offer(0, 0, 1)
    queue.next()
    port.epoch++
    port.viewsAllowed = false
    port.outcome = () => 1
    queue.complete(1)
    expect(ring.usedIdx).toBe(0)
    expect(port.seen.map(({ kind, address }) => `${kind} ${address.toString(16)}`)).toEqual([
      'write 3004',
      'write 3002',
    ])
  })

  test('a ring that is not aligned is served through the port', () => {
    const { ring, port } = bench()
    const shifted = new ScriptedPort(new Uint8Array(ring.memory.buffer, 1))
    const queue = ring.queue({}, shifted)
    ring.memory.copyWithin(1, 0)
    ring.view.setUint16(AVAIL + 1 + 2, 1, true)
    expect(queue.next()).toBe(true)
    queue.complete(3)
    expect(ring.view.getUint16(USED + 1 + 2, true)).toBe(1)
    expect(shifted.seen.length).toBeGreaterThan(0)
    expect(port.seen).toEqual([])
  })
})
