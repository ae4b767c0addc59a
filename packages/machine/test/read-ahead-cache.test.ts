import { GuestRam } from '@dmascope/memory'
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { DataCache } from '../src/coherency/data-cache.ts'
import { createMemorySystem, type MemorySystem } from '../src/coherency/memory-system.ts'
import { ReadAheadCache } from '../src/coherency/read-ahead-cache.ts'
import { DeviceLedger } from '../src/fabric/ledger.ts'

const numRuns = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const BYTES = 0x1000
const GEOMETRY = { blocks: 4, blockBytes: 64, ahead: 1 }
const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)

let disposable: { dispose(): void }[] = []
afterEach(() => {
  for (const one of disposable) one.dispose()
  disposable = []
})

function build() {
  const ram = new GuestRam([{ base: 0, size: BYTES }])
  disposable.push(ram)
  const cache = new ReadAheadCache(GEOMETRY, ram)
  const at = (address: number): number => {
    const into = new Uint8Array(1)
    cache.readBytes(address, into)
    return into[0]!
  }
  return { ram, cache, at }
}

describe('a cache that reads ahead', () => {
  it('holds what was read, and the block behind it, whatever a device writes there afterwards', () => {
    const { ram, at } = build()
    expect(at(0x100)).toBe(0)
    for (const address of [0x100, 0x140, 0x180]) ram.writeBytes(address, bytes(7))
    expect([at(0x100), at(0x140)]).toEqual([0, 0])
    expect(at(0x180)).toBe(7)
  })

  it('knows what the processor writes itself', () => {
    const { ram, cache, at } = build()
    expect(at(0x200)).toBe(0)
    cache.writeBytes(0x200, bytes(9))
    expect(at(0x200)).toBe(9)
    const stored = new Uint8Array(1)
    ram.readBytes(0x200, stored)
    expect(stored[0]).toBe(9)
  })

  it('forgets all where it is flushed, and holds nothing while it is off', () => {
    const { ram, cache, at } = build()
    at(0x100)
    ram.writeBytes(0x100, bytes(1))
    cache.flush()
    expect(at(0x100)).toBe(1)
    cache.enable(false)
    ram.writeBytes(0x100, bytes(2))
    expect([cache.isEnabled, at(0x100)]).toEqual([false, 2])
    ram.writeBytes(0x100, bytes(3))
    expect(at(0x100)).toBe(3)
  })

  it('gives up the blocks that came first', () => {
    const { ram, at } = build()
    // Two blocks each: the third read takes the places of the first.
    for (const address of [0x000, 0x200, 0x400]) at(address)
    ram.writeBytes(0x000, bytes(5))
    ram.writeBytes(0x200, bytes(6))
    expect(at(0x000)).toBe(5)
  })

  it('stops at the end of memory', () => {
    const { ram, at } = build()
    ram.writeBytes(BYTES - 1, bytes(8))
    expect(at(BYTES - 1)).toBe(8)
  })

  it('has room for what it fetches at once', () => {
    const ram = new GuestRam([{ base: 0, size: BYTES }])
    disposable.push(ram)
    expect(() => new ReadAheadCache({ blocks: 2, blockBytes: 64, ahead: 2 }, ram)).toThrow(RangeError)
  })

  it('answers what memory held at some time since the last flush, and the processor’s own writes at once', () => {
    const act = fc.record({
      kind: fc.constantFrom('read', 'write', 'device', 'flush'),
      address: fc.nat(0x1ff),
      value: fc.integer({ min: 1, max: 255 }),
    })
    const { ram, cache, at } = build()
    fc.assert(
      fc.property(fc.array(act, { maxLength: 24 }), (acts) => {
        ram.writeBytes(0, new Uint8Array(0x200))
        cache.flush()
        const held = new Map<number, number[]>()
        const pastOf = (address: number): number[] => held.get(address) ?? [0]
        for (const { kind, address, value } of acts) {
          if (kind === 'flush') {
            cache.flush()
            for (const [one, past] of held) held.set(one, past.slice(-1))
          } else if (kind === 'write') {
            cache.writeBytes(address, bytes(value))
            held.set(address, [value])
          } else if (kind === 'device') {
            ram.writeBytes(address, bytes(value))
            held.set(address, [...pastOf(address), value])
          } else expect(pastOf(address)).toContain(at(address))
        }
      }),
      { numRuns },
    )
  })
})

describe('a data cache that speculates', () => {
  it('fetches the lines behind one that it missed, over the end of a page', () => {
    const reads: number[] = []
    const memory = { readBytes: (address: number) => void reads.push(address), writeBytes: () => {} }
    const cache = new DataCache({ sets: 4, ways: 2, lineBytes: 32 }, memory, 1)
    cache.read(0xfe0, 0xfe0, new Uint8Array(1))
    expect(reads).toEqual([0xfe0, 0x1000])
    cache.read(0x1000, 0x1000, new Uint8Array(1))
    expect(reads).toEqual([0xfe0, 0x1000])
  })

  it('wants more sets than it fetches lines', () => {
    const memory = { readBytes: () => {}, writeBytes: () => {} }
    expect(() => new DataCache({ sets: 1, ways: 2, lineBytes: 32 }, memory, 1)).toThrow(/1 lines ahead/)
  })
})

describe('memory behind both', () => {
  const lines = { sets: 2, ways: 1, lineBytes: 32 }
  const system = (more: { speculativeLines?: number; readAhead?: typeof GEOMETRY }): MemorySystem => {
    const ram = new GuestRam([{ base: 0, size: BYTES }])
    const one = createMemorySystem({ name: 'noncoherent', geometry: lines, ...more }, ram)
    disposable.push(ram, one)
    return one
  }
  const read = (one: MemorySystem, address: number): number => {
    const into = new Uint8Array(1)
    one.processor.readBytes(address, into)
    return into[0]!
  }
  const deviceOf = (one: MemorySystem) => {
    const ledger = new DeviceLedger()
    ledger.phase = 'self-test'
    return one.ofDevice(ledger)
  }

  it('a buffer that was invalidated is out of date again where its neighbour was read while the device wrote', () => {
    const one = system({ speculativeLines: 1 })
    one.cache?.invalidate(0x100, 32)
    read(one, 0xe0)
    deviceOf(one).writeBytes(0x100, bytes(7))
    expect(read(one, 0x100)).toBe(0)
    one.cache?.invalidate(0x100, 32)
    expect(read(one, 0x100)).toBe(7)
  })

  it('invalidating does not reach what was read ahead; flushing does', () => {
    const one = system({ readAhead: GEOMETRY })
    read(one, 0x100)
    deviceOf(one).writeBytes(0x100, bytes(7))
    one.cache?.invalidate(0x100, 32)
    expect(read(one, 0x100)).toBe(0)
    one.readAhead?.flush()
    one.cache?.invalidate(0x100, 32)
    expect(read(one, 0x100)).toBe(7)
  })
})
