import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import {
  buildTable,
  checksum,
  dsdtAddressOf,
  parseDmar,
  parseFadt,
  parseHpet,
  parseIort,
  parseIvrs,
  parseMadt,
  parseMcfg,
  parseTable,
  parseViot,
  parseWaet,
  printTable,
} from '../src/index.ts'
import { bytesOfPrinted } from './annotated-hex.ts'

// Tables that QEMU's q35 and virt machines gave to Linux, as `printTable` shows them; the bytes stand in the second column.
const GOLDEN = new URL('./golden/', import.meta.url)
const golden = (name: string): string => readFileSync(new URL(name, GOLDEN), 'utf8')
const tableOf = (name: string): Uint8Array => bytesOfPrinted(golden(name))

describe.each(readdirSync(GOLDEN).filter((name) => name.endsWith('.txt')))('%s', (name) => {
  const bytes = tableOf(name)

  test('has as many bytes as its header says, which sum to zero where there is a checksum', () => {
    expect(new DataView(bytes.buffer).getUint32(4, true)).toBe(bytes.length)
    if (!name.endsWith('.facs.txt')) expect(checksum(bytes)).toBe(0)
  })

  test('prints as recorded', () => {
    expect(`${printTable(parseTable(bytes))}\n`).toBe(golden(name))
  })

  test('has no problems and rebuilds to the same bytes, through JSON too', () => {
    const table = parseTable(bytes)
    expect(table.problems).toEqual([])
    expect(buildTable(table)).toEqual(bytes)
    expect(buildTable(JSON.parse(JSON.stringify(table)))).toEqual(bytes)
  })
})

test('the DMAR of QEMU 11.1 names every device of the root bus, and the I/O APIC on bus 0xff', () => {
  const { hostAddressWidth, flags, records } = parseDmar(tableOf('qemu-11.1-q35-vtd.dmar.txt'))
  expect(hostAddressWidth).toBe(47)
  expect(flags).toBe(1)
  expect(records).toHaveLength(1)
  const [unit] = records
  expect(unit).toMatchObject({
    kind: 'DRHD',
    offset: 0x30,
    flags: 0,
    segmentNumber: 0,
    registerBaseAddress: 0xfed90000,
  })
  const scopes = unit !== undefined && unit.kind === 'DRHD' ? unit.scopes : []
  expect(scopes[0]).toEqual({
    kind: 'ioapic',
    offset: 0x40,
    flags: 0,
    enumerationId: 0,
    startBusNumber: 0xff,
    path: [{ device: 0, function: 0 }],
  })
  const paths = scopes.slice(1).map((scope) => (scope.kind === 'endpoint' ? scope.path[0] : null))
  expect(paths.map((step) => `${step?.device.toString(16)}.${step?.function}`)).toEqual(
    '0.0 2.0 3.0 4.0 5.0 6.0 7.0 8.0 9.0 1f.0 1f.2 1f.3'.split(' '),
  )
})

test('the DMAR of QEMU 7.2 differs in its address width: 39 bits', () => {
  expect(parseDmar(tableOf('qemu-7.2-q35-vtd.dmar.txt')).hostAddressWidth).toBe(38)
})

test('root ports are sub-hierarchies: all that is below them is behind the unit', () => {
  const [unit] = parseDmar(tableOf('qemu-11.1-q35-topology.dmar.txt')).records
  const scopes = unit?.kind === 'DRHD' ? unit.scopes : []
  expect(scopes.find((scope) => scope.offset === 0x58)).toMatchObject({
    kind: 'bridge',
    path: [{ device: 3, function: 0 }],
  })
})

test('the MADT has revision 3 in QEMU 11.1 and 1 in 7.2, and routes IRQ 0 to input 2', () => {
  const madt = parseMadt(tableOf('qemu-11.1-q35.apic.txt'))
  expect(madt.header.revision).toBe(3)
  expect(parseMadt(tableOf('qemu-7.2-q35.apic.txt')).header.revision).toBe(1)
  expect(madt.localInterruptControllerAddress).toBe(0xfee00000)
  expect(madt.records.map(({ kind }) => kind)).toEqual([
    'local-apic',
    'io-apic',
    ...Array(5).fill('interrupt-source-override'),
    'local-apic-nmi',
  ])
  expect(madt.records[2]).toMatchObject({ source: 0, globalSystemInterrupt: 2, flags: 0 })
  expect(madt.records[5]).toMatchObject({ source: 10, globalSystemInterrupt: 10, flags: 0xd })
})

test('the MCFG of a q35 machine: 256 buses at 0xb0000000', () => {
  expect(parseMcfg(tableOf('qemu-11.1-q35.mcfg.txt')).allocations).toEqual([
    { offset: 44, baseAddress: 0xb0000000, pciSegmentGroupNumber: 0, startBusNumber: 0, endBusNumber: 255 },
  ])
})

test('the FADT of a q35 machine has revision 3 and 244 bytes, and ends with X_GPE1_BLK', () => {
  const fadt = parseFadt(tableOf('qemu-11.1-q35.facp.txt'))
  expect(fadt).toMatchObject({
    FIRMWARE_CTRL: 0x1ffe0000,
    DSDT: 0x1ffe0040,
    X_DSDT: 0x1ffe0040,
    SCI_INT: 9,
    Flags: 0x84a5,
    RESET_REG: { addressSpaceId: 1, registerBitWidth: 8, registerBitOffset: 0, accessSize: 0, address: 0xcf9 },
  })
  expect(fadt.X_GPE1_BLK).toBeDefined()
  expect(fadt.SLEEP_CONTROL_REG).toBeUndefined()
})

test('where the DSDT lies: X_DSDT where there is one, else DSDT', () => {
  const bytes = tableOf('qemu-11.1-q35.facp.txt').slice()
  expect(dsdtAddressOf(bytes)).toBe(0x1ffe0040)
  const view = new DataView(bytes.buffer)
  view.setUint32(140, 0x2000_0000, true)
  view.setUint32(144, 1, true)
  expect(dsdtAddressOf(bytes)).toBe(0x1_2000_0000)
  view.setUint32(140, 0, true)
  view.setUint32(144, 0, true)
  expect(dsdtAddressOf(bytes)).toBe(0x1ffe0040)
  // Revision 1, of 116 bytes, ends before X_DSDT; anything shorter is no FADT.
  view.setUint32(144, 1, true)
  view.setUint32(4, 116, true)
  expect(dsdtAddressOf(bytes.subarray(0, 116))).toBe(0x1ffe0040)
  view.setUint32(4, 115, true)
  expect(() => dsdtAddressOf(bytes.subarray(0, 115))).toThrow('0x74 bytes')
})

test('HPET and WAET', () => {
  expect(parseHpet(tableOf('qemu-11.1-q35.hpet.txt'))).toMatchObject({
    eventTimerBlockId: 0x8086a201,
    baseAddress: { addressSpaceId: 0, address: 0xfed00000 },
  })
  expect(parseWaet(tableOf('qemu-11.1-q35.waet.txt')).emulatedDeviceFlags).toBe(2)
})

test('the IVRS of QEMU 11.1 has the same IOMMU and devices in types 10h and 11h; the I/O APIC is 00:14.0', () => {
  const { IVinfo, blocks } = parseIvrs(tableOf('qemu-11.1-q35-amd.ivrs.txt'))
  expect(IVinfo).toBe(0x2801)
  expect(blocks.map(({ kind, offset }) => [kind, offset])).toEqual([
    ['IVHD-10h', 0x30],
    ['IVHD-11h', 0x84],
  ])
  const iommu = { deviceId: 8, capabilityOffset: 0x40, iommuBaseAddress: 0xfed80000, pciSegmentGroup: 0, iommuInfo: 0 }
  expect(blocks[0]).toMatchObject({ ...iommu, flags: 0xd1, iommuFeatureReporting: 0x44 })
  expect(blocks[1]).toMatchObject({ ...iommu, flags: 0x11, iommuAttributes: 0, efrRegisterImage: 0x29d3 })
  for (const block of blocks) {
    const entries = 'entries' in block ? block.entries : []
    const selected = entries.flatMap((entry) => (entry.kind === 'select' ? [entry.deviceId] : []))
    expect(selected.map((id) => `${(id >> 3).toString(16)}.${id & 7}`)).toEqual(
      '0.0 1.0 2.0 3.0 4.0 5.0 6.0 7.0 8.0 9.0 1f.0 1f.2 1f.3'.split(' '),
    )
    expect(entries.at(-1)).toMatchObject({ kind: 'special', handle: 0, sourceDeviceId: 0xa0, variety: 1 })
    expect(entries).toHaveLength(14)
  }
})

test('the IORT of QEMU 7.2 sends bus 0 to the SMMU and the rest to the ITS, and both claim ID 0x100', () => {
  const { nodes } = parseIort(tableOf('qemu-7.2-virt-smmu.iort.txt'))
  expect(nodes.map(({ kind, offset }) => [kind, offset])).toEqual([
    ['its-group', 0x30],
    ['smmuv3', 0x48],
    ['root-complex', 0xa0],
  ])
  expect(nodes[0]).toMatchObject({ gicItsIdentifiers: [0], mappings: [] })
  expect(nodes[1]).toMatchObject({ baseAddress: 0x9050000, flags: 1, eventGsiv: 106, syncGsiv: 108 })
  // The number of IDs is one less than how many: 0x100 is one too many.
  expect(nodes[2]).toMatchObject({
    memoryAccessProperties: { cacheCoherent: 1, allocationHints: 0, memoryAccessFlags: 3 },
    memoryAddressSizeLimit: 64,
    mappings: [
      { offset: 0xc4, inputBase: 0, numberOfIds: 0x100, outputBase: 0, outputReference: 0x48, flags: 0 },
      { offset: 0xd8, inputBase: 0x100, numberOfIds: 0xfeff, outputBase: 0x100, outputReference: 0x30, flags: 0 },
    ],
  })
  expect(nodes[2]).not.toHaveProperty('flags')
})

test('the VIOT of QEMU 11.1 puts bus 0, the IOMMU at 00:01.0 included, behind that IOMMU', () => {
  expect(parseViot(tableOf('qemu-11.1-q35-viommu.viot.txt')).nodes).toEqual([
    { kind: 'virtio-iommu-pci', offset: 0x30, pciSegment: 0, pciBdf: 8 },
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
})
