import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { createMachine, type DeviceDescription } from '../src/index.ts'

const RUNS = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const MEMORY = 0x800_0000

const device = (model: string): DeviceDescription => ({ model, properties: {}, location: { text: model } })
const { machine } = createMachine({
  machine: 'microvm',
  qemuVersion: '11.1',
  name: 'microvm',
  source: 'qemu',
  memory: MEMORY,
  cpus: 1,
  defaultDevices: false,
  machineProperties: { pcie: 'on' },
  devices: ['virtio-blk-device', 'virtio-net-device', 'virtio-rng-device', 'virtio-blk-pci', 'pcie-root-port'].map(
    device,
  ),
  append: '',
  ignored: [],
})
afterAll(() => machine.dispose())

/** Transports with and without a device, both I/O APICs, the local APIC, configuration space, the ROM, windows, RAM's end. */
const PLACES = [
  ...[0xfeb0_2e00, 0xfeb0_2c00, 0xfeb0_2a00, 0xfeb0_0000, 0xfeb0_3000],
  ...[0xfec0_0000, 0xfec1_0000, 0xfee0_0000, 0xfea0_0000],
  ...[0xe000_0000, 0xe000_8000, 0xe001_0000, 0xe100_0000],
  ...[0xffff_f000, 0xc000_0000, 0xc0_0000_0000, MEMORY - 0x100],
]
const WORDS = [0, 1, 2, 7, 0xf, 0x1000, 0x0010_0000, 0x0600_0007, 0xc000_0000, 0xfeb0_2e50, 0xffff_ffff]

const access = fc.record({
  place: fc.constantFrom(...PLACES),
  offset: fc.oneof(fc.nat(0x7f), fc.nat(0xfff)),
  width: fc.constantFrom(1, 2, 4),
  value: fc.oneof(fc.constantFrom(...WORDS), fc.nat(0xffff_ffff)),
  write: fc.boolean(),
})

describe('whatever software writes to a microvm', () => {
  it('throws nothing, reads as numbers, and leaves no work without an end', () => {
    const { bus } = machine
    fc.assert(
      fc.property(fc.array(access, { maxLength: 24 }), (accesses) => {
        for (const { place, offset, width, value, write } of accesses) {
          const address = place + offset - (offset % width)
          if (write && width === 1) bus.write8(address, value & 0xff)
          else if (write && width === 2) bus.write16(address, value & 0xffff)
          else if (write) bus.write32(address, value)
          const read = width === 1 ? bus.read8(address) : width === 2 ? bus.read16(address) : bus.read32(address)
          expect(read >= 0 && read < 2 ** (8 * width)).toBe(true)
        }
        for (let wait = 0; wait < 64 && !bus.idle(); wait++) {
          if (bus.nextInterrupt() >= 0) bus.write32(0xfee0_00b0, 0)
        }
      }),
      { numRuns: RUNS },
    )
  })
})
