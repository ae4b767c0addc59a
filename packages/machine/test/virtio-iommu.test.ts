import { parseViot } from '@dmascope/acpi'
import { describe, expect, it } from 'vitest'
import type { DeviceDescription, MachineDescription } from '../src/description.ts'
import type { FirmwareFiles } from '../src/firmware/firmware-file.ts'
import { createMachine } from '../src/index.ts'

const location = { text: 'test' }
const device = (model: string, slot: number, properties: DeviceDescription['properties'] = {}): DeviceDescription => ({
  model,
  addr: { device: slot, function: 0 },
  properties,
  location,
})

const describeWith = (
  devices: readonly DeviceDescription[],
  more: Partial<MachineDescription> = {},
): MachineDescription => ({
  machine: 'q35',
  qemuVersion: '11.1',
  name: 'test',
  source: 'file',
  memory: 512 * 1024 * 1024,
  cpus: 1,
  defaultDevices: false,
  machineProperties: {},
  devices,
  append: '',
  ignored: [],
  ...more,
})

/** The VIOT among the tables that firmware is offered, whose checksum is still the loader's to fill in. */
function viotOf(files: FirmwareFiles): ReturnType<typeof parseViot> | null {
  const tables = files.get('etc/acpi/tables')!.bytes
  const at = Buffer.from(tables).indexOf('VIOT')
  if (at < 0) return null
  const length = new DataView(tables.buffer, tables.byteOffset).getUint32(at + 4, true)
  return parseViot(tables.slice(at, at + length))
}

describe('the virtio IOMMU of a PC', () => {
  it('is function 1af4:1057, revision 1, without MSI-X, where it was put', () => {
    const { machine } = createMachine(describeWith([device('virtio-iommu-pci', 5)]))
    const { config } = machine.root.functionAt(5 << 3)!
    expect([config.peek(0, 4), config.peek(8, 4), config.peek(0x3d, 1)]).toEqual([0x1057_1af4, 0x00ff_0001, 1])
    const capabilities: number[] = []
    for (let at = config.peek(0x34, 1); at !== 0; at = config.peek(at + 1, 1)) capabilities.push(config.peek(at, 1))
    expect(capabilities).toEqual([9, 9, 9, 9, 9])
    machine.dispose()
  })

  it('stands in the VIOT with QEMU’s header: node 3 at 0x30, then a range that points there', () => {
    const { machine, files } = createMachine(describeWith([device('virtio-iommu-pci', 5)]))
    const viot = viotOf(files)
    expect(viot?.header).toMatchObject({ revision: 0, oemId: 'BOCHS ', oemTableId: 'BXPC    ', creatorId: 'BXPC' })
    expect(viot?.nodes).toMatchObject([
      { kind: 'virtio-iommu-pci', offset: 0x30, pciSegment: 0, pciBdf: 0x28 },
      {
        kind: 'pci-range',
        offset: 0x40,
        endpointStart: 0,
        pciSegmentStart: 0,
        pciSegmentEnd: 0,
        pciBdfStart: 0,
        pciBdfEnd: 0xff,
        outputNode: 0x30,
      },
    ])
    machine.dispose()
  })

  it('is no IOMMU of acpi=off’s tables', () => {
    const { machine, files } = createMachine(
      describeWith([device('virtio-iommu-pci', 5)], { machineProperties: { acpi: 'off' } }),
    )
    expect(viotOf(files)).toBeNull()
    machine.dispose()
  })

  it('lets everything pass until a driver comes; with boot-bypass=off nothing, in whatever slot', () => {
    for (const [bypass, expected] of [
      [true, 0],
      [false, 1],
    ] as const) {
      const { machine } = createMachine(
        describeWith([device('virtio-iommu-pci', 1, { 'boot-bypass': bypass }), device('e1000e', 2)]),
      )
      const out = { hi: 0, lo: 0, log2Size: 0, rights: 0, tag: 0, route: 'bypass' as 'bypass' | 'translated' }
      const { translator } = machine.iommus[0]!
      expect(translator.translate(0x10, -1, 'untranslated', 0, 0x1000, 1, out)).toBe(expected)
      expect(machine.observe().find(({ id }) => id === '0000:00:02.0')?.faults).toHaveLength(expected)
      machine.dispose()
    }
  })
})
