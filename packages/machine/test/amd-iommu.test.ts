import { isIvhd, parseIvrs } from '@dmascope/acpi'
import { afterEach, describe, expect, it } from 'vitest'
import { readMachineFile } from '../src/file/index.ts'
import { createMachine, type Machine, type QemuVersion } from '../src/index.ts'
import { table } from './fw-cfg-files.ts'

let built: Machine | null = null
afterEach(() => {
  built?.dispose()
  built = null
})

/** A q35 with these devices, as lines of a machine file. */
function machineOf(devices: readonly string[], more = '', qemuVersion: QemuVersion = '11.1') {
  const lines = ['machine: q35', 'memory: 64M', more, 'devices:', ...devices.map((one) => `  - { ${one} }`)]
  const { description } = readMachineFile(lines.filter((line) => line !== '').join('\n'), { qemuVersion })
  const one = createMachine(description)
  built = one.machine
  return one
}

const refusal = (devices: readonly string[], more = '', qemuVersion: QemuVersion = '11.1'): string => {
  try {
    machineOf(devices, more, qemuVersion)
  } catch (error) {
    return (error as Error).message
  }
  return 'accepted'
}

function configOf({ bus }: Machine, device: number): (offset: number) => number {
  return (offset) => {
    bus.ports!.out32(0xcf8, (0x8000_0000 | (device << 11) | offset) >>> 0)
    return bus.ports!.in32(0xcfc)
  }
}

/** The IVRS as the firmware files hold it, before anything was numbered. */
function ivrsOf({ files }: ReturnType<typeof createMachine>) {
  const tables = files.get('etc/acpi/tables')!.bytes
  const text = Buffer.from(tables).indexOf('IVRS')
  const length = new DataView(tables.buffer, tables.byteOffset).getUint32(text + 4, true)
  return parseIvrs(tables.subarray(text, text + length))
}

describe('the PCI function of amd-iommu', () => {
  it('takes the lowest free slot as it is created, and is AMD’s in 11.1', () => {
    const { machine } = machineOf([
      'model: virtio-rng-pci, id: rng0',
      'model: amd-iommu',
      'model: virtio-rng-pci, id: rng1',
    ])
    expect(machine.observe().map(({ id, model }) => `${id} ${model}`)).toEqual([
      '0000:00:00.0 mch',
      '0000:00:01.0 virtio-rng-pci',
      '0000:00:02.0 AMDVI-PCI',
      '0000:00:03.0 virtio-rng-pci',
      '0000:00:1f.0 ICH9-LPC',
      '0000:00:1f.2 ich9-ahci',
      '0000:00:1f.3 ICH9-SMB',
    ])
    const read = configOf(machine, 2)
    expect([read(0x00), read(0x08), read(0x2c)]).toEqual([0x1419_1022, 0x0806_0000, 0x1100_1af4])
  })

  it('has its own address for a device ID in 7.2', () => {
    const { machine } = machineOf(['model: amd-iommu'], '', '7.2')
    expect(configOf(machine, 1)(0)).toBe(0x0008_1022)
  })

  it('has the capability block at 0x40, and its MSI capability first in the chain', () => {
    const { machine } = machineOf(['model: amd-iommu'])
    const read = configOf(machine, 1)
    expect(read(0x34) & 0xff).toBe(0x60)
    expect([0x60, 0x5c, 0x58, 0x40].map((at) => (read(at) & 0xffff).toString(16))).toEqual([
      '5c05',
      '5808',
      '4005',
      'f',
    ])
    // CapExt, EFRSup, NpCache, HtTunnel, IotlbSup; type 3.
    expect(read(0x40)).toBe(0x1f03_000f)
    expect([read(0x44), read(0x48), read(0x4c)]).toEqual([0xfed8_0000, 0, 0xff00_0000])
  })

  it('tells the address of the registers sixteen bits off in 7.2', () => {
    const read = configOf(machineOf(['model: amd-iommu'], '', '7.2').machine, 1)
    expect([read(0x44), read(0x48)]).toEqual([0, 0xfed8])
  })

  it('is the one that pci-id names, where that came before', () => {
    const function5 = "model: AMDVI-PCI, id: own, addr: '05.0'"
    const one = machineOf([function5, 'model: amd-iommu, pci-id: own'])
    expect(one.machine.observe().map(({ id, model }) => [id, model])).toContainEqual(['0000:00:05.0', 'AMDVI-PCI'])
    expect(ivrsOf(one).blocks[0]).toMatchObject({ kind: 'IVHD-10h', deviceId: 0x28 })
    const backwards = ['model: amd-iommu, pci-id: own', function5]
    expect(refusal(backwards)).toContain("Cannot find PCI device 'own'")
    expect(refusal(['model: e1000e, id: own', 'model: amd-iommu, pci-id: own'])).toContain(
      "Device 'own' must be an AMDVI-PCI device type",
    )
  })
})

describe('the IVRS', () => {
  it('has one block of type 10h in 7.2, and one of type 11h with the EFR as well in 11.1', () => {
    const old = ivrsOf(machineOf(['model: amd-iommu'], '', '7.2'))
    expect(old.IVinfo).toBe(0x2800)
    expect(old.blocks.map(({ kind }) => kind)).toEqual(['IVHD-10h'])
    expect(old.blocks[0]).toMatchObject({ flags: 0xd1, iommuBaseAddress: 0xfed8_0000, iommuFeatureReporting: 0x44 })
    const recent = ivrsOf(machineOf(['model: amd-iommu']))
    expect(recent.IVinfo).toBe(0x2801)
    expect(recent.blocks.map(({ kind }) => kind)).toEqual(['IVHD-10h', 'IVHD-11h'])
    expect(recent.blocks[1]).toMatchObject({ flags: 0x11, efrRegisterImage: 0x29d3 })
  })

  it('names the I/O APIC only where interrupts can be remapped', () => {
    const kinds = (devices: readonly string[], more = ''): string[] =>
      ivrsOf(machineOf(devices, more))
        .blocks.filter(isIvhd)[0]!
        .entries.map(({ kind }) => kind)
    expect(kinds(['model: amd-iommu'])).toContain('special')
    expect(kinds(["model: amd-iommu, intremap: 'off'"])).not.toContain('special')
    expect(kinds(['model: amd-iommu'], 'machineProperties: { accel: kvm, kernel-irqchip: "on" }')).not.toContain(
      'special',
    )
  })

  it('names what is below bridges by ranges, and below conventional ones by whom their requests name', () => {
    const one = machineOf([
      'model: amd-iommu',
      "model: pcie-root-port, id: rp0, chassis: 1, addr: '02.0'",
      "model: pcie-pci-bridge, id: br0, addr: '03.0'",
      "model: i82801b11-bridge, id: br1, addr: '04.0'",
      "model: pxb-pcie, id: pxb0, bus: pcie.0, addr: '05.0', bus_nr: 64, bypass_iommu: 'on'",
    ])
    const { bus } = one.machine
    for (const [device, number] of [
      [2, 1],
      [3, 2],
      [4, 3],
    ] as const) {
      bus.ports!.out32(0xcf8, (0x8000_0018 | (device << 11)) >>> 0)
      bus.ports!.out32(0xcfc, (number << 16) | (number << 8))
    }
    // The files are made anew when firmware reads one of them.
    const { entries } = parseIvrs(table(one.machine, 'IVRS')).blocks.filter(isIvhd)[0]!
    const short = entries.map((entry) => ({ ...entry, offset: undefined, dteSetting: undefined }))
    expect(short.slice(2, 13)).toMatchObject([
      { kind: 'select', deviceId: 0x0010 },
      { kind: 'range-start', deviceId: 0x0100 },
      { kind: 'range-end', deviceId: 0x01ff },
      { kind: 'select', deviceId: 0x0018 },
      { kind: 'alias-range-start', deviceId: 0x0200, sourceDeviceId: 0x0200 },
      { kind: 'range-end', deviceId: 0x02ff },
      { kind: 'select', deviceId: 0x0020 },
      { kind: 'alias-range-start', deviceId: 0x0300, sourceDeviceId: 0x0020 },
      { kind: 'range-end', deviceId: 0x03ff },
      { kind: 'select', deviceId: 0x0028 },
      { kind: 'select', deviceId: 0x00f8 },
    ])
  })

  it('says all devices where every bus goes past the unit', () => {
    const { blocks } = ivrsOf(machineOf(['model: amd-iommu'], 'machineProperties: { default_bus_bypass_iommu: "on" }'))
    expect(blocks.filter(isIvhd)[0]!.entries.map(({ kind }) => kind)).toEqual(['all', 'special'])
  })
})

describe('what QEMU refuses', () => {
  it('two IOMMUs', () => {
    expect(refusal(['model: amd-iommu', 'model: intel-iommu'])).toContain('QEMU does not support multiple vIOMMUs')
  })

  it('interrupt remapping with an I/O APIC in the host’s kernel, if it was asked for', () => {
    const kernel = 'machineProperties: { accel: kvm, kernel-irqchip: "on" }'
    expect(refusal(["model: amd-iommu, intremap: 'on'"], kernel)).toContain('Interrupt Remapping cannot work with')
    expect(refusal(['model: amd-iommu'], kernel)).toBe('accepted')
  })

  it('an assigned device behind a unit that does not translate', () => {
    const assigned = "model: vfio-pci, id: gpu0, host: '0000:01:00.0', addr: '04.0'"
    expect(refusal(['model: amd-iommu', assigned])).toContain('requires dma-remap=1')
    expect(refusal(["model: amd-iommu, dma-remap: 'on'", assigned])).toBe('accepted')
    expect(refusal(['model: amd-iommu', assigned], '', '7.2')).toContain('which is not currently supported')
  })

  it('properties that a release does not have', () => {
    expect(refusal(["model: amd-iommu, dma-remap: 'on'"], '', '7.2')).toContain('dma-remap')
  })
})
