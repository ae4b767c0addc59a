import { GuestRam } from '@dmascope/memory'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createMemorySystem, type MemorySystem } from '../src/coherency/memory-system.ts'
import type { MemorySystemName } from '../src/description.ts'
import type { DeviceMemory } from '../src/fabric/device-memory.ts'
import { DeviceLedger } from '../src/fabric/ledger.ts'

const numRuns = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
/** Four lines of 16 bytes, so that lines are driven out all the time. */
const TINY = { sets: 2, ways: 2, lineBytes: 16 }
const BLOCK = 32
const BLOCKS = 4

interface Bench {
  readonly system: MemorySystem
  readonly device: DeviceMemory
  readonly ledger: DeviceLedger
}

/** Runs with RAM of its own, and gives it back. */
function withSystem<T>(name: MemorySystemName, run: (bench: Bench) => T): T {
  const ram = new GuestRam([{ base: 0, size: 0x1000 }])
  const system = createMemorySystem({ name, geometry: TINY }, ram)
  const ledger = new DeviceLedger()
  ledger.phase = 'self-test'
  try {
    return run({ system, device: system.ofDevice(ledger), ledger })
  } finally {
    system.dispose()
    ram.dispose()
  }
}

/** What is done to a block of memory: part of it written or read, or the block handed to the other side. */
const step = fc.record({
  block: fc.nat(BLOCKS - 1),
  offset: fc.nat(BLOCK - 1),
  length: fc.integer({ min: 1, max: BLOCK }),
  value: fc.integer({ min: 1, max: 255 }),
  act: fc.constantFrom('read', 'write', 'hand over'),
})

/**
 * Each block is the processor's or the device's, and whoever has it reads and writes it; answers how many reads differed
 * from those of a flat memory.
 *
 * @param maintains - whether the processor does what handing over takes
 */
function play(
  { system, device }: Bench,
  steps: readonly { block: number; offset: number; length: number; value: number; act: string }[],
  maintains: boolean,
): number {
  const flat = new Uint8Array(BLOCKS * BLOCK)
  const isDevices = new Array<boolean>(BLOCKS).fill(false)
  let wrong = 0
  for (const { block, offset, length: wanted, value, act } of steps) {
    const address = block * BLOCK + offset
    const length = Math.min(wanted, BLOCK - offset)
    const owner = isDevices[block] ? device : system.processor
    if (act === 'hand over') {
      isDevices[block] = !isDevices[block]
      if (!maintains) continue
      if (isDevices[block]) {
        system.cache?.clean(block * BLOCK, BLOCK)
        system.drain()
      } else system.cache?.invalidate(block * BLOCK, BLOCK)
    } else if (act === 'write') {
      owner.writeBytes(address, new Uint8Array(length).fill(value))
      flat.fill(value, address, address + length)
    } else {
      const got = new Uint8Array(length)
      owner.readBytes(address, got)
      if (got.some((byte, index) => byte !== flat[address + index])) wrong++
    }
  }
  return wrong
}

describe.each(['noncoherent', 'virtual-cache-flushed', 'write-buffer'] as const)('%s', (name) => {
  it('is as flat memory to a processor that maintains it, and nothing was stale', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        withSystem(name, (bench) => {
          expect(play(bench, steps, true)).toBe(0)
          expect(bench.ledger.staleReads).toEqual([])
        })
      }),
      { numRuns },
    )
  })

  it('is not to one that does not: what either side wrote before a block was handed over may not be there', () => {
    const whole = { block: 0, offset: 0, length: BLOCK }
    const written = { ...whole, value: 7, act: 'write' }
    const read = { ...whole, value: 1, act: 'read' }
    const handedOver = { ...whole, value: 1, act: 'hand over' }
    const wrong = [
      [written, handedOver, read],
      [read, handedOver, written, handedOver, read],
    ].map((steps) => withSystem(name, (bench) => play(bench, steps, false)))
    // A write buffer holds back what the processor wrote; it keeps nothing that a device might have written since.
    expect(wrong).toEqual([1, name === 'write-buffer' ? 0 : 1])
  })

  it('tells one that does not of what was stale, and of nothing else', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        withSystem(name, (bench) => {
          const wrong = play(bench, steps, false)
          const reads = bench.ledger.staleReads.reduce((sum, { count }) => sum + count, 0)
          // A processor's stale read is told of where a device wrote what it missed; a device's always.
          expect(reads).toBeLessThanOrEqual(wrong)
          if (wrong === 0) expect(bench.ledger.staleReads).toEqual([])
        })
      }),
      { numRuns },
    )
  })
})

describe('physical-cache', () => {
  it('is as flat memory whoever looks, with no maintenance: there is one cache for all', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        withSystem('physical-cache', (bench) => expect(play(bench, steps, false)).toBe(0))
      }),
      { numRuns },
    )
  })
})

describe('virtual-cache', () => {
  it('is not as flat memory even to a processor that maintains its own lines', () => {
    withSystem('virtual-cache', ({ system, device, ledger }) => {
      const got = new Uint8Array(1)
      device.readBytes(0x40, got)
      system.processor.writeBytes(0x40, Uint8Array.of(7))
      system.cache?.clean(0x40, 1)
      device.readBytes(0x40, got)
      expect(got[0]).toBe(0)
      expect(ledger.staleReads).toEqual([
        { reader: 'device', between: 'mapping', address: '0x40', got: '00', newest: '07', count: 1 },
      ])
    })
  })
})

describe('what was stale', () => {
  it('is told of once for each place, with the bytes that were seen first, and what should have been there', () => {
    withSystem('noncoherent', ({ system, device, ledger }) => {
      system.processor.writeBytes(0x21, Uint8Array.of(1, 2))
      for (let time = 0; time < 3; time++) device.readBytes(0x20, new Uint8Array(4))
      expect(ledger.staleReads).toEqual([
        { reader: 'device', between: 'cache', address: '0x21', got: '00 00 00', newest: '01 02 00', count: 3 },
      ])
    })
  })

  it('of the processor is told of with the device whose data it missed', () => {
    withSystem('noncoherent', ({ system, device, ledger }) => {
      const got = new Uint8Array(1)
      system.processor.readBytes(0x80, got)
      device.writeBytes(0x80, Uint8Array.of(3))
      system.processor.readBytes(0x80, got)
      expect(ledger.staleReads).toMatchObject([{ reader: 'processor', address: '0x80', got: '00', newest: '03' }])
      system.cache?.invalidate(0x80, 1)
      system.processor.readBytes(0x80, got)
      expect(got[0]).toBe(3)
    })
  })

  it('is kept of 32 places, however many a device finds', () => {
    withSystem('noncoherent', ({ system, device, ledger }) => {
      // Of a cache of four lines no more than 64 bytes can be ahead of memory.
      for (let at = 0; at < 64; at++) system.processor.writeBytes(at, Uint8Array.of(1))
      for (let at = 0; at < 64; at++) device.readBytes(at, new Uint8Array(1))
      expect(ledger.staleReads).toHaveLength(32)
    })
  })

  it('is nobody’s business before the kernel runs', () => {
    withSystem('noncoherent', ({ system, device, ledger }) => {
      ledger.phase = 'firmware'
      system.processor.writeBytes(0, Uint8Array.of(1))
      device.readBytes(0, new Uint8Array(1))
      expect(ledger.staleReads).toEqual([])
    })
  })
})

describe('memory past all of it', () => {
  it('is RAM itself: a device sees it at once, and the processor what the device wrote', () => {
    withSystem('noncoherent', ({ system, device }) => {
      const got = new Uint8Array(1)
      system.uncached.writeBytes(0x100, Uint8Array.of(5))
      device.readBytes(0x100, got)
      expect(got[0]).toBe(5)
      device.writeBytes(0x100, Uint8Array.of(6))
      system.uncached.readBytes(0x100, got)
      expect(got[0]).toBe(6)
    })
  })

  it('is loaded before any software runs, and in no cache', () => {
    withSystem('virtual-cache', ({ system, device }) => {
      system.load(0x200, Uint8Array.of(9))
      const got = new Uint8Array(2)
      system.processor.readBytes(0x200, got)
      expect([...got]).toEqual([9, 0])
      device.readBytes(0x200, got)
      expect([...got]).toEqual([9, 0])
    })
  })
})
