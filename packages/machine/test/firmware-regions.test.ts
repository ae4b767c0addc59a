import { parseDmar, parseIvrs } from '@dmascope/acpi'
import { DmascopeError } from '@dmascope/layout'
import { describe, expect, it } from 'vitest'
import { readMachineFile } from '../src/file/index.ts'
import { FW_CFG_PORT_BASE } from '../src/firmware/fw-cfg.ts'
import { placeFirmwareRegions } from '../src/firmware-regions/firmware-region.ts'
import { createMachine } from '../src/index.ts'

const machine = (iommu: string, regions: string): string => `machine: q35
memory: 256M
machineProperties: { kernel-irqchip: split }
devices:
  - { model: ${iommu} }
  - { model: nvme, id: disk, serial: a, addr: 2 }
  - { model: pcie-root-port, id: port, addr: 3 }
  - { model: e1000e, id: nic, bus: port }
firmwareRegions: ${regions}
`

const describeFile = (text: string) => readMachineFile(text, { file: 'm.yaml' }).description

const refusal = (text: string): string => {
  try {
    describeFile(text)
    return 'none'
  } catch (error) {
    return error instanceof DmascopeError ? `${error.code} ${error.message}` : String(error)
  }
}

/** A file of fw_cfg's, by the ports: its directory is item 0x19, big-endian. */
function firmwareFile(text: string, wanted: string): DataView {
  const built = createMachine(describeFile(text))
  try {
    const ports = built.machine.bus.ports!
    const select = (item: number): void => ports.out16(FW_CFG_PORT_BASE, item)
    const byte = (): number => ports.in8(FW_CFG_PORT_BASE + 1)
    const bytes = (count: number): Uint8Array => Uint8Array.from({ length: count }, byte)
    const big = (count: number): number => bytes(count).reduce((sum, one) => sum * 256 + one, 0)
    select(0x19)
    for (let left = big(4); left > 0; left--) {
      const size = big(4)
      const item = big(2)
      big(2)
      const name = String.fromCharCode(...bytes(56)).replace(/\0.*$/s, '')
      if (name !== wanted) continue
      select(item)
      return new DataView(bytes(size).buffer)
    }
    throw new Error(`no ${wanted}`)
  } finally {
    built.machine.dispose()
  }
}

/** The table of this signature among those that fw_cfg offers. */
function table(text: string, signature: string): Uint8Array {
  const view = firmwareFile(text, 'etc/acpi/tables')
  const all = new Uint8Array(view.buffer)
  for (let at = 0; at + 36 <= all.length; at++) {
    if (String.fromCharCode(...all.subarray(at, at + 4)) === signature) {
      return all.slice(at, at + view.getUint32(at + 4, true))
    }
  }
  throw new Error(`no ${signature}`)
}

const TWO = '[ { device: disk, size: 64K }, { device: nic, size: 5000 } ]'
const END = 0x1000_0000

describe('memory of what firmware left running in devices', () => {
  it('lies below the last 32 MiB of RAM below 4 GiB, in whole pages, and is reserved in the memory map', () => {
    const description = describeFile(machine('intel-iommu', TWO))
    expect(placeFirmwareRegions(description, END)).toEqual([
      { device: 'disk', base: END - 0x200_0000 - 0x1_0000, size: 0x1_0000 },
      { device: 'nic', base: END - 0x200_0000 - 0x1_2000, size: 0x2000 },
    ])
    const map = firmwareFile(machine('intel-iommu', TWO), 'etc/e820')
    const entries = Array.from({ length: map.byteLength / 20 }, (_, index) => ({
      base: map.getUint32(index * 20, true),
      size: map.getUint32(index * 20 + 8, true),
      type: map.getUint32(index * 20 + 16, true),
    }))
    expect(entries).toEqual([
      { base: 0, size: END, type: 1 },
      { base: END - 0x201_0000, size: 0x1_0000, type: 2 },
      { base: END - 0x201_2000, size: 0x2000, type: 2 },
    ])
  })

  it('is what RMRRs of a DMAR name, each with a scope that leads to the device, through bridges too', () => {
    const { records } = parseDmar(table(machine('intel-iommu', TWO), 'DMAR'))
    const rmrrs = records.filter((one) => one.kind === 'RMRR')
    expect(rmrrs).toMatchObject([
      {
        segmentNumber: 0,
        scopes: [{ kind: 'endpoint', startBusNumber: 0, path: [{ device: 2, function: 0 }] }],
      },
      {
        scopes: [
          {
            kind: 'endpoint',
            startBusNumber: 0,
            path: [
              { device: 3, function: 0 },
              { device: 0, function: 0 },
            ],
          },
        ],
      },
    ])
    expect(
      rmrrs.map((one) => [Number(one.reservedMemoryRegionBaseAddress), Number(one.reservedMemoryRegionLimitAddress)]),
    ).toEqual([
      [END - 0x201_0000, END - 0x200_0001],
      [END - 0x201_2000, END - 0x201_0001],
    ])
  })

  it('is what unity maps of an IVRS name, to read and to write', () => {
    const { blocks } = parseIvrs(table(machine('amd-iommu', '[ { device: disk } ]'), 'IVRS'))
    expect(blocks.filter(({ kind }) => kind === 'IVMD-21h')).toMatchObject([{ flags: 7, deviceId: 0x10 }])
  })

  it('is left out where nobody asks: no table and no map tells of any', () => {
    const text = machine('intel-iommu', '[]')
    expect(parseDmar(table(text, 'DMAR')).records.map(({ kind }) => kind)).toEqual(['DRHD'])
    expect(() => firmwareFile(text, 'etc/e820')).toThrow('no etc/e820')
  })
})

describe('a machine file is refused', () => {
  it.each([
    [
      'a device that is not there',
      machine('intel-iommu', '[ { device: usb } ]'),
      /m\.yaml:9:\d+: no device has the id 'usb'; known are disk, port, nic/,
    ],
    [
      'less than a page',
      machine('intel-iommu', '[ { device: disk, size: 1K } ]'),
      /a region has 4K or more, got '1K'; write such as 64K/,
    ],
    [
      'more than 16 MiB',
      machine('intel-iommu', '[ { device: disk, size: 32M } ]'),
      /33554432 bytes in all; at most 16M/,
    ],
    [
      'an IOMMU without such tables',
      machine('virtio-iommu-pci', '[ { device: disk } ]'),
      /only the tables of intel-iommu and amd-iommu name such regions/,
    ],
  ])('%s', (_what, text, says) => {
    expect(refusal(text)).toMatch(/^MACHINE_FILE_VALUE /)
    expect(refusal(text)).toMatch(says)
  })
})
