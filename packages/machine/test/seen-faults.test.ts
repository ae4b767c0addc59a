import { DMA_PROBE_DOORBELL, DMA_PROBE_REGISTERS } from '@dmascope/virtio-devices/spec'
import { afterEach, describe, expect, it } from 'vitest'
import { readMachineFile } from '../src/file/index.ts'
import { createMachine, type Machine } from '../src/index.ts'

const BAR = 0xfe00_0000
const UNIT = 0xfed9_0000
const PROBE = '0000:00:02.0'

let machine: Machine | null = null
afterEach(() => {
  machine?.dispose()
  machine = null
})

/** A probe at 00:02.0 behind VT-d, which translates by an empty root table; one page of it is at `hi:lo`. */
function readAt(hi: number, lo: number, times = 1): Machine {
  const { description } = readMachineFile(`
machine: q35
memory: 64M
devices:
  - { model: intel-iommu }
  - { model: dmascope-probe, addr: '02.0', dma_bits: 64 }
`)
  const built = createMachine(description).machine
  machine = built
  const { bus } = built
  const writeConfig = (offset: number, value: number): void => {
    bus.ports!.out32(0xcf8, 0x8000_1000 | offset)
    bus.ports!.out32(0xcfc, value)
  }
  writeConfig(0x10, BAR)
  writeConfig(0x04, 6)
  bus.write32(UNIT + 0x20, 0x10_0000)
  bus.write32(UNIT + 0x18, 0x4000_0000)
  bus.write32(UNIT + 0x18, 0x8000_0000)
  built.endFirmwarePhase()
  built.witness.phase(PROBE, 'self-test')
  const { ADDRESS_HI, ADDRESS_LO, LENGTH, COMMAND, DOORBELL } = DMA_PROBE_REGISTERS.registers
  const write = ({ offset }: { readonly offset: number }, value: number): void => bus.write32(BAR + offset, value)
  for (let time = 0; time < times; time++) {
    write(ADDRESS_HI, hi)
    write(ADDRESS_LO, lo)
    write(LENGTH, 4)
    write(COMMAND, 1)
    write(DOORBELL, DMA_PROBE_DOORBELL.fields.START.loMask)
    while (!bus.idle()) bus.nextInterrupt()
  }
  return built
}

const seenOf = (built: Machine) => built.observe().find(({ id }) => id === PROBE)!

describe('faults that the machine saw', () => {
  it('have the address, the reason in words, and the phase', () => {
    expect(seenOf(readAt(0, 0x1234_5000)).faults).toEqual([
      { address: '0x12345000', reason: 1, text: 'read: root entry not present', phase: 'self-test' },
    ])
  })

  it.each([
    [0xffff_ffff, 0xffff_f000, '0xfffffffffffff000'],
    [0x0100_0000, 0x0000_1000, '0x100000000001000'],
    [0, 0, '0x0'],
  ])('have all digits of an address, above 2^53 too', (hi, lo, address) => {
    expect(seenOf(readAt(hi, lo)).faults[0]?.address).toBe(address)
  })

  it('are kept up to 32 for each function, and counted on by the ledger', () => {
    const { faults, dma } = seenOf(readAt(0, 0x1000, 40))
    expect(faults).toHaveLength(32)
    expect(dma['self-test'].faulted).toBe(40)
  })

  it('are of the function whose turn it is, where a bridge lends several its requester ID', () => {
    const { description } = readMachineFile(`
machine: q35
memory: 64M
devices:
  - { model: intel-iommu }
  - { model: pcie-pci-bridge, id: bridge, addr: '02.0' }
  - { model: dmascope-probe, bus: bridge, addr: '01.0' }
  - { model: dmascope-probe, bus: bridge, addr: '02.0' }
`)
    const built = createMachine(description).machine
    machine = built
    const { bus } = built
    const writeConfig = (requester: number, offset: number, value: number): void => {
      bus.ports!.out32(0xcf8, 0x8000_0000 | (requester << 8) | offset)
      bus.ports!.out32(0xcfc, value)
    }
    // Bus 1 below the bridge, with a window for both BARs.
    writeConfig(0x10, 0x18, 0x0001_0100)
    writeConfig(0x10, 0x20, 0xfe10_fe00)
    writeConfig(0x10, 0x04, 6)
    for (const [index, requester] of [0x108, 0x110].entries()) {
      writeConfig(requester, 0x10, BAR + index * 0x10_0000)
      writeConfig(requester, 0x04, 6)
    }
    bus.write32(UNIT + 0x20, 0x10_0000)
    bus.write32(UNIT + 0x18, 0x4000_0000)
    bus.write32(UNIT + 0x18, 0x8000_0000)
    built.endFirmwarePhase()
    const { ADDRESS_LO, LENGTH, COMMAND, DOORBELL } = DMA_PROBE_REGISTERS.registers
    const second = BAR + 0x10_0000
    for (const [{ offset }, value] of [
      [ADDRESS_LO, 0x7000],
      [LENGTH, 4],
      [COMMAND, 1],
      [DOORBELL, DMA_PROBE_DOORBELL.fields.START.loMask],
    ] as const) {
      bus.write32(second + offset, value)
    }
    while (!bus.idle()) bus.nextInterrupt()
    const faulty = built.observe().filter(({ faults }) => faults.length > 0)
    expect(faulty.map(({ id, faults }) => [id, faults[0]!.address])).toEqual([['0000:01:02.0', '0x7000']])
  })

  it('are of the function alone that caused them, and are copied when asked for', () => {
    const built = readAt(0, 0x1000)
    const before = built.observe()
    expect(before.filter(({ faults }) => faults.length > 0).map(({ id }) => id)).toEqual([PROBE])
    built.bus.write32(BAR + DMA_PROBE_REGISTERS.registers.DOORBELL.offset, 1)
    while (!built.bus.idle()) built.bus.nextInterrupt()
    expect(before.find(({ id }) => id === PROBE)?.faults).toHaveLength(1)
    expect(seenOf(built).faults).toHaveLength(2)
  })
})
