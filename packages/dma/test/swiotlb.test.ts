import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Direction, SEGMENT_SLOTS, SLOT_BYTES, Swiotlb } from '../src/index.ts'

const numRuns = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)

/** 4 MiB of memory, each byte its address's low one. */
class Memory {
  readonly bytes = Uint8Array.from({ length: 4 << 20 }, (_, at) => at & 0xff)

  readBytes(address: number, into: Uint8Array): void {
    into.set(this.bytes.subarray(address, address + into.length))
  }

  writeBytes(address: number, from: Uint8Array): void {
    this.bytes.set(from, address)
  }
}

const pool = (memory = new Memory(), segments = 2): Swiotlb =>
  new Swiotlb({ memory, start: 0x10_0000, slots: segments * SEGMENT_SLOTS })

describe('a bounce buffer', () => {
  it('has the original’s offset within its page, and its bytes', () => {
    const memory = new Memory()
    const bounce = pool(memory)
    const buffer = bounce.map(0x3_0123, 100, 'to-device')!
    expect(buffer.cpu % 4096).toBe(0x123)
    expect(memory.bytes.subarray(buffer.cpu, buffer.cpu + 100)).toEqual(memory.bytes.subarray(0x3_0123, 0x3_0123 + 100))
  })

  it('brings what the device wrote, and leaves what it did not', () => {
    const memory = new Memory()
    const bounce = pool(memory)
    const buffer = bounce.map(0x3_0000, 100, 'from-device')!
    memory.bytes.fill(0xee, buffer.cpu, buffer.cpu + 10)
    bounce.unmap(buffer)
    expect([...memory.bytes.subarray(0x3_0008, 0x3_000d)]).toEqual([0xee, 0xee, 10, 11, 12])
  })

  it('of one that the device only reads brings nothing back', () => {
    const memory = new Memory()
    const bounce = pool(memory)
    const buffer = bounce.map(0x3_0000, 100, 'to-device')!
    memory.bytes.fill(0xee, buffer.cpu, buffer.cpu + 100)
    bounce.unmap(buffer)
    expect(memory.bytes[0x3_0000]).toBe(0)
  })

  it('can be brought up to date in part while it stands', () => {
    const memory = new Memory()
    const bounce = pool(memory)
    const buffer = bounce.map(0x3_0000, 100, 'bidirectional')!
    memory.bytes.fill(0xee, buffer.cpu, buffer.cpu + 100)
    bounce.syncForCpu(buffer, 10, 5)
    expect([...memory.bytes.subarray(0x3_0009, 0x3_0010)]).toEqual([9, 0xee, 0xee, 0xee, 0xee, 0xee, 15])
    memory.bytes.fill(0x11, 0x3_0000, 0x3_0064)
    bounce.syncForDevice(buffer, 0, 4)
    expect([...memory.bytes.subarray(buffer.cpu, buffer.cpu + 5)]).toEqual([0x11, 0x11, 0x11, 0x11, 0xee])
  })

  it('is of one segment: 252 KiB at most, from any offset', () => {
    expect(Swiotlb.maxMapping).toBe(SEGMENT_SLOTS * SLOT_BYTES - 4096)
    expect(pool().map(0x3_0fff, Swiotlb.maxMapping, 'to-device')).not.toBeNull()
    expect(pool().map(0x3_0000, SEGMENT_SLOTS * SLOT_BYTES + 1, 'to-device')).toBeNull()
  })

  it('is not to be had where the pool is full, and again once one is given back', () => {
    const bounce = pool(new Memory(), 1)
    const held = Array.from({ length: SEGMENT_SLOTS / 2 }, () => bounce.map(0x3_0000, 4096, 'to-device'))
    expect(held.every((one) => one !== null)).toBe(true)
    expect(bounce.map(0x3_0000, 1, 'to-device')).toBeNull()
    bounce.unmap(held[5]!)
    expect(bounce.map(0x3_0000, 1, 'to-device')?.cpu).toBe(held[5]!.cpu)
  })

  it('given back twice is a mistake', () => {
    const bounce = pool()
    const buffer = bounce.map(0x3_0000, 1, 'to-device')!
    bounce.unmap(buffer)
    expect(() => bounce.unmap(buffer)).toThrow(RangeError)
    expect(bounce.used).toBe(0)
  })

  it.each([[{ start: 0x800, slots: 128 }], [{ start: 0x1000, slots: 100 }], [{ start: 0x1000, slots: 0 }]])(
    'no pool: %j',
    (options) => {
      expect(() => new Swiotlb({ memory: new Memory(), ...options })).toThrow(RangeError)
    },
  )
})

describe('any buffers', () => {
  const request = fc.record({
    original: fc.integer({ min: 0, max: 0xf_0000 }),
    length: fc.integer({ min: 1, max: 20_000 }),
    direction: fc.constantFrom<Direction>('to-device', 'from-device', 'bidirectional'),
    keep: fc.boolean(),
  })

  it('never share a byte, lie in the pool, keep their offset, and all slots come back', () => {
    fc.assert(
      fc.property(fc.array(request, { maxLength: 24 }), (requests) => {
        const memory = { readBytes() {}, writeBytes() {} }
        const bounce = new Swiotlb({ memory, start: 0x10_0000, slots: 2 * SEGMENT_SLOTS })
        const held: NonNullable<ReturnType<Swiotlb['map']>>[] = []
        for (const { original, length, direction, keep } of requests) {
          const buffer = bounce.map(original, length, direction)
          if (buffer === null) continue
          const end = buffer.cpu + length
          expect(buffer.cpu).toBeGreaterThanOrEqual(bounce.start)
          expect(end).toBeLessThanOrEqual(bounce.end)
          expect(buffer.cpu % 4096).toBe(original % 4096)
          expect(held.every((other) => end <= other.cpu || other.cpu + other.length <= buffer.cpu)).toBe(true)
          if (keep) held.push(buffer)
          else bounce.unmap(buffer)
        }
        for (const one of held) bounce.unmap(one)
        expect(bounce.used).toBe(0)
      }),
      { numRuns },
    )
  })
})
