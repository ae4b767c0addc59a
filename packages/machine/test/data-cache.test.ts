import { describe, expect, it } from 'vitest'
import { DataCache } from '../src/coherency/data-cache.ts'

/** Memory of 64 KiB that counts what comes and goes. */
class CountingMemory {
  readonly bytes = new Uint8Array(0x1_0000)
  readonly reads: number[] = []
  readonly writes: number[] = []

  readBytes(address: number, into: Uint8Array): void {
    this.reads.push(address)
    into.set(this.bytes.subarray(address, address + into.length))
  }

  writeBytes(address: number, from: Uint8Array): void {
    this.writes.push(address)
    this.bytes.set(from, address)
  }
}

const GEOMETRY = { sets: 4, ways: 2, lineBytes: 64 }
const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)
const build = (): { memory: CountingMemory; cache: DataCache; at: (address: number, length?: number) => number[] } => {
  const memory = new CountingMemory()
  const cache = new DataCache(GEOMETRY, memory)
  const at = (address: number, length = 1): number[] => {
    const into = new Uint8Array(length)
    cache.read(address, address, into)
    return [...into]
  }
  return { memory, cache, at }
}

describe('a write-back, write-allocate data cache', () => {
  it('fetches the line that is written to, and keeps what is written from memory', () => {
    const { memory, cache, at } = build()
    memory.bytes.set([1, 2, 3], 0x100)
    cache.write(0x101, 0x101, bytes(9))
    expect(memory.reads).toEqual([0x100])
    expect(at(0x100, 3)).toEqual([1, 9, 3])
    expect([...memory.bytes.subarray(0x100, 0x103)]).toEqual([1, 2, 3])
    expect(cache.dirtyLines).toBe(1)
  })

  it('does not see what changes in memory under a line that it holds', () => {
    const { memory, at } = build()
    expect(at(0x200)).toEqual([0])
    memory.bytes[0x200] = 7
    expect(at(0x200)).toEqual([0])
    expect(memory.reads).toEqual([0x200])
  })

  it('writes back the line that was not used for longest, where a third wants its set of two', () => {
    const { memory, cache, at } = build()
    // Lines 0x000, 0x100 and 0x200 share set 0: the set is the line's number modulo 4.
    cache.write(0x000, 0x000, bytes(1))
    cache.write(0x100, 0x100, bytes(2))
    at(0x000)
    cache.write(0x200, 0x200, bytes(3))
    expect(memory.writes).toEqual([0x100])
    expect(memory.bytes[0x100]).toBe(2)
    expect(memory.bytes[0x000]).toBe(0)
    expect(at(0x000)).toEqual([1])
  })

  it('takes a place that is empty before it drives a line out', () => {
    const { memory, cache } = build()
    for (const address of [0x000, 0x100]) cache.write(address, address, bytes(1))
    cache.invalidate(0x000, 64)
    cache.write(0x200, 0x200, bytes(3))
    expect(memory.writes).toEqual([])
  })

  it('forgets a clean line without writing it', () => {
    const { memory, at } = build()
    for (const address of [0x000, 0x100, 0x200, 0x300]) at(address)
    expect(memory.writes).toEqual([])
  })

  it('splits what crosses lines', () => {
    const { memory, cache, at } = build()
    cache.write(0x7e, 0x7e, bytes(1, 2, 3, 4))
    expect(memory.reads).toEqual([0x40, 0x80])
    cache.clean(0x7e, 4)
    expect(memory.writes).toEqual([0x40, 0x80])
    expect(at(0x7e, 4)).toEqual([1, 2, 3, 4])
    expect([...memory.bytes.subarray(0x7e, 0x82)]).toEqual([1, 2, 3, 4])
  })

  it('clean writes back once and keeps the line; invalidate drops what was written', () => {
    const { memory, cache, at } = build()
    cache.write(0x40, 0x40, bytes(5))
    cache.clean(0x40, 64)
    cache.clean(0x40, 64)
    expect(memory.writes).toEqual([0x40])
    cache.write(0x40, 0x40, bytes(6))
    cache.invalidate(0x40, 64)
    expect(at(0x40)).toEqual([5])
    expect(cache.dirtyLines).toBe(0)
  })

  it('invalidate writes a line back that the range covers in part: the rest of it is not the caller’s', () => {
    const { memory, cache, at } = build()
    cache.write(0x40, 0x40, bytes(1))
    cache.write(0x60, 0x60, bytes(2))
    cache.invalidate(0x60, 32)
    expect([memory.bytes[0x40], memory.bytes[0x60]]).toEqual([1, 2])
    memory.bytes[0x40] = 9
    expect(at(0x40)).toEqual([9])
  })

  it('holds memory twice that is mapped at two virtual addresses, and neither sees the other', () => {
    const memory = new CountingMemory()
    const cache = new DataCache(GEOMETRY, memory)
    const [one, other] = [0x10_0000, 0x20_0000]
    const got = new Uint8Array(1)
    cache.write(one + 0x40, 0x40, bytes(1))
    cache.read(other + 0x40, 0x40, got)
    expect(got[0]).toBe(0)
    cache.clean(one + 0x40, 1)
    cache.read(other + 0x40, 0x40, got)
    expect(got[0]).toBe(0)
    cache.invalidate(other + 0x40, 1)
    cache.read(other + 0x40, 0x40, got)
    expect(got[0]).toBe(1)
  })

  it.each([0, -1, Number.NaN])('a range of %s bytes is none', (length) => {
    const { memory, cache } = build()
    cache.write(0, 0, bytes(1))
    cache.clean(0, length)
    cache.invalidate(0, length)
    expect(memory.writes).toEqual([])
    expect(cache.dirtyLines).toBe(1)
  })

  it('costs no more for a range of all memory than for the cache', () => {
    const { memory, cache } = build()
    cache.write(0x40, 0x40, bytes(1))
    cache.clean(0, Number.MAX_SAFE_INTEGER)
    expect(memory.writes).toEqual([0x40])
    cache.invalidate(0, Number.MAX_SAFE_INTEGER)
    expect(cache.dirtyLines).toBe(0)
  })

  it.each([
    { sets: 3, ways: 2, lineBytes: 64 },
    { sets: 4, ways: 0, lineBytes: 64 },
    { sets: 4, ways: 2, lineBytes: 8192 },
    { sets: 2 ** 20, ways: 2, lineBytes: 64 },
  ])('$sets sets, $ways ways, $lineBytes bytes are no cache', (geometry) => {
    expect(() => new DataCache(geometry, new CountingMemory())).toThrow(RangeError)
  })
})
