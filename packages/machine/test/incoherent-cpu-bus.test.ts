import { afterEach, describe, expect, it } from 'vitest'
import { readMachineFile } from '../src/file/index.ts'
import { createMachine } from '../src/index.ts'
import type { Machine } from '../src/machine.ts'

const RAM = 0x4000_0000
const MEMORY = 64 * 2 ** 20
/** The register of the tree's node `dmascope,write-buffer`. */
const DRAIN = 0x090f_0000

let machine: Machine | null = null
afterEach(() => {
  machine?.dispose()
  machine = null
})

function build(memorySystem: string): Machine {
  const { description } = readMachineFile(
    `machine: virt\ncpu: cortex-a57\nmemory: 64M\nmemorySystem: ${memorySystem}\ndevices: []\n`,
  )
  machine = createMachine(description).machine
  return machine
}

describe('the CPU seam of a machine whose caches software must mind', () => {
  it('takes words of each width at any alignment, across lines too', () => {
    const { bus } = build('noncoherent')
    bus.write32(RAM + 0x3e, 0x0403_0201)
    bus.write16(RAM + 0x50, 0xffee)
    bus.write8(RAM + 0x52, 0x99)
    expect([bus.read32(RAM + 0x3e), bus.read16(RAM + 0x3f), bus.read8(RAM + 0x41)]).toEqual([0x0403_0201, 0x0302, 4])
    expect(bus.read32(RAM + 0x50)).toBe(0x0099_ffee)
  })

  it('has memory itself at the offset, where a write is not before its line was written back', () => {
    const { bus } = build('noncoherent')
    const uncached = bus.uncachedOffset ?? 0
    expect(uncached).toBeGreaterThan(RAM + MEMORY)
    bus.write32(RAM, 0x1234_5678)
    expect(bus.read32(uncached + RAM)).toBe(0)
    bus.cache?.clean(RAM, 4)
    expect(bus.read32(uncached + RAM)).toBe(0x1234_5678)
    bus.write32(uncached + RAM, 0x9abc_def0)
    expect(bus.read32(RAM)).toBe(0x1234_5678)
    bus.cache?.invalidate(RAM, 64)
    expect(bus.read32(RAM)).toBe(0x9abc_def0)
  })

  it('tells the size of a line: that of the processor, as the tree has it', () => {
    expect(build('noncoherent').bus.cache?.lineBytes).toBe(64)
  })

  it('is as ever where there is no RAM, or no more of it, cached or not', () => {
    const { bus } = build('noncoherent')
    const uncached = bus.uncachedOffset ?? 0
    const end = RAM + MEMORY
    expect([bus.read32(end), bus.read32(uncached + end), bus.read8(2 ** 52)]).toEqual([0xffff_ffff, 0xffff_ffff, 0xff])
    bus.write32(end, 1)
    bus.write32(uncached, 1)
    const across = new Uint8Array(8)
    bus.readBytes(end - 4, across)
    expect([...across]).toEqual([0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff])
    // The GIC's distributor: registers are in no cache.
    expect(bus.read32(0x0800_0004)).not.toBe(0xffff_ffff)
  })

  it('maintenance of what is no memory does nothing', () => {
    const { bus } = build('noncoherent')
    for (const length of [0, 1, Number.MAX_SAFE_INTEGER]) {
      bus.cache?.clean(0, length)
      bus.cache?.invalidate(2 ** 52, length)
    }
    expect(bus.read32(RAM)).toBe(0)
  })
})

describe('a write buffer', () => {
  it('has written all when its register was read, or the processor has waited for an interrupt', () => {
    const { bus } = build('write-buffer')
    const uncached = bus.uncachedOffset ?? 0
    bus.write32(RAM, 7)
    expect([bus.read32(RAM), bus.read32(uncached + RAM)]).toEqual([7, 0])
    expect(bus.read32(DRAIN)).toBe(0)
    expect(bus.read32(uncached + RAM)).toBe(7)
    bus.write32(RAM, 8)
    bus.write32(DRAIN, 1)
    expect(bus.read32(uncached + RAM)).toBe(7)
    bus.nextInterrupt()
    expect(bus.read32(uncached + RAM)).toBe(8)
    expect(bus.cache).toBeUndefined()
  })
})
