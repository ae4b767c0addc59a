import type { CpuBus } from '@dmascope/memory/contracts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bootGuest, type GuestResult } from '../src/index.ts'

const STSCH = 0xb234
const SERVC = 0xb220
const MIB = 0x10_0000

/** 64 MiB of memory, and instructions that answer as they are told to. */
function machineOf(answer: (code: number, first: number, second: number, memory: DataView) => number): CpuBus {
  const memory = new DataView(new ArrayBuffer(64 * MIB))
  const bytes = new Uint8Array(memory.buffer)
  const at = (address: number): number => Math.min(address, bytes.length - 16)
  return {
    read8: (address) => memory.getUint8(at(address)),
    read16: (address) => memory.getUint16(at(address), true),
    read32: (address) => memory.getUint32(at(address), true),
    write8: (address, value) => memory.setUint8(at(address), value),
    write16: (address, value) => memory.setUint16(at(address), value, true),
    write32: (address, value) => memory.setUint32(at(address), value, true),
    readBytes: (address, into) => into.set(bytes.subarray(address, address + into.length)),
    writeBytes: (address, from) => {
      if (address + from.length <= bytes.length) bytes.set(from, address)
    },
    nextInterrupt: () => -1,
    idle: () => true,
    hypercall: (code, args) => answer(code, args[0] ?? 0, args[2] ?? 0, memory),
  }
}

const boot = (bus: CpuBus): GuestResult =>
  bootGuest(bus, {
    profile: 'linux-6.12',
    architecture: 's390x',
    witness: { grant: () => 0, revoke: () => {}, phase: () => {} },
    patience: 10,
  })

/** READ SCP INFO: 64 increments of 1 MiB. */
function tellMemory(memory: DataView, block: number): number {
  memory.setUint16(block + 6, 0x0010)
  memory.setUint16(block + 8, 64)
  memory.setUint8(block + 10, 1)
  return 0
}

describe('Linux on s390x', () => {
  it('stops where the service processor tells of no memory, or there is none', () => {
    const { hypercall: _, ...mute } = machineOf(() => -1)
    expect([boot(mute), boot(machineOf(() => -1)), boot(machineOf(() => 0))].map(({ halted }) => halted)).toEqual(
      Array(3).fill('the service processor tells of no memory'),
    )
  })

  it('finds nothing at subchannels that there are not, and boots', () => {
    const result = boot(machineOf((code, _, block, memory) => (code === SERVC ? tellMemory(memory, block) : 3)))
    expect([result.booted, result.devices]).toEqual([true, []])
  })

  it('leaves devices alone that never say what they are, and comes to an end whatever is claimed', () => {
    // Each subchannel of all sets is said to have a device, which takes every program and never interrupts.
    const bus = machineOf((code, _, block, memory) => {
      if (code === SERVC) return tellMemory(memory, block)
      if (code === STSCH) memory.setUint16(block + 4, 0x0001)
      return 0
    })
    const result = boot(bus)
    expect([result.booted, result.devices]).toEqual([true, []])
    expect(result.timeline.some((line) => line.includes('SENSE ID failed'))).toBe(true)
    expect(result.timeline.at(-1)).toMatch(/no memory below 2 GiB/)
  })

  it('is not led astray by whatever else is answered', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -21, max: 3 }), { minLength: 1, maxLength: 32 }), (answers) => {
        let next = 0
        const bus = machineOf((code, _, block, memory) => {
          if (code === SERVC) return tellMemory(memory, block)
          const answer = answers[next++ % answers.length]!
          // Subchannels end, so that a run does.
          return code === STSCH && next > 64 ? 3 : answer
        })
        expect(boot(bus).devices).toEqual([])
      }),
      { numRuns: Math.min(Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300) / 10, 100) },
    )
  })
})
