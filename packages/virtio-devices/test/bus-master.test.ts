import type { DmaPort, DmaResult, InterruptPort } from '@dmascope/memory'
import { DMA_DECODE_ERROR, DMA_DISABLED, DMA_FAULT, DMA_OK, DMA_PENDING } from '@dmascope/memory'
import { createFlatPort } from '@dmascope/virtqueue/device'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BusMasterFunction, type BusMasterOptions, crc32 } from '../src/index.ts'
import { FUZZ_RUNS, pattern } from './bench.ts'

// Offsets in the test block.
const SIGNATURE = 0x00
const SOURCE_LO = 0x04
const SOURCE_HI = 0x08
const DESTINATION_LO = 0x0c
const LENGTH = 0x14
const CONTROL = 0x18
const STATUS = 0x1c
const INTERRUPT_ENABLE = 0x20
const CHECKSUM = 0x24
const DMA_MASK_BITS = 0x28
const COMPLETED = 0x2c
const READ = 1
const WRITE = 2
const COPY = 3
const BUSY = 1
const DONE = 2
const error = (code: number): number => DONE | (code << 4)

/** QEMU's AHCI function, by its configuration space: MSI at 0x80, registers in BAR 5. */
const AHCI: BusMasterOptions = {
  config: {
    vendorId: 0x8086,
    deviceId: 0x2922,
    classCode: 0x010601,
    revisionId: 2,
    interruptPin: 1,
    bars: [
      { bar: 4, kind: 'io', size: 32 },
      { bar: 5, kind: 'memory32', size: 4096 },
    ],
  },
  capabilities: [
    { kind: 'plain', id: 0x12, body: Uint8Array.of(0x10, 0, 0x48, 0, 0, 0), offset: 0xa8 },
    { kind: 'msi', offset: 0x80 },
  ],
}
/** QEMU's NVMe controller: MSI-X in the registers' own BAR. */
const NVME: BusMasterOptions = {
  config: {
    vendorId: 0x1b36,
    deviceId: 0x0010,
    classCode: 0x010802,
    interruptPin: 1,
    size: 4096,
    bars: [{ bar: 0, kind: 'memory64', size: 16_384 }],
  },
  capabilities: [
    { kind: 'power-management', offset: 0x60 },
    { kind: 'express', type: 0, offset: 0x80, functionLevelReset: true },
    { kind: 'msix', vectors: 65, tableBar: 0, tableOffset: 0x2000, pbaOffset: 0x3000, offset: 0x40 },
    { kind: 'aer', offset: 0x100 },
  ],
}

function setup(options: BusMasterOptions = AHCI) {
  const memory = new Uint8Array(262_144)
  const flat = createFlatPort(memory)
  const state = {
    read: DMA_OK as DmaResult,
    write: DMA_OK as DmaResult,
    messages: [] as number[],
    pin: false,
    edges: 0,
  }
  const port: DmaPort = {
    view: () => null,
    isCurrent: () => false,
    account() {},
    read: (hi, lo, into) => state.read || flat.read(hi, lo, into),
    write: (hi, lo, from) => state.write || flat.write(hi, lo, from),
  }
  const interrupts: InterruptPort = {
    msi(_hi, _lo, data) {
      state.messages.push(data)
      return DMA_OK
    },
    intx(level) {
      state.pin = level
      state.edges++
    },
  }
  const fn = new BusMasterFunction(options)
  fn.connect(port, interrupts)
  const bar = fn.testBlockBar ?? 0
  const out = new Uint32Array(2)
  const read = (offset: number): number => {
    fn.readBar(bar, offset, 4, out)
    return out[0]!
  }
  const write = (offset: number, value: number): void => fn.writeBar(bar, offset, 4, value, 0)
  const run = (operation: number, source: number, destination: number, length: number): number => {
    write(SOURCE_LO, source)
    write(DESTINATION_LO, destination)
    write(LENGTH, length)
    write(CONTROL, operation)
    expect(fn.work(1)).toBe('idle')
    return read(STATUS)
  }
  return { fn, memory, state, read, write, run, out, bar }
}

describe('what software sees', () => {
  it('is the device that it stands in for: AHCI', () => {
    const { fn, read, bar } = setup()
    expect(fn.config.read(0, 4)).toBe(0x2922_8086)
    expect(fn.config.read(8, 4)).toBe(0x0106_0102)
    expect([fn.config.read(0x34, 1), fn.config.read(0x80, 1), fn.config.read(0x81, 1)]).toEqual([0x80, 0x05, 0xa8])
    expect([fn.config.read(0xa8, 4), fn.config.read(0xac, 4)]).toEqual([0x0010_0012, 0x48])
    expect(bar).toBe(5)
    expect(read(SIGNATURE)).toBe(0x5441_4d44)
  })

  it('is the device that it stands in for: NVMe', () => {
    const { fn, bar, read } = setup(NVME)
    expect([0x34, 0x41, 0x81, 0x61].map((at) => fn.config.read(at, 1))).toEqual([0x40, 0x80, 0x60, 0])
    expect(fn.config.read(0x100, 2)).toBe(1)
    expect(fn.msix?.vectors).toBe(65)
    expect(bar).toBe(0)
    expect(read(DMA_MASK_BITS)).toBe(64)
  })

  it('puts the test block where MSI-X is not', () => {
    const bars = [
      { bar: 0, kind: 'memory32', size: 32 },
      { bar: 1, kind: 'memory32', size: 4096 },
      { bar: 2, kind: 'memory32', size: 4096 },
    ] as const
    const capabilities = [{ kind: 'msix', vectors: 4, tableBar: 1 }] as const
    expect(new BusMasterFunction({ config: { ...AHCI.config, bars }, capabilities }).testBlockBar).toBe(2)
    for (const testBlockBar of [0, 1, 3]) {
      expect(() => new BusMasterFunction({ config: { ...AHCI.config, bars }, capabilities, testBlockBar })).toThrow(
        RangeError,
      )
    }
  })

  it('has no test block without DMA or without memory BARs, and does nothing', () => {
    const none = [
      new BusMasterFunction({ ...AHCI, dma: false }),
      new BusMasterFunction({ config: { vendorId: 1, deviceId: 2, classCode: 0x060100 } }),
    ]
    for (const fn of none) {
      const out = Uint32Array.of(9, 9)
      expect(fn.testBlockBar).toBeNull()
      fn.writeBar(5, CONTROL, 4, READ, 0)
      fn.readBar(5, SIGNATURE, 8, out)
      expect([...out, fn.work(9)]).toEqual([0, 0, 'idle'])
    }
  })

  it('refuses masks that no device has', () => {
    for (const dmaMaskBits of [0, 65, 1.5])
      expect(() => new BusMasterFunction({ ...AHCI, dmaMaskBits })).toThrow(RangeError)
  })
})

describe('transfers', () => {
  it('read memory and report its CRC-32', () => {
    const { memory, read, run } = setup()
    memory.set(new TextEncoder().encode('123456789'), 0x40)
    expect(run(READ, 0x40, 0, 9)).toBe(DONE)
    // The check value of CRC-32/ISO-HDLC.
    expect(read(CHECKSUM)).toBe(0xcbf4_3926)
  })

  it('write what was read last, elsewhere', () => {
    const { memory, run } = setup()
    const sent = pattern(5000, 2)
    memory.set(sent, 0x1000)
    run(READ, 0x1000, 0, 5000)
    expect(run(WRITE, 0, 0x8000, 5000)).toBe(DONE)
    expect(crc32(memory.subarray(0x8000, 0x8000 + 5000))).toBe(crc32(sent))
  })

  it('copy the longest buffer', () => {
    const { memory, run, read } = setup()
    const sent = pattern(65_536, 5)
    memory.set(sent)
    expect(run(COPY, 0, 0x2_0000, 65_536)).toBe(DONE)
    expect(crc32(memory.subarray(0x2_0000, 0x3_0000))).toBe(crc32(sent))
    expect(read(CHECKSUM)).toBe(crc32(sent))
  })

  it('happen in work, once', () => {
    const { fn, read, write } = setup()
    write(LENGTH, 4)
    write(CONTROL, COPY)
    expect([read(STATUS), read(COMPLETED)]).toEqual([BUSY, 0])
    write(LENGTH, 0)
    write(INTERRUPT_ENABLE, 1)
    expect([read(LENGTH), read(INTERRUPT_ENABLE)]).toEqual([4, 1])
    expect([fn.work(0), fn.work(1), fn.work(1)]).toEqual(['more', 'idle', 'idle'])
    expect([read(STATUS), read(COMPLETED)]).toEqual([DONE, 1])
  })

  it.each([
    ['fault', DMA_FAULT, 1],
    ['decode error', DMA_DECODE_ERROR, 2],
    ['bus mastering disabled', DMA_DISABLED, 3],
  ] as const)('%s is told in STATUS', (_name, result, code) => {
    const reading = setup()
    reading.state.read = result
    expect(reading.run(COPY, 0, 0x1000, 4)).toBe(error(code))
    const writing = setup()
    writing.state.write = result
    expect(writing.run(COPY, 0, 0x1000, 4)).toBe(error(code))
    expect(writing.read(CHECKSUM)).toBe(crc32(new Uint8Array(4)))
  })

  it('refuse lengths of 0 and above the buffer', () => {
    const { run } = setup()
    for (const length of [0, 65_537, 0xffff_ffff]) expect(run(COPY, 0, 0x1000, length)).toBe(error(4))
  })

  it('stay under the DMA mask', () => {
    const narrow = setup({ ...AHCI, dmaMaskBits: 17 })
    expect(narrow.run(READ, 0x1_ffff, 0, 1)).toBe(DONE)
    expect(narrow.run(READ, 0x1_ffff, 0, 2)).toBe(error(5))
    expect(narrow.run(WRITE, 0, 0x2_0000, 1)).toBe(error(5))
    const wide = setup({ ...AHCI, dmaMaskBits: 32 })
    wide.write(SOURCE_HI, 1)
    expect(wide.run(READ, 0, 0, 1)).toBe(error(5))
    const wider = setup({ ...AHCI, dmaMaskBits: 33 })
    wider.write(SOURCE_HI, 1)
    expect(wider.run(READ, 0xffff_fffe, 0, 2)).toBe(error(2))
    expect(wider.run(READ, 0xffff_fffe, 0, 3)).toBe(error(5))
    const whole = setup()
    whole.write(SOURCE_HI, 0xffff_ffff)
    expect(whole.run(READ, 0xffff_ffff, 0, 1)).toBe(error(2))
    expect(whole.run(READ, 0xffff_ffff, 0, 2)).toBe(error(5))
  })

  it('wait for remote memory', () => {
    const { fn, state, write, read } = setup()
    write(LENGTH, 4)
    write(CONTROL, COPY)
    state.write = DMA_PENDING
    expect([fn.work(1), read(STATUS)]).toEqual(['waiting', BUSY])
    state.write = DMA_OK
    expect([fn.work(1), read(STATUS)]).toEqual(['idle', DONE])
  })
})

describe('interrupts', () => {
  it('by the pin: level, until DONE is cleared', () => {
    const { fn, state, run, write, read } = setup()
    run(READ, 0, 0, 4)
    expect(state.pin).toBe(false)
    write(INTERRUPT_ENABLE, 1)
    expect([state.pin, fn.config.read(6, 2) & 8]).toEqual([true, 8])
    write(STATUS, BUSY)
    expect(state.pin).toBe(true)
    write(STATUS, DONE)
    expect([state.pin, read(STATUS), fn.config.read(6, 2) & 8]).toEqual([false, 0, 0])
    expect(state.edges).toBe(2)
  })

  it('by the pin: not while Interrupt Disable is set, though the status bit tells', () => {
    const { fn, state, run, write } = setup()
    write(INTERRUPT_ENABLE, 1)
    fn.config.write(4, 2, 0x400)
    run(READ, 0, 0, 4)
    expect([state.pin, fn.config.read(6, 2) & 8]).toEqual([false, 8])
    fn.config.write(4, 2, 0)
    expect(state.pin).toBe(true)
    write(CONTROL, READ)
    expect(state.pin).toBe(false)
  })

  it('by MSI where it is on, and then not by the pin', () => {
    const { fn, state, run, write } = setup()
    fn.config.write(0x84, 4, 0xfee0_0000)
    fn.config.write(0x8c, 2, 0x55)
    fn.config.write(0x82, 2, 1)
    run(READ, 0, 0, 4)
    expect(state.messages).toEqual([])
    write(INTERRUPT_ENABLE, 1)
    run(READ, 0, 0, 4)
    expect([state.messages, state.pin]).toEqual([[0x55], false])
    write(INTERRUPT_ENABLE, 1)
    expect([state.messages, state.pin]).toEqual([[0x55], false])
  })

  it('by MSI-X through the table in its BAR', () => {
    const { fn, state, run, write, read } = setup(NVME)
    write(INTERRUPT_ENABLE, 1)
    fn.config.write(0x42, 2, 0x8000)
    fn.writeBar(0, 0x2000, 8, 0xfee0_0000, 0)
    fn.writeBar(0, 0x2008, 4, 0x66, 0)
    expect(run(READ, 0, 0, 4)).toBe(DONE)
    expect(state.messages).toEqual([])
    expect(read(0x3000)).toBe(1) // pending
    fn.writeBar(0, 0x200c, 4, 0, 0)
    expect(state.messages).toEqual([0x66])
    run(READ, 0, 0, 4)
    expect(state.messages).toEqual([0x66, 0x66])
  })
})

it('resets by Function Level Reset as by the bus', () => {
  const { fn, memory, read, run, write, state } = setup(NVME)
  memory.fill(3, 0, 64)
  write(INTERRUPT_ENABLE, 1)
  run(READ, 0, 0, 64)
  expect(state.pin).toBe(true)
  fn.config.write(4, 2, 6)
  fn.config.write(0x88, 2, 0x8000)
  expect([state.pin, read(STATUS), read(LENGTH), fn.config.busMasterEnabled]).toEqual([false, 0, 0, false])
  expect(read(DMA_MASK_BITS)).toBe(64)
  // Nothing of what was read before the reset can be written after it.
  run(WRITE, 0, 0x1000, 64)
  expect(memory[0x1000]).toBe(0)
})

it('copies as memory does: any places and lengths, also overlapping', () => {
  const { memory, run } = setup()
  memory.set(pattern(4096))
  const model = memory.slice(0, 8192)
  fc.assert(
    fc.property(fc.nat(7000), fc.nat(7000), fc.integer({ min: 1, max: 1000 }), (source, destination, length) => {
      expect(run(COPY, source, destination, length)).toBe(DONE)
      model.copyWithin(destination, source, source + length)
      expect(crc32(memory.subarray(0, 8192))).toBe(crc32(model))
    }),
    { numRuns: FUZZ_RUNS },
  )
})
