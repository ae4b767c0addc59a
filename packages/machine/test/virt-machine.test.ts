import { parseDtb } from '@dmascope/devicetree'
import { afterEach, describe, expect, test } from 'vitest'
import { highMemory } from '../src/arm-virt/memory-map.ts'
import { createMachine, type Machine, type MachineDescription } from '../src/index.ts'

const GIB = 0x4000_0000
const MIB = 0x10_0000
const ECAM = 0x40_1000_0000

const virt = (more: Partial<MachineDescription> = {}): MachineDescription => ({
  machine: 'virt',
  qemuVersion: '11.1',
  name: 'virt',
  source: 'qemu',
  memory: 512 * MIB,
  cpus: 1,
  cpu: 'cortex-a57',
  defaultDevices: false,
  machineProperties: { 'gic-version': '3' },
  devices: [],
  append: '',
  ignored: [],
  ...more,
})

const probe = (slot: number) => ({
  model: 'dmascope-probe',
  addr: { device: slot, function: 0 },
  properties: {},
  location: { text: `slot ${slot}` },
})

let made: Machine | null = null
const build = (description: MachineDescription) => {
  const built = createMachine(description)
  made = built.machine
  return built
}
afterEach(() => {
  made?.dispose()
  made = null
})

describe('the memory map (virt_set_memmap)', () => {
  const options = {
    memory: 512 * MIB,
    addressBits: 44,
    highmem: true,
    redistributors: true,
    ecam: true,
    mmio: true,
    compact: true,
  }

  test('has ECAM and the second window above 256 GiB', () => {
    expect(highMemory(options)).toEqual({
      ecam: { base: 0x40_1000_0000, size: 0x1000_0000 },
      mmio: { base: 0x80_0000_0000, size: 0x80_0000_0000 },
    })
  })

  test('has ECAM below RAM, and no second window, with highmem=off', () => {
    expect(highMemory({ ...options, highmem: false })).toEqual({
      ecam: { base: 0x3f00_0000, size: 0x100_0000 },
      mmio: null,
    })
  })

  test('leaves out what does not fit into the processor’s addresses', () => {
    expect(highMemory({ ...options, addressBits: 39 })).toEqual({
      ecam: { base: 0x40_1000_0000, size: 0x1000_0000 },
      mmio: null,
    })
  })

  test('gives no place to regions that are not there where it is compact', () => {
    expect(highMemory({ ...options, redistributors: false }).ecam.base).toBe(0x40_0000_0000)
    expect(highMemory({ ...options, redistributors: false, compact: false }).ecam.base).toBe(0x40_1000_0000)
  })

  test('moves up with RAM', () => {
    expect(highMemory({ ...options, memory: 1024 * GIB, addressBits: 48 })).toEqual({
      ecam: { base: 0x100_5000_0000, size: 0x1000_0000 },
      mmio: { base: 0x180_0000_0000, size: 0x80_0000_0000 },
    })
  })
})

describe('below a conventional bridge, whose hot-plug controller is its own', () => {
  const below = (bridge: string, slot?: number): MachineDescription =>
    virt({
      devices: [
        { model: bridge, id: 'br', properties: { chassis_nr: 1 }, location: { text: 'bridge' } },
        {
          model: 'virtio-rng-pci',
          bus: 'br',
          properties: {},
          location: { text: 'device' },
          ...(slot !== undefined && { addr: { device: slot, function: 0 } }),
        },
      ].map((one) => (bridge === 'pcie-pci-bridge' && one.model === bridge ? { ...one, properties: {} } : one)),
    })

  test.each(['pcie-pci-bridge', 'pci-bridge'])('%s has no slot 0, which QEMU tries first', (bridge) => {
    const words = 'Unsupported PCI slot 0 for standard hotplug controller. Valid slots are between 1 and 31.'
    expect(() => build(below(bridge))).toThrow(words)
    expect(() => build(below(bridge, 0))).toThrow(words)
    expect(() => build(below(bridge, 1))).not.toThrow()
  })
})

describe('what software finds', () => {
  test('the device tree in RAM, 128 MiB up or in the middle, where no firmware runs', () => {
    const { machine, deviceTree } = build(virt({ append: 'console=ttyAMA0' }))
    expect(deviceTree).toBe(0x4800_0000)
    const bytes = new Uint8Array(0x4000)
    machine.bus.readBytes(0x4800_0000, bytes)
    expect(parseDtb(bytes).find('/chosen')?.string('bootargs')).toBe('console=ttyAMA0')
    machine.dispose()
    expect(build(virt({ memory: 128 * MIB })).deviceTree).toBe(0x4400_0000)
  })

  test('the tree at the start of RAM, without GPIO, where firmware runs', () => {
    const { machine, deviceTree } = build(virt({ machineProperties: { 'gic-version': '3', firmware: 'QEMU_EFI.fd' } }))
    expect(deviceTree).toBe(0x4000_0000)
    const bytes = new Uint8Array(0x4000)
    machine.bus.readBytes(0x4000_0000, bytes)
    expect(parseDtb(bytes).find('/pl061')).toBeUndefined()
  })

  test('no port I/O: configuration space and I/O BARs are memory', () => {
    const { machine } = build(virt({ devices: [probe(2)] }))
    expect(machine.bus.ports).toBeUndefined()
    expect(machine.bus.read32(ECAM)).toBe(0x0008_1b36)
    expect(machine.bus.read32(ECAM + 0x1_0000)).not.toBe(0xffff_ffff)
    expect(machine.bus.read32(ECAM + 0x0_8000)).toBe(0xffff_ffff)
    expect(machine.bus.read32(0x3eff_0000)).toBe(0xffff_ffff)
  })

  test('system registers with GICv3, and none with GICv2', () => {
    expect(build(virt()).machine.bus.systemRegisters).toBeDefined()
    made?.dispose()
    expect(build(virt({ machineProperties: {} })).machine.bus.systemRegisters).toBeUndefined()
  })

  test('fw_cfg’s signature, byte by byte, and by its DMA address', () => {
    const { machine } = build(virt({ machineProperties: { 'gic-version': '3', firmware: 'QEMU_EFI.fd' } }))
    machine.bus.write16(0x0902_0008, 0)
    expect(machine.bus.read32(0x0902_0000)).toBe(0x554d_4551)
    expect(machine.bus.read32(0x0902_0010)).toBe(0x554d_4551)
  })
})

describe('interrupt controllers', () => {
  test.each([
    ['a GICv2 with a frame by default', {}, '11.1', 'arm,cortex-a15-gic', 'v2m'],
    ['gic-version=3: an ITS', { 'gic-version': '3' }, '11.1', 'arm,gic-v3', 'its'],
    ['gic-version=max: an ITS', { 'gic-version': 'max' }, '11.1', 'arm,gic-v3', 'its'],
    ['its=off: nothing', { 'gic-version': '3', its: false }, '11.1', 'arm,gic-v3', undefined],
    ['its=off: a GICv2 keeps its frame', { its: false }, '11.1', 'arm,cortex-a15-gic', 'v2m'],
    ['msi=gicv2m: a frame', { 'gic-version': '3', msi: 'gicv2m' }, '11.1', 'arm,gic-v3', 'v2m'],
    ['msi counts before its', { 'gic-version': '3', its: false, msi: 'auto' }, '11.1', 'arm,gic-v3', 'its'],
    ['msi=off: nothing', { msi: 'off' }, '11.1', 'arm,cortex-a15-gic', undefined],
    ['its=off: nothing, on 7.2', { 'gic-version': '3', its: false }, '7.2', 'arm,gic-v3', undefined],
    ['virt-6.1: nothing', { 'gic-version': '3', type: 'virt-6.1' }, '7.2', 'arm,gic-v3', undefined],
  ] as const)('%s', (_what, machineProperties, qemuVersion, compatible, msi) => {
    const { machine, deviceTree } = build(virt({ machineProperties, qemuVersion }))
    const bytes = new Uint8Array(0x4000)
    machine.bus.readBytes(deviceTree!, bytes)
    const tree = parseDtb(bytes)
    const gic = tree.find('/intc')!
    expect(gic.string('compatible')).toBe(compatible)
    expect(gic.children[0]?.name.split('@')[0]).toBe(msi)
    expect(tree.find('/pcie')!.has('msi-map')).toBe(msi !== undefined)
  })

  test.each([
    [
      { cpus: 9, machineProperties: {}, qemuVersion: '7.2' },
      'Number of SMP CPUs requested (9) exceeds max CPUs supported',
    ],
    [{ machineProperties: { 'gic-version': 'host' } }, 'gic-version=host requires KVM'],
    [
      { cpus: 9, machineProperties: { 'gic-version': '2' } },
      'Number of SMP CPUs requested (9) exceeds max CPUs supported',
    ],
    [{ machineProperties: { 'gic-version': '4' } }, 'tcg does not support GICv4 emulation, is virtualization=on?'],
    [
      { machineProperties: { 'gic-version': '4' }, qemuVersion: '7.2' },
      'gic-version=4 requires virtualization enabled',
    ],
    [{ machineProperties: { its: true } }, 'GICv2 + ITS is an invalid configuration.'],
    [{ machineProperties: { mte: true } }, 'MTE requested, but not supported by the guest CPU'],
    [
      { machineProperties: { 'highmem-mmio': false }, qemuVersion: '7.2' },
      "Property 'virt-7.2-machine.highmem-mmio' not found",
    ],
    [{ cpu: 'cortex-a15' }, 'has 32 bits'],
    [{ cpu: 'cortex-a75' }, "unable to find CPU model 'cortex-a75'"],
  ] as const)('%o is refused', (more, message) => {
    expect(() => createMachine(virt(more))).toThrow(message)
  })
})

describe('a message to the ITS', () => {
  /** The distributor, CPU interface, LPIs and the ITS, with event 0 of 00:02.0 as LPI 8192. */
  function bringUp(machine: Machine): void {
    const { bus } = machine
    const its = 0x0808_0000
    const rd = 0x080a_0000
    const [properties, devices, collections, queue, events] = [
      0x4100_0000, 0x4110_0000, 0x4120_0000, 0x4130_0000, 0x4140_0000,
    ]
    bus.write32(0x0800_0000, 0x12)
    bus.systemRegisters!.write(0b11_000_0100_0110_000, 0xf0)
    bus.systemRegisters!.write(0b11_000_1100_1100_111, 1)
    bus.write32(rd + 0x70, properties! | 15)
    bus.write32(rd, 1)
    bus.write8(properties!, 0xa1)
    for (const [at, table] of [
      [0x100, devices],
      [0x108, collections],
      [0x80, queue],
    ] as const) {
      bus.write32(its + at, (table! | (at === 0x80 ? 0 : 0x200)) >>> 0)
      bus.write32(its + at + 4, 0x8000_0000)
    }
    bus.write32(its, 1)
    const commands = [
      [0x09, 0, 0, 0, 0, 0x8000_0000, 0, 0],
      [0x08, 0x10, 0, 0, events!, 0x8000_0000, 0, 0],
      [0x0a, 0x10, 0, 8192, 0, 0, 0, 0],
    ]
    commands.flat().forEach((word, index) => {
      bus.write32(queue! + index * 4, word)
    })
    bus.write32(its + 0x88, commands.length * 32)
  }
  const ICC_IAR1_EL1 = 0b11_000_1100_1100_000

  test('arrives with the requester ID of the function that wrote it', () => {
    const { machine } = build(virt({ devices: [probe(2), probe(3)] }))
    bringUp(machine)
    /** Puts the probe's BAR into the 32-bit window, and has it write event 0 to the doorbell. */
    const write = (slot: number): number => {
      const config = ECAM + slot * 0x8000
      const registers = 0x1000_0000 + slot * 0x1000
      machine.bus.write32(config + 0x10, registers)
      machine.bus.write16(config + 4, 6)
      for (const [at, value] of [
        [0x04, 0x0809_0040],
        [0x08, 0],
        [0x0c, 4],
        [0x18, 2],
        [0x1c, 0],
        [0x14, 1],
      ] as const) {
        machine.bus.write32(registers + at, value)
      }
      return machine.bus.nextInterrupt()
    }
    expect(write(3)).toBe(-1)
    expect(write(2)).toBe(0)
    expect(machine.bus.systemRegisters!.read(ICC_IAR1_EL1)).toBe(8192)
    expect(machine.observe().map(({ id, msi }) => [id, msi])).toEqual([
      ['0000:00:00.0', 0],
      ['0000:00:02.0', 1],
      ['0000:00:03.0', 1],
    ])
  })
})
