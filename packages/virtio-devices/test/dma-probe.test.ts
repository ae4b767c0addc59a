import type { DmaPort, DmaResult, InterruptPort } from '@dmascope/memory'
import { DMA_DECODE_ERROR, DMA_DISABLED, DMA_FAULT, DMA_OK, DMA_PENDING } from '@dmascope/memory'
import { createFlatPort } from '@dmascope/virtqueue/device'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DmaProbe } from '../src/index.ts'
import { FUZZ_RUNS } from './bench.ts'

// Offsets in BAR 0.
const SIGNATURE = 0x00
const ADDRESS_LO = 0x04
const ADDRESS_HI = 0x08
const LENGTH = 0x0c
const RESULT = 0x10
const DOORBELL = 0x14
const COMMAND = 0x18
const PATTERN = 0x1c
const MISMATCH_OFFSET = 0x20
const COMPLETED = 0x24
const MAX_LENGTH = 0x2c
const READBACK = 0x40
const READ = 1
const WRITE = 2
const WRITE_READ = 3
const INTERRUPT = 0x100
const IDLE = 0xffff_ffff
const BUSY = 0xffff_fffe

/** A probe on flat memory of 128 KiB, through a port that may be told what to answer. */
function setup(options: ConstructorParameters<typeof DmaProbe>[0] = {}) {
  const memory = new Uint8Array(131_072)
  const flat = createFlatPort(memory)
  const state = {
    result: DMA_OK as DmaResult,
    writes: DMA_OK as DmaResult,
    messages: [] as number[],
    corrupt: -1,
    silent: false,
  }
  const port: DmaPort = {
    view: () => null,
    isCurrent: () => false,
    account() {},
    read(hi, lo, into) {
      if (state.result !== DMA_OK) return state.result
      if (state.silent) return DMA_OK
      const result = flat.read(hi, lo, into)
      if (state.corrupt >= 0) into[state.corrupt]! ^= 0x80
      return result
    },
    write(hi, lo, from) {
      if (state.result !== DMA_OK) return state.result
      return state.writes !== DMA_OK ? state.writes : flat.write(hi, lo, from)
    },
  }
  const interrupts: InterruptPort = {
    msi(_hi, _lo, data) {
      state.messages.push(data)
      return DMA_OK
    },
    intx() {},
  }
  const probe = new DmaProbe(options)
  probe.connect(port, interrupts)
  const out = new Uint32Array(2)
  const read = (offset: number): number => {
    probe.readBar(0, offset, 4, out)
    return out[0]!
  }
  const write = (offset: number, value: number): void => probe.writeBar(0, offset, 4, value, 0)
  const start = (command: number, address: number, length: number): void => {
    write(ADDRESS_LO, address)
    write(LENGTH, length)
    write(COMMAND, command)
    write(DOORBELL, 1)
  }
  const run = (command: number, address: number, length: number): number => {
    start(command, address, length)
    expect(probe.work(1)).toBe('idle')
    return read(RESULT)
  }
  return { memory, probe, state, read, write, start, run, out }
}

it('is 1b36:0005 with one memory BAR of 4 KiB and one MSI vector', () => {
  const { probe, read } = setup()
  expect([probe.config.read(0, 4), probe.config.read(8, 4) >>> 8]).toEqual([0x0005_1b36, 0xff0000])
  expect(probe.config.bars).toMatchObject([{ bar: 0, space: 'memory', size: 4096 }])
  expect(probe.msi.vectors).toBe(1)
  expect([read(SIGNATURE), read(RESULT), read(PATTERN)]).toEqual([0x5041_4d44, IDLE, 0x1234_5678])
})

describe('a late write', () => {
  it('repeats the last write before the next transfer, once, and says nothing of how it ends', () => {
    const { memory, run, state } = setup({ lateWrite: true })
    expect(run(WRITE, 0x100, 4)).toBe(0)
    memory.fill(0, 0x100, 0x104)
    expect(run(READ, 0x200, 4)).toBe(0)
    expect([...memory.subarray(0x100, 0x104)]).toEqual([0x78, 0x56, 0x34, 0x12])
    memory.fill(0, 0x100, 0x104)
    expect(run(READ, 0x200, 4)).toBe(0)
    expect([...memory.subarray(0x100, 0x104)]).toEqual([0, 0, 0, 0])
    expect(run(WRITE, 0x100, 4)).toBe(0)
    state.writes = DMA_FAULT
    expect(run(READ, 0x200, 4)).toBe(0)
  })

  it('is none of a write that failed, nor of one before a reset', () => {
    const { memory, run, state, probe } = setup({ lateWrite: true })
    state.writes = DMA_FAULT
    run(WRITE, 0x100, 4)
    state.writes = DMA_OK
    run(READ, 0x200, 4)
    expect(memory[0x100]).toBe(0)
    run(WRITE, 0x100, 4)
    memory.fill(0, 0x100, 0x104)
    probe.reset('function')
    run(READ, 0x200, 4)
    expect(memory[0x100]).toBe(0)
  })

  it('waits for remote memory as any transfer does', () => {
    const { memory, run, start, state, probe, read } = setup({ lateWrite: true })
    run(WRITE, 0x100, 4)
    memory.fill(0, 0x100, 0x104)
    state.writes = DMA_PENDING
    start(READ, 0x200, 4)
    expect(probe.work(1)).toBe('waiting')
    state.writes = DMA_OK
    expect(probe.work(1)).toBe('idle')
    expect([read(RESULT), memory[0x100]]).toEqual([0, 0x78])
  })
})

describe('a read of what is around', () => {
  it('is one of the whole pages after each read, which nobody is told of', () => {
    const { probe, run, read } = setup({ readsAround: true })
    const reads: (readonly [lo: number, length: number])[] = []
    probe.connect(
      {
        ...createFlatPort(new Uint8Array(0x4000)),
        read: (_hi, lo, into) => {
          reads.push([lo, into.length])
          return into.length >= 0x1000 ? DMA_FAULT : DMA_OK
        },
      },
      { msi: () => 0, intx: () => {} },
    )
    expect(run(READ, 0x1100, 64)).toBe(0)
    expect(run(READ, 0x1fe0, 64)).toBe(0)
    expect(reads).toEqual([
      [0x1100, 64],
      [0x1000, 0x1000],
      [0x1fe0, 64],
      [0x1000, 0x2000],
    ])
    expect(read(RESULT)).toBe(0)
  })

  it('is none where the device is as it should be, and none of a write', () => {
    for (const [options, command] of [
      [{}, READ],
      [{ readsAround: true }, WRITE],
    ] as const) {
      const { probe, run } = setup(options)
      let reads = 0
      const count = (): 0 => {
        reads++
        return 0
      }
      probe.connect(
        { ...createFlatPort(new Uint8Array(0x4000)), read: count, write: () => 0 },
        { msi: () => 0, intx: () => {} },
      )
      run(command, 0x1100, 64)
      expect(reads).toBe(command === READ ? 1 : 0)
    }
  })
})

it('says how much it transfers at once, and does no more', () => {
  const { read, run, probe } = setup({ maxLength: 256 })
  expect(read(MAX_LENGTH)).toBe(256)
  expect([run(READ, 0x100, 256), run(READ, 0x100, 257)]).toEqual([0, 0xdead_0005])
  probe.reset('function')
  expect(read(MAX_LENGTH)).toBe(256)
  expect(() => new DmaProbe({ maxLength: 63 })).toThrow(RangeError)
  expect(() => new DmaProbe({ maxLength: 65_537 })).toThrow(RangeError)
})

describe('transfers', () => {
  it('happen in work, not in the register write', () => {
    const { memory, probe, read, start } = setup()
    start(WRITE, 0x100, 8)
    expect([read(RESULT), read(COMPLETED), memory[0x100]]).toEqual([BUSY, 0, 0])
    expect(probe.work(0)).toBe('more')
    expect(probe.work(1)).toBe('idle')
    expect([read(RESULT), read(COMPLETED)]).toEqual([0, 1])
    expect([...memory.subarray(0xff, 0x109)]).toEqual([0, 0x78, 0x56, 0x34, 0x12, 0x78, 0x56, 0x34, 0x12, 0])
  })

  it('read: the first 64 bytes stand in the window', () => {
    const { memory, read, run, out, probe } = setup()
    memory.set(
      Uint8Array.from({ length: 100 }, (_, index) => index),
      0x200,
    )
    expect(run(READ, 0x200, 100)).toBe(0)
    expect([read(READBACK), read(READBACK + 60)]).toEqual([0x0302_0100, 0x3f3e_3d3c])
    probe.readBar(0, READBACK + 3, 1, out)
    expect(out[0]).toBe(3)
    probe.readBar(0, READBACK + 8, 8, out)
    expect([...out]).toEqual([0x0b0a_0908, 0x0f0e_0d0c])
    expect(read(READBACK + 64)).toBe(0)
  })

  it('a shorter read leaves nothing of the one before in the window', () => {
    const { memory, read, run } = setup()
    memory.fill(0xff, 0, 64)
    run(READ, 0, 64)
    expect(run(READ, 0x1000, 4)).toBe(0)
    expect([read(READBACK), read(READBACK + 4)]).toEqual([0, 0])
  })

  it('write, then read back: tells what did not come back, and where', () => {
    const { read, run, state, write } = setup()
    write(PATTERN, 0xcafe_f00d)
    expect(run(WRITE_READ, 0x300, 10)).toBe(0)
    expect(read(MISMATCH_OFFSET)).toBe(0xffff_ffff)
    state.corrupt = 7
    expect(run(WRITE_READ, 0x300, 10)).toBe(0xdead_0004)
    expect(read(MISMATCH_OFFSET)).toBe(7)
    state.corrupt = -1
    // A port that says OK and delivers nothing must not be taken for one that delivers the pattern.
    state.silent = true
    expect(run(WRITE_READ, 0x300, 10)).toBe(0xdead_0004)
    state.silent = false
    run(READ, 0, 4)
    expect(read(MISMATCH_OFFSET)).toBe(0xffff_ffff)
  })

  it.each([
    ['fault', DMA_FAULT, 0xdead_0001],
    ['decode error', DMA_DECODE_ERROR, 0xdead_0002],
    ['bus mastering disabled', DMA_DISABLED, 0xdead_0003],
  ] as const)('%s has its own result', (_name, result, code) => {
    const { run, state } = setup()
    state.result = result
    for (const command of [READ, WRITE, WRITE_READ]) expect(run(command, 0, 4)).toBe(code)
  })

  it('takes the upper half of the address', () => {
    const { run, write } = setup()
    write(ADDRESS_HI, 1)
    expect(run(READ, 0, 4)).toBe(0xdead_0002)
  })

  it('refuses lengths of 0 and above 64 KiB, and no operation', () => {
    const { run, memory } = setup()
    for (const [command, length] of [
      [WRITE, 0],
      [WRITE, 65_537],
      [WRITE, 0xffff_ffff],
      [0, 4],
    ] as const) {
      expect(run(command, 0, length)).toBe(0xdead_0005)
    }
    expect(memory.every((byte) => byte === 0)).toBe(true)
    expect(run(WRITE, 0, 65_536)).toBe(0)
  })

  it('waits for remote memory, and then does it all again', () => {
    const { probe, state, start, read } = setup()
    state.result = DMA_PENDING
    start(WRITE_READ, 0, 16)
    expect(probe.work(1)).toBe('waiting')
    expect(read(RESULT)).toBe(BUSY)
    state.result = DMA_OK
    expect(probe.work(1)).toBe('idle')
    expect([read(RESULT), read(COMPLETED)]).toEqual([0, 1])
  })

  it('raises its vector on completion, where COMMAND asks and MSI is on', () => {
    const { probe, run, state } = setup()
    run(WRITE | INTERRUPT, 0, 4)
    expect(state.messages).toEqual([])
    probe.config.write(probe.msi.offset + 4, 4, 0xfee0_0000)
    probe.config.write(probe.msi.offset + 12, 2, 0x41)
    probe.config.write(probe.msi.offset + 2, 2, 1)
    run(WRITE, 0, 4)
    expect(state.messages).toEqual([])
    run(WRITE | INTERRUPT, 0, 4)
    expect(state.messages).toEqual([0x41])
  })
})

it('ignores writes while it is busy, to read-only registers, to other BARs, and of other widths', () => {
  const { probe, read, start, write } = setup()
  write(RESULT, 5)
  write(COMPLETED, 5)
  write(SIGNATURE, 5)
  probe.writeBar(0, LENGTH, 2, 5, 0)
  probe.writeBar(0, LENGTH + 1, 4, 5, 0)
  probe.writeBar(1, LENGTH, 4, 5, 0)
  expect([read(RESULT), read(COMPLETED), read(SIGNATURE), read(LENGTH)]).toEqual([IDLE, 0, 0x5041_4d44, 0])
  probe.writeBar(0, ADDRESS_LO, 8, 0x11, 0x22)
  expect([read(ADDRESS_LO), read(ADDRESS_HI)]).toEqual([0x11, 0x22])
  start(READ, 0x500, 4)
  write(ADDRESS_LO, 0)
  write(COMMAND, 0)
  expect([read(ADDRESS_LO), read(COMMAND)]).toEqual([0x500, READ])
})

it('comes out of reset as it went in', () => {
  const { probe, read, run, start, memory } = setup()
  memory.fill(1, 0, 64)
  run(READ, 0, 64)
  probe.config.write(4, 2, 6)
  start(WRITE, 0, 4)
  probe.reset('function')
  expect(probe.work(1)).toBe('idle')
  expect([read(RESULT), read(LENGTH), read(READBACK), read(COMPLETED)]).toEqual([IDLE, 0, 0, 0])
  expect(probe.config.busMasterEnabled).toBe(false)
})

it('whatever software writes, the probe ends each transfer with a result, and never throws', () => {
  const { probe, read, out } = setup()
  const results = [0, 0xdead_0002, 0xdead_0005, IDLE]
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(0x90), fc.constantFrom(1, 2, 4, 8), fc.integer({ min: 0, max: 0xffff_ffff })), {
        maxLength: 12,
      }),
      (writes) => {
        probe.reset('bus')
        for (const [offset, width, value] of writes) {
          // Long transfers are slow, and all alike.
          const long = offset >= LENGTH - 4 && offset <= LENGTH + 3
          probe.writeBar(0, offset, width as 1 | 2 | 4 | 8, long ? value & 0xff : value, long ? value & 0xff : value)
          probe.readBar(0, offset, width as 1 | 2 | 4 | 8, out)
          expect(probe.work(4)).toBe('idle')
          expect(results).toContain(read(RESULT))
        }
      },
    ),
    { numRuns: FUZZ_RUNS },
  )
})
