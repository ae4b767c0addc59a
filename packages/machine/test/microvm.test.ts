import { findHostBridges, parseFadt, parseMadt } from '@dmascope/acpi'
import { DmascopeError } from '@dmascope/layout'
import { afterEach, describe, expect, test } from 'vitest'
import { createMachine, type DeviceDescription, type Machine, type MachineDescription } from '../src/index.ts'
import { microvmFadt, microvmMadt } from '../src/microvm/acpi-tables.ts'
import { microvmDsdt } from '../src/microvm/dsdt.ts'
import { microvmFacts } from '../src/microvm/microvm-facts.ts'

const MIB = 0x10_0000
const GIB = 0x4000_0000

const microvm = (
  machineProperties: MachineDescription['machineProperties'] = {},
  more: Partial<MachineDescription> = {},
): MachineDescription => ({
  machine: 'microvm',
  qemuVersion: '11.1',
  name: 'microvm',
  source: 'qemu',
  memory: 512 * MIB,
  cpus: 1,
  defaultDevices: false,
  machineProperties,
  devices: [],
  append: '',
  ignored: [],
  ...more,
})

const device = (model: string, more: Partial<DeviceDescription> = {}): DeviceDescription => ({
  model,
  properties: {},
  location: { text: `-device ${model}` },
  ...more,
})
const rngs = (count: number): DeviceDescription[] => Array.from({ length: count }, () => device('virtio-rng-device'))

let made: Machine | null = null
const build = (description: MachineDescription) => {
  made?.dispose()
  made = null
  const built = createMachine(description)
  made = built.machine
  return built
}
afterEach(() => {
  made?.dispose()
  made = null
})
const facts = (machineProperties: MachineDescription['machineProperties'], qemuVersion: '7.2' | '11.1' = '11.1') =>
  microvmFacts(microvm(machineProperties, { qemuVersion }))

describe('what its properties bring (microvm_devices_init)', () => {
  test.each([
    [{}, { ioApics: 2, transports: { count: 24, firstGsi: 24 }, pcie: null }],
    [{ ioapic2: 'off' }, { ioApics: 1, transports: { count: 8, firstGsi: 16 }, pcie: null }],
    [{ acpi: 'off' }, { ioApics: 1, transports: { count: 8, firstGsi: 5 }, pcie: null }],
    [
      { acpi: 'off', ioapic2: 'on' },
      { ioApics: 1, transports: { count: 8, firstGsi: 5 } },
    ],
    [{ acpi: 'off', pcie: 'on' }, { pcie: null }],
    [{ pcie: 'auto' }, { pcie: null }],
    [{ pcie: 'on' }, { pcie: { firstGsi: 16, highWindow: { base: 0xc0_0000_0000, size: 0x40_0000_0000 } } }],
    [{ pcie: 'on', ioapic2: 'off' }, { pcie: { firstGsi: 12, highWindow: { base: 0xc0_0000_0000 } } }],
    [
      { rtc: 'off', 'isa-serial': false },
      { clock: false, serial: false },
    ],
    [{ accel: 'kvm' }, { clock: false, serial: true }],
    [{ accel: 'kvm', rtc: 'on' }, { clock: true }],
  ] as const)('%o', (properties, expected) => {
    expect(facts(properties)).toMatchObject(expected)
  })
})

describe('what software finds', () => {
  test('RAM up to 3 GiB, and the rest from 4 GiB on', () => {
    const { machine, files } = build(microvm({}, { memory: 4 * GIB }))
    const map = new DataView(files.get('etc/e820')!.bytes.buffer)
    expect(map.byteLength).toBe(40)
    expect([map.getUint32(0, true), map.getUint32(8, true), map.getUint32(16, true)]).toEqual([0, 0xc000_0000, 1])
    expect([map.getUint32(24, true), map.getUint32(28, true), map.getUint32(36, true)]).toEqual([1, GIB, 1])
    machine.bus.write32(0x1_0000_0000, 0x1234_5678)
    expect(machine.bus.read32(0x1_0000_0000)).toBe(0x1234_5678)
    expect(machine.bus.read32(0xc000_0000)).toBe(0xffff_ffff)
  })

  test('no PCI: neither ports CF8 and CFC, nor ECAM', () => {
    const { bus } = build(microvm()).machine
    bus.ports!.out32(0xcf8, 0x8000_0000)
    expect(bus.ports!.in32(0xcf8)).toBe(0xffff_ffff)
    expect(bus.read32(0xe000_0000)).toBe(0xffff_ffff)
  })

  test('with pcie=on: the root complex by ECAM at 0xe0000000, and no ports', () => {
    const { bus } = build(microvm({ pcie: 'on' }, { devices: [device('virtio-rng-pci')] })).machine
    expect(bus.read32(0xe000_0000)).toBe(0x0008_1b36)
    expect(bus.read32(0xe000_8000)).toBe(0x1005_1af4)
    bus.ports!.out32(0xcf8, 0x8000_0000)
    expect(bus.ports!.in32(0xcfc)).toBe(0xffff_ffff)
  })

  test('BARs answer in the windows alone, below 4 GiB and in the topmost quarter', () => {
    const { bus } = build(microvm({ pcie: 'on' }, { devices: [device('dmascope-probe')] })).machine
    const config = 0xe000_8000
    for (const [base, answers] of [
      [0xc000_0000, true],
      [0x8000_0000, false],
    ] as const) {
      bus.write32(config + 0x10, base)
      bus.write16(config + 0x04, 2)
      expect(bus.read32(base) !== 0xffff_ffff, base.toString(16)).toBe(answers)
    }
  })

  test('transports from 0xfeb00000 on: version 1, and device 0 where nothing is plugged in', () => {
    const { bus } = build(microvm({}, { devices: rngs(1) })).machine
    const ids = Array.from({ length: 24 }, (_, index) => bus.read32(0xfeb0_0008 + 0x200 * index))
    expect(ids).toEqual([...new Array<number>(23).fill(0), 4])
    expect(bus.read32(0xfeb0_0000)).toBe(0x7472_6976)
    expect(bus.read32(0xfeb0_2e04)).toBe(1)
    expect(bus.read32(0xfeb0_3000)).toBe(0xffff_ffff)
  })

  test('a second I/O APIC, whose identifier is 1', () => {
    const read = (bus: Machine['bus'], base: number, index: number): number => {
      bus.write32(base, index)
      return bus.read32(base + 0x10)
    }
    const { bus } = build(microvm()).machine
    expect([read(bus, 0xfec0_0000, 0), read(bus, 0xfec1_0000, 0)]).toEqual([0, 0x0100_0000])
    expect(read(bus, 0xfec1_0000, 1)).toBe(0x0017_0020)
    expect(read(build(microvm({ ioapic2: 'off' })).machine.bus, 0xfec1_0000, 1)).toBe(0xffff_ffff)
  })
})

describe('the interrupt of a transport', () => {
  test('arrives at its own pin of the second I/O APIC, by level, until it is acknowledged', () => {
    const { bus } = build(microvm({}, { devices: rngs(1) })).machine
    const transport = 0xfeb0_2e00
    const [apic, ioApic] = [0xfee0_0000, 0xfec1_0000]
    bus.write32(apic + 0xf0, 0x1ff)
    // Pin 23: vector 0x41, level-triggered.
    bus.write32(ioApic, 0x10 + 2 * 23)
    bus.write32(ioApic + 0x10, 0x8041)
    const ring = 0x20_0000
    bus.write32(transport + 0x70, 0)
    for (const status of [1, 3]) bus.write32(transport + 0x70, status)
    bus.write32(transport + 0x28, 4096)
    bus.write32(transport + 0x30, 0)
    bus.write32(transport + 0x38, 8)
    bus.write32(transport + 0x3c, 4096)
    bus.write32(transport + 0x40, ring / 4096)
    bus.write32(transport + 0x70, 7)
    // One buffer of 16 bytes for the device to write.
    bus.write32(ring, 0x30_0000)
    bus.write32(ring + 8, 16)
    bus.write16(ring + 12, 2)
    bus.write16(ring + 128 + 2, 1)
    bus.write32(transport + 0x50, 0)
    expect(bus.nextInterrupt()).toBe(0x41)
    expect(bus.read32(transport + 0x60)).toBe(1)
    // Still asserted at the end of the interrupt: it comes again. Once acknowledged, it does not.
    bus.write32(apic + 0xb0, 0)
    expect(bus.nextInterrupt()).toBe(0x41)
    bus.write32(transport + 0x64, 1)
    bus.write32(apic + 0xb0, 0)
    expect(bus.nextInterrupt()).toBe(-1)
  })
})

describe('the tables', () => {
  test('DSDT: bytes of QEMU 11.1, of the generic event device and a transport', () => {
    const hex = Buffer.from(microvmDsdt(facts({}), [23])).toString('hex')
    // Scope (_SB), Device (FWCF): _HID, _STA, ports 0x510 to 0x51b.
    expect(hex).toContain('5b822e46574346085f4849440d51454d55303030320008')
    // _EVT (1, serialized): Local0 = ESEL; If (Local0 & 2 == 2) Notify (PWRB, 0x80).
    expect(hex).toContain('141d5f455654097045' + '53454c60a010937b600a02000a028650575242' + '0a80')
    // VR23: memory 0xfeb02e00, 0x200 bytes; level, active high, exclusive, GSI 47.
    expect(hex).toContain('860900' + '01' + '002eb0fe' + '00020000' + '890600' + '01' + '01' + '2f000000' + '7900')
  })

  test.each([
    ['11.1', {}, [23, 22, 21], 541],
    ['7.2', { pcie: 'on' }, [23, 22], 3130],
    ['11.1', { pcie: 'on' }, [23, 22], 3093],
  ] as const)('DSDT of QEMU %s with %o and devices in %o has %i bytes', (version, properties, occupied, bytes) => {
    expect(microvmDsdt(facts(properties, version), occupied)).toHaveLength(bytes)
  })

  test.each([
    ['7.2', '\\_SB_.PCI0.GSI1'],
    ['11.1', '\\_SB_.L001'],
  ] as const)('DSDT of QEMU %s: a host bridge that says itself where configuration space is', (version, link) => {
    const [bridge, ...others] = findHostBridges(microvmDsdt(facts({ pcie: 'on' }, version), []))
    expect(others).toEqual([])
    expect(bridge).toMatchObject({
      path: '\\_SB_.PCI0',
      segment: 0,
      bus: 0,
      express: true,
      configBase: 0xe000_0000,
      notes: [],
      resources: {
        buses: [{ first: 0, last: 0xff }],
        ports: [],
        memory: [
          { first: 0xc000_0000, last: 0xdfff_ffff },
          { first: 0xc0_0000_0000, last: 0xff_ffff_ffff },
        ],
      },
    })
    expect(bridge!.routing).toHaveLength(128)
    expect(bridge!.routing).toContainEqual({ device: 3, pin: 2, gsi: 17, link })
  })

  test('MADT: the second I/O APIC from GSI 24 on, and no override', () => {
    expect(parseMadt(microvmMadt(facts({}))).records).toMatchObject([
      { kind: 'local-apic', acpiProcessorUid: 0, apicId: 0, flags: 1 },
      { kind: 'io-apic', ioApicId: 0, ioApicAddress: 0xfec0_0000, globalSystemInterruptBase: 0 },
      { kind: 'io-apic', ioApicId: 1, ioApicAddress: 0xfec1_0000, globalSystemInterruptBase: 24 },
      { kind: 'local-apic-nmi', acpiProcessorUid: 0xff, flags: 0, localApicLint: 1 },
    ])
  })

  test('MADT: pins of PCI that are ISA interrupts are level-triggered', () => {
    const overrides = parseMadt(microvmMadt(facts({ pcie: 'on', ioapic2: 'off' }))).records.filter(
      ({ kind }) => kind === 'interrupt-source-override',
    )
    expect(overrides).toMatchObject(
      [12, 13, 14, 15].map((gsi) => ({
        kind: 'interrupt-source-override',
        bus: 0,
        source: gsi,
        globalSystemInterrupt: gsi,
        flags: 0x0d,
      })),
    )
  })

  test('MADT: revision 1 of QEMU 7.2, 3 of 11.1', () => {
    expect([microvmMadt(facts({}, '7.2'))[8], microvmMadt(facts({}, '11.1'))[8]]).toEqual([1, 3])
  })

  test('FADT: hardware-reduced, with reset and sleep by the generic event device', () => {
    const { Flags, RESET_REG, RESET_VALUE, SLEEP_CONTROL_REG, SLEEP_STATUS_REG, header } = parseFadt(microvmFadt())
    expect(header.revision).toBe(5)
    expect(Flags).toBe(0x0010_0400)
    expect(RESET_VALUE).toBe(0x42)
    expect([RESET_REG, SLEEP_CONTROL_REG, SLEEP_STATUS_REG].map((one) => one?.address)).toEqual([
      0xfea0_0202, 0xfea0_0200, 0xfea0_0201,
    ])
  })

  test('none with acpi=off, where qboot runs', () => {
    const { files, firmware } = build(microvm({ acpi: 'off' }))
    expect([...files.keys()]).toEqual(['etc/e820'])
    expect(firmware).toBe('qboot')
    expect(build(microvm()).firmware).toBe('SeaBIOS')
  })
})

describe('below an expander, which is in no table', () => {
  test('a function whose bus nobody numbers is not taken for the one that bears its address', () => {
    const { machine } = build(
      microvm(
        { pcie: 'on' },
        {
          devices: [
            device('pxb-pcie', { id: 'px', properties: { bus_nr: 10 } }),
            device('pcie-root-port', { id: 'rp', bus: 'px' }),
            device('virtio-rng-pci', { bus: 'rp' }),
          ],
        },
      ),
    )
    expect(machine.observe().map(({ id, model }) => `${id} ${model}`)).toEqual([
      '0000:00:00.0 gpex-root',
      '0000:00:01.0 pxb-pcie',
      '0000:0a:00.0 pcie-root-port',
      '0000:0a:00.0/00.0 virtio-rng-pci',
    ])
  })
})

describe('the kernel’s command line, by fw_cfg', () => {
  const commandLine = (machineProperties: MachineDescription['machineProperties'], append: string): string => {
    const { bus } = build(microvm(machineProperties, { devices: rngs(2), append })).machine
    const ports = bus.ports!
    ports.out16(0x510, 0x15)
    let text = ''
    for (let byte = ports.in8(0x511); byte !== 0; byte = ports.in8(0x511)) text += String.fromCharCode(byte)
    return text
  }

  test('names the transports that hold a device where there is no ACPI, the last first', () => {
    expect(commandLine({ acpi: 'off' }, 'quiet')).toBe(
      'quiet virtio_mmio.device=512@0xfeb00e00:12 virtio_mmio.device=512@0xfeb00c00:11',
    )
  })

  test('names none with ACPI, or where it is told not to', () => {
    expect(commandLine({}, 'quiet')).toBe('quiet')
    expect(commandLine({ acpi: 'off', 'auto-kernel-cmdline': false }, 'quiet')).toBe('quiet')
  })
})

describe('what QEMU refuses', () => {
  const refused = (
    machineProperties: MachineDescription['machineProperties'],
    devices: DeviceDescription[],
  ): string => {
    try {
      build(microvm(machineProperties, { devices }))
      return ''
    } catch (error) {
      expect(error).toBeInstanceOf(DmascopeError)
      return (error as Error).message
    }
  }

  test.each([
    ['PCI without pcie=on', {}, [device('nvme')], "No 'PCI' bus found for device 'nvme'"],
    ['PCI without ACPI', { acpi: 'off', pcie: 'on' }, [device('nvme')], "No 'PCI' bus found for device 'nvme'"],
    ['its bus by name', {}, [device('nvme', { bus: 'pcie.0' })], "Bus 'pcie.0' not found"],
    ['an Intel IOMMU', { pcie: 'on' }, [device('intel-iommu')], 'expects a dynamic sysbus device type'],
    ['an AMD IOMMU', {}, [device('amd-iommu')], 'expects a dynamic sysbus device type'],
    [
      'a virtio IOMMU',
      { pcie: 'on' },
      [device('virtio-iommu-pci')],
      'Check your machine implements a hotplug handler for the virtio-iommu-pci device',
    ],
    [
      'a virtio IOMMU in a transport',
      {},
      [device('virtio-iommu-device')],
      'VIRTIO-IOMMU is not attached to any PCI bus!',
    ],
    ['a ninth device without a second I/O APIC', { ioapic2: 'off' }, rngs(9), "'virtio-bus' bus"],
    ['a 25th device', {}, rngs(25), "'virtio-bus' bus"],
    [
      'a transport that is not there',
      { acpi: 'off' },
      [device('virtio-rng-device', { bus: 'virtio-mmio-bus.8' })],
      "Bus 'virtio-mmio-bus.8' not found",
    ],
    [
      'a transport that is taken',
      {},
      [0, 1].map(() => device('virtio-rng-device', { bus: 'virtio-mmio-bus.0' })),
      "Bus 'virtio-mmio-bus.0' is full",
    ],
    [
      'the root complex’s place',
      { pcie: 'on' },
      [device('virtio-rng-pci', { addr: { device: 0, function: 0 } })],
      'PCI: slot 0 function 0 not available for virtio-rng-pci, in use by gpex-root',
    ],
  ] as const)('%s', (_what, properties, devices, words) => {
    expect(refused(properties, [...devices])).toContain(words)
  })

  test('takes 24 devices, and 8 without a second I/O APIC', () => {
    expect(refused({}, rngs(24))).toBe('')
    expect(refused({ ioapic2: 'off' }, rngs(8))).toBe('')
  })
})
