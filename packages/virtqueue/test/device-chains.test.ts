import { describe, expect, test } from 'vitest'
import { DESC, INDIRECT, NEXT, RingBench, ScriptedPort, WRITE } from './ring-bench.ts'

/** Every test runs with views of the rings and without: what the device sees must be the same. */
describe.each([true, false])('chains, views %s', (viewsAllowed) => {
  const bench = (size = 8, features = { indirect: true }) => {
    const ring = new RingBench(size)
    const port = new ScriptedPort(ring.memory)
    port.viewsAllowed = viewsAllowed
    return { ring, port, queue: ring.queue(features, port) }
  }

  test('a chain is followed by next, not by order', () => {
    const { ring, queue } = bench()
    ring.desc(5, 0x4000, 16, NEXT, 2)
    ring.desc(2, 0x5000, 512, NEXT | WRITE, 7)
    ring.desc(7, 0x6000, 1, WRITE)
    ring.offer(0, 5)
    expect(queue.next()).toBe(true)
    expect(queue.head).toBe(5)
    expect(queue.count).toBe(3)
    expect(queue.readableCount).toBe(1)
    expect([...queue.lo.subarray(0, 3)]).toEqual([0x4000, 0x5000, 0x6000])
    expect([...queue.length.subarray(0, 3)]).toEqual([16, 512, 1])
    expect([queue.readableBytes, queue.writableBytes]).toEqual([16, 513])
    queue.complete(513)
    expect(ring.usedElem(0)).toEqual([5, 513])
    expect(ring.usedIdx).toBe(1)
    expect(queue.next()).toBe(false)
    expect(queue.broken).toBeNull()
  })

  test('addresses keep all 64 bits', () => {
    const { ring, queue } = bench()
    ring.desc(0, 0xffff_f000, 0x1000, 0, 0, DESC, 0xffff_ffff)
    ring.offer(0, 0)
    expect(queue.next()).toBe(true)
    expect([queue.hi[0], queue.lo[0], queue.length[0]]).toEqual([0xffff_ffff, 0xffff_f000, 0x1000])
  })

  test('lengths beyond 2^31 and sums beyond 2^32 are exact', () => {
    const { ring, queue } = bench()
    ring.desc(0, 0, 0xffff_ffff, NEXT | WRITE, 1)
    ring.desc(1, 0, 0xffff_ffff, WRITE)
    ring.offer(0, 0)
    expect(queue.next()).toBe(true)
    expect(queue.writableBytes).toBe(0x1_ffff_fffe)
  })

  test('§2.7.5.3.2 the device ignores WRITE in a descriptor that refers to an indirect table', () => {
    const { ring, queue } = bench()
    ring.desc(0, 0x4000, 32, INDIRECT | WRITE)
    ring.desc(0, 0x5000, 16, NEXT, 1, 0x4000)
    ring.desc(1, 0x6000, 8, WRITE, 0, 0x4000)
    ring.offer(0, 0)
    expect(queue.next()).toBe(true)
    expect([queue.count, queue.readableBytes, queue.writableBytes]).toEqual([2, 16, 8])
  })

  test('§2.7.5.3.2 plain descriptors may come before the one that refers to an indirect table', () => {
    const { ring, queue } = bench()
    ring.desc(3, 0x5000, 16, NEXT, 4)
    ring.desc(4, 0x4008, 32, INDIRECT)
    ring.desc(0, 0x6000, 4, NEXT, 1, 0x4008)
    ring.desc(1, 0x7000, 8, WRITE, 0, 0x4008)
    ring.offer(0, 3)
    expect(queue.next()).toBe(true)
    expect([...queue.lo.subarray(0, queue.count)]).toEqual([0x5000, 0x6000, 0x7000])
    expect([queue.readableCount, queue.readableBytes, queue.writableBytes]).toEqual([2, 20, 8])
  })

  test('an indirect table may cross a page, and lie at any address', () => {
    const { ring, queue } = bench()
    for (const table of [0x4ff0, 0x4ffc, 0x5001]) {
      ring.desc(0, table, 48, INDIRECT)
      ring.desc(0, 0x100, 1, NEXT, 2, table)
      ring.desc(2, 0x200, 2, NEXT, 1, table)
      ring.desc(1, 0x300, 3, 0, 0, table)
      ring.offer(ring.availIdx, 0)
      expect(queue.next()).toBe(true)
      expect([...queue.length.subarray(0, queue.count)]).toEqual([1, 2, 3])
      queue.complete(0)
    }
  })

  test('a chain may be longer than any before: 1024 buffers through an indirect table', () => {
    const { ring, queue } = bench()
    for (let index = 0; index < 1024; index++) {
      ring.desc(index, 0x100, 1, index < 1023 ? NEXT | WRITE : WRITE, index + 1, 0x8000)
    }
    ring.desc(0, 0x8000, 1024 * 16, INDIRECT)
    ring.offer(0, 0)
    expect(queue.next()).toBe(true)
    expect([queue.count, queue.writableBytes]).toEqual([1024, 1024])
  })

  test('a queue of one entry', () => {
    const { ring, queue } = bench(1)
    ring.desc(0, 0x4000, 7, WRITE)
    for (let index = 0; index < 5; index++) {
      ring.offer(index, 0)
      expect(queue.next()).toBe(true)
      queue.complete(index)
      expect(ring.usedElem(0)).toEqual([0, index])
    }
    expect(ring.usedIdx).toBe(5)
  })

  test('indices run freely through 65535', () => {
    const { ring, queue } = bench(2)
    ring.desc(0, 0x4000, 1, WRITE)
    ring.desc(1, 0x5000, 2, WRITE)
    for (let index = 0; index < 65540; index++) {
      ring.offer(index, index & 1)
      if (!queue.next() || queue.writableBytes !== 1 + (index & 1)) throw new Error(`stopped at ${index}`)
      queue.complete(index)
    }
    expect(ring.usedIdx).toBe(4)
    expect(queue.broken).toBeNull()
  })

  test('read gathers and write scatters across buffers', () => {
    const { ring, queue } = bench()
    ring.memory.set([1, 2, 3], 0x4000)
    ring.memory.set([4, 5], 0x5000)
    ring.desc(0, 0x4000, 3, NEXT, 1)
    ring.desc(1, 0x5000, 2, NEXT, 2)
    ring.desc(2, 0x6000, 2, NEXT | WRITE, 3)
    ring.desc(3, 0x7000, 3, WRITE)
    ring.offer(0, 0)
    queue.next()
    const all = new Uint8Array(5)
    expect(queue.read(0, all)).toBe(0)
    expect([...all]).toEqual([1, 2, 3, 4, 5])
    const middle = new Uint8Array(8).subarray(3, 6)
    expect(queue.read(2, middle)).toBe(0)
    expect([...middle]).toEqual([3, 4, 5])
    expect(queue.write(1, new Uint8Array([9, 8, 7]))).toBe(0)
    expect([...ring.memory.subarray(0x6000, 0x6003)]).toEqual([0, 9, 0])
    expect([...ring.memory.subarray(0x7000, 0x7004)]).toEqual([8, 7, 0, 0])
    expect(() => queue.read(3, all)).toThrow('bytes [3, 8) of a chain with 5 readable ones')
    expect(() => queue.write(4, new Uint8Array(2))).toThrow(RangeError)
    expect(() => queue.write(-1, new Uint8Array(2))).toThrow(RangeError)
    expect(queue.read(5, new Uint8Array(0))).toBe(0)
  })

  test('a copy ends with the first DMA that fails, and tells how', () => {
    const { ring, port, queue } = bench()
    ring.desc(0, 0x4000, 2, NEXT | WRITE, 1)
    ring.desc(1, 0x5000, 2, NEXT | WRITE, 2)
    ring.desc(2, 0x6000, 2, WRITE)
    ring.offer(0, 0)
    queue.next()
    port.outcome = (_kind, _hi, lo) => (lo === 0x5000 ? 1 : 0)
    expect(queue.write(0, new Uint8Array([1, 1, 1, 1, 1, 1]))).toBe(1)
    expect([ring.memory[0x4001], ring.memory[0x5000], ring.memory[0x6000]]).toEqual([1, 0, 0])
    expect(queue.broken).toBeNull()
  })

  test('a buffer may cross 2^32', () => {
    const { ring, port, queue } = bench()
    const at: string[] = []
    ring.desc(0, 0xffff_fffe, 8, WRITE, 0, DESC, 4)
    ring.offer(0, 0)
    queue.next()
    port.outcome = (_kind, hi, lo) => {
      at.push(`${hi}:${lo.toString(16)}`)
      return 1
    }
    queue.write(0, new Uint8Array(2))
    queue.write(2, new Uint8Array(2))
    expect(at).toEqual(['4:fffffffe', '5:0'])
  })

  test('chains may be completed in another order than they were taken in', () => {
    const { ring, queue } = bench()
    for (let index = 0; index < 3; index++) ring.desc(index, 0x4000, 4, WRITE)
    ring.offer(0, 2, 0, 1)
    const heads: number[] = []
    while (queue.next()) heads.push(queue.head)
    expect(heads).toEqual([2, 0, 1])
    expect(queue.inFlight).toBe(3)
    queue.complete(1, 1)
    queue.complete(2, 2)
    queue.complete(3, 0)
    expect([ring.usedElem(0), ring.usedElem(1), ring.usedElem(2)]).toEqual([
      [1, 1],
      [2, 2],
      [0, 3],
    ])
    expect(queue.inFlight).toBe(0)
    expect(() => queue.complete(0, 0)).toThrow('no chain of this queue is in flight')
  })

  test('a head outside the queue is a mistake of the device model', () => {
    const { ring, queue } = bench()
    ring.desc(0, 0x4000, 4, WRITE)
    ring.offer(0, 0)
    queue.next()
    expect(() => queue.complete(0, 8)).toThrow('head 8 is outside [0, 8)')
    expect(() => queue.complete(0, -1)).toThrow(RangeError)
    queue.complete(0)
    expect(ring.usedIdx).toBe(1)
  })
})
