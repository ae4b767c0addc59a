import { describe, expect, test } from 'vitest'
import {
  buildIort,
  buildIvrs,
  buildTable,
  buildViot,
  type Iort,
  type Ivrs,
  iortNodeOffsets,
  parseIort,
  parseIvrs,
  parseTable,
  parseViot,
  printTable,
  sdtHeader,
  type Viot,
  viotNodeOffsets,
} from '../src/index.ts'
import { tableOf } from './annotated-hex.ts'

/** What was found, after checking that nothing of the bytes is lost. */
function problemsOf(bytes: Uint8Array): [string, number][] {
  const parsed = parseTable(bytes)
  expect(buildTable(parsed)).toEqual(bytes)
  expect(printTable(parsed)).not.toBe('')
  return parsed.problems.map(({ code, offset }) => [code, offset])
}

const le16 = (value: number): string =>
  [value & 0xff, value >> 8].map((byte) => byte.toString(16).padStart(2, '0')).join('')

describe('an IVRS', () => {
  const ivrs = (hex: string): Uint8Array => tableOf('IVRS', `41302000 0000000000000000 ${hex}`)
  /** Type 10h at 0xfd200000 with the entries given; its first entry is at byte 72 where it is the first block. */
  const ivhd = (entries: string): string =>
    `10 b0 ${le16(24 + entries.replace(/\s/g, '').length / 2)} 0200 4000 000020fd00000000 0000 0000 6e8f0480 ${entries}`

  test('without damage', () => {
    expect(problemsOf(ivrs(ivhd('03 0300 00  04 feff 00  48 0000 00 00 a000 02')))).toEqual([])
  })

  test('an ACPI device in an entry as long as its UID', () => {
    const name = '5c5f53422e46555230' // \_SB.FUR0
    const bytes = ivrs(
      `40 30 4700 0200 4000 000020fd00000000 0000 0000 00800400 da4a05a25a220000 0000000000000000
       f0 a500 40 414d444930303230 0000000000000000 02 09 ${name}`,
    )
    expect(problemsOf(bytes)).toEqual([])
    expect(parseIvrs(bytes).blocks).toEqual([
      {
        kind: 'IVHD-40h',
        offset: 48,
        flags: 0x30,
        deviceId: 2,
        capabilityOffset: 0x40,
        iommuBaseAddress: 0xfd200000,
        pciSegmentGroup: 0,
        iommuInfo: 0,
        iommuAttributes: 0x48000,
        efrRegisterImage: 0x225aa2054ada,
        efr2RegisterImage: 0,
        entries: [
          {
            kind: 'acpi-hid',
            offset: 88,
            deviceId: 0xa5,
            dteSetting: 0x40,
            hardwareId: 'AMDI0020',
            compatibleId: '',
            uidFormat: 2,
            uid: '\\_SB.FUR0',
          },
        ],
      },
    ])
  })

  test('a device entry that reaches past its block, whatever is behind that', () => {
    const bytes = ivrs(`${ivhd('02 1000 00  48 0000 00')} ${ivhd('01 0000 00')}`)
    expect(problemsOf(bytes)).toEqual([['ACPI_RECORD_PAST_END', 76]])
    expect(parseIvrs(bytes).blocks).toMatchObject([
      { entries: [{ kind: 'select', deviceId: 0x10 }], trailing: '48000000' },
      { kind: 'IVHD-10h', offset: 80, entries: [{ kind: 'all' }] },
    ])
  })

  test('a UID that reaches past its block', () => {
    const bytes = ivrs(ivhd('f0 a500 40 414d444930303230 0000000000000000 02 0a 5c5f53422e46555230'))
    expect(problemsOf(bytes)).toEqual([['ACPI_RECORD_PAST_END', 72]])
  })

  test('an ACPI device cut before the length of its UID', () => {
    expect(problemsOf(ivrs(ivhd('f0 a500 40 414d4449')))).toEqual([['ACPI_RECORD_PAST_END', 72]])
  })

  test('entries of types to come: the type gives their length up to EFh, and nothing does above F0h', () => {
    const sixteen = '80 000102030405060708090a0b0c0d0e'
    const known = ivrs(ivhd(`05 000000  49 00000000000000  ${sixteen}  02 1000 00`))
    expect(problemsOf(known)).toEqual([
      ['ACPI_RECORD_UNKNOWN', 72],
      ['ACPI_RECORD_UNKNOWN', 76],
      ['ACPI_RECORD_UNKNOWN', 84],
    ])
    expect(parseIvrs(known).blocks[0]).toMatchObject({
      entries: [
        { kind: 'unknown', type: 5, data: '000000' },
        { kind: 'unknown', type: 0x49, data: '00000000000000' },
        { kind: 'unknown', type: 0x80, data: '000102030405060708090a0b0c0d0e' },
        { kind: 'select', offset: 100 },
      ],
    })
    expect(problemsOf(ivrs(ivhd('f1 000000 02 1000 00')))).toEqual([['ACPI_RECORD_LENGTH', 72]])
  })

  test('a block of an unknown type keeps its flags', () => {
    const bytes = ivrs(`${ivhd('01 0000 00')} 51 08 0800 deadbeef`)
    expect(problemsOf(bytes)).toEqual([['ACPI_RECORD_UNKNOWN', 76]])
    expect(parseIvrs(bytes).blocks[1]).toEqual({ kind: 'unknown', offset: 76, type: 0x51, flags: 8, data: 'deadbeef' })
  })

  test('a block of length 1, which is not even its head', () => {
    expect(problemsOf(ivrs(`${ivhd('01 0000 00')} 22 08 0100 0000 ff0f`))).toEqual([['ACPI_RECORD_LENGTH', 76]])
  })

  test('memory of one byte, as on a real machine', () => {
    const ivmd = '22 08 2000 0000 ff0f 0000000000000000 00e0189600000000 0100000000000000'
    expect(problemsOf(ivrs(`${ivhd('01 0000 00')} ${ivmd}`))).toEqual([['IVRS_IVMD_RANGE', 92]])
  })

  test('memory for devices that end before they start', () => {
    const ivmd = '22 08 2000 0001 ff00 0000000000000000 00e0189600000000 0010000000000000'
    expect(problemsOf(ivrs(`${ivhd('01 0000 00')} ${ivmd}`))).toEqual([['IVRS_DEVICE_RANGE', 76]])
  })

  test('ranges without an end, without a start, and that end before they start', () => {
    expect(problemsOf(ivrs(ivhd('03 0300 00')))).toEqual([['IVRS_DEVICE_RANGE', 72]])
    expect(problemsOf(ivrs(ivhd('03 0300 00  43 0001 00 00 a500 00  04 ff01 00')))).toEqual([['IVRS_DEVICE_RANGE', 72]])
    expect(problemsOf(ivrs(ivhd('02 0300 00  04 feff 00')))).toEqual([['IVRS_DEVICE_RANGE', 76]])
    expect(problemsOf(ivrs(ivhd('47 0004 00 00000080  04 ff03 00')))).toEqual([['IVRS_DEVICE_RANGE', 80]])
  })

  test('no IVHD, and one with its registers at zero', () => {
    expect(problemsOf(ivrs(''))).toEqual([['IVRS_NO_IVHD', 48]])
    const zero = '10 b0 1800 0200 4000 0000000000000000 0000 0000 00000000'
    expect(problemsOf(ivrs(zero))).toEqual([['IVRS_IVHD_ADDRESS', 56]])
  })

  test("a caller's mistakes are named", () => {
    const table = parseIvrs(ivrs(ivhd('01 0000 00')))
    const build = (entry: object): Uint8Array =>
      buildIvrs({ ...table, blocks: [{ ...table.blocks[0], entries: [entry] }] } as unknown as Ivrs)
    const hid = {
      kind: 'acpi-hid',
      deviceId: 0,
      dteSetting: 0,
      hardwareId: 'A',
      compatibleId: '',
      uidFormat: 0,
      uid: '',
    }
    expect(parseIvrs(build(hid)).blocks[0]).toMatchObject({ entries: [{ hardwareId: 'A', uid: '' }] })
    expect(() => build({ ...hid, hardwareId: 'AMDI00201' })).toThrow('hardwareId: takes 8 bytes, got 9')
    expect(() => build({ ...hid, hardwareId: 7 })).toThrow('hardwareId: takes text, got number')
    expect(() => build({ ...hid, uid: 'x'.repeat(256) })).toThrow(RangeError)
    expect(() => build({ kind: 'unknown', type: 0x49, data: '00' })).toThrow(
      'IVHD device entry of type 73: takes 8 bytes, got 2',
    )
    expect(() => build({ kind: 'select', deviceId: 0x10000, dteSetting: 0 })).toThrow(RangeError)
  })
})

describe('an IORT', () => {
  const iort = (count: number, hex: string): Uint8Array =>
    tableOf('IORT', `${le16(count)}0000 30000000 00000000 ${hex}`)
  const ITS = '00 1800 01 00000000 00000000 00000000 01000000 00000000'
  /** A root complex of revision 0 with one mapping, whose place is given; it stands at byte 72 behind ITS. */
  const complex = (count: string, place: string, mapping = '00000000 ffff0000 00000000 30000000 00000000'): string =>
    `02 3400 00 00000000 ${count} ${place} 01000000 00 0000 03 00000000 00000000 ${mapping}`

  test('without damage; a root complex of revision 0 has no memory address size limit', () => {
    const bytes = iort(2, ITS + complex('01000000', '20000000'))
    expect(problemsOf(bytes)).toEqual([])
    expect(parseIort(bytes).nodes[1]).toEqual({
      kind: 'root-complex',
      offset: 72,
      revision: 0,
      identifier: 0,
      memoryAccessProperties: { cacheCoherent: 1, allocationHints: 0, memoryAccessFlags: 3 },
      atsAttribute: 0,
      pciSegmentNumber: 0,
      mappings: [{ offset: 104, inputBase: 0, numberOfIds: 0xffff, outputBase: 0, outputReference: 0x30, flags: 0 }],
    })
  })

  test('a list of ID mappings past the end of its node', () => {
    const bytes = iort(2, ITS + complex('02000000', '20000000'))
    expect(problemsOf(bytes)).toEqual([['ACPI_LIST_PLACE', 72 + 12]])
    expect(parseIort(bytes).nodes[1]).toMatchObject({ mappings: [], numberOfIdMappings: 2, referenceToIdArray: 32 })
  })

  test('a list of ID mappings over the fixed fields, and at the end of the address space', () => {
    expect(problemsOf(iort(2, ITS + complex('01000000', '10000000')))).toEqual([['ACPI_LIST_PLACE', 84]])
    expect(problemsOf(iort(2, ITS + complex('ffffffff', 'ffffffff')))).toEqual([['ACPI_LIST_PLACE', 84]])
  })

  test('a reference to where no node is, to the middle of one, and to a root complex', () => {
    const to = (reference: string): [string, number][] =>
      problemsOf(iort(2, ITS + complex('01000000', '20000000', `00000000 ffff0000 00000000 ${reference} 00000000`)))
    expect(to('00000000')).toEqual([['IORT_REFERENCE', 116]])
    expect(to('31000000')).toEqual([['IORT_REFERENCE', 116]])
    expect(to('48000000')).toEqual([['IORT_REFERENCE', 116]])
    expect(to('30000000')).toEqual([])
  })

  test('a SMMU whose output is itself', () => {
    const smmuv3 = (reference: string): string =>
      `04 5000 00 00000000 01000000 3c000000 0000050900000000 00000000 00000000 0000000000000000 00000000
       6a000000 6b000000 6d000000 6c000000 00000000 ffff0000 00000000 ${reference} 00000000`
    expect(problemsOf(iort(2, ITS + smmuv3('30000000')))).toEqual([])
    expect(problemsOf(iort(2, ITS + smmuv3('48000000')))).toEqual([['IORT_REFERENCE', 72 + 72]])
  })

  test('IDs past 32 bits', () => {
    const mapping = '01000000 ffffffff 00000000 30000000 00000000'
    expect(problemsOf(iort(2, ITS + complex('01000000', '20000000', mapping)))).toEqual([['IORT_ID_MAPPING', 104]])
  })

  test('fewer nodes than the table says, and more', () => {
    expect(problemsOf(iort(3, ITS + complex('01000000', '20000000')))).toEqual([['ACPI_NODE_COUNT', 48]])
    const bytes = iort(1, ITS + complex('01000000', '20000000'))
    expect(problemsOf(bytes)).toEqual([['ACPI_TRAILING', 72]])
    expect(parseIort(bytes).nodes).toHaveLength(1)
  })

  test('nodes that start outside the table, over its header, or after a gap', () => {
    expect(problemsOf(tableOf('IORT', `01000000 00100000 00000000 ${ITS}`))).toEqual([['ACPI_NODE_OFFSET', 48]])
    expect(problemsOf(tableOf('IORT', `01000000 00000000 00000000 ${ITS}`))).toEqual([['ACPI_NODE_OFFSET', 48]])
    const apart = tableOf('IORT', `01000000 34000000 00000000 00000000 ${ITS}`)
    expect(problemsOf(apart)).toEqual([])
    expect(parseIort(apart)).toMatchObject({ nodeOffset: 52, nodes: [{ offset: 52 }] })
    expect(parseIort(apart)).not.toHaveProperty('gap')
    const filled = tableOf('IORT', `01000000 34000000 00000000 00c0ffee ${ITS}`)
    expect(problemsOf(filled)).toEqual([])
    expect(parseIort(filled).gap).toBe('00c0ffee')
  })

  test('more ITS identifiers than the node has room for', () => {
    const bytes = iort(1, '00 1800 01 00000000 00000000 00000000 02000000 00000000')
    expect(problemsOf(bytes)).toEqual([['ACPI_LIST_PLACE', 64]])
    expect(parseIort(bytes).nodes[0]).toMatchObject({ gicItsIdentifiers: [], numberOfItss: 2, padding: '00000000' })
  })

  test('a name with 22 bytes behind it and mappings at an odd place, as on a real machine', () => {
    const name = '5c5f53422e5553423000'
    const bytes = iort(
      2,
      `${ITS} 01 5100 00 00000000 01000000 3d000000 00000000 00000000 00 0000 00 24 ${name} ${'00'.repeat(22)}
       00000380 00000000 40070000 30000000 00000000`,
    )
    expect(problemsOf(bytes)).toEqual([])
    expect(parseIort(bytes).nodes[1]).toEqual({
      kind: 'named-component',
      offset: 72,
      revision: 0,
      identifier: 0,
      nodeFlags: 0,
      memoryAccessProperties: { cacheCoherent: 0, allocationHints: 0, memoryAccessFlags: 0 },
      deviceMemoryAddressSizeLimit: 36,
      deviceObjectName: '\\_SB.USB0',
      referenceToIdArray: 61,
      padding: '00'.repeat(22),
      mappings: [
        { offset: 133, inputBase: 0x80030000, numberOfIds: 0, outputBase: 0x740, outputReference: 0x30, flags: 0 },
      ],
    })
  })

  test('a name without its NUL', () => {
    const bytes = iort(1, '01 2100 00 00000000 00000000 00000000 00000000 00000000 00 0000 00 24 5c5f5342')
    expect(problemsOf(bytes)).toEqual([['ACPI_TRAILING', 48 + 29]])
    expect(parseIort(bytes).nodes[0]).toMatchObject({ deviceObjectName: '\\_SB', unterminated: true })
  })

  test('interrupts of an SMMU that overlap its mappings', () => {
    const smmu = (context: string): string =>
      `03 5000 03 00000000 01000000 3c000000 0000001500000000 0000110000000000 03000000 00000000
       00000000 01000000 ${context} 00000000 00000000 00000000 00000000 00000000 30000000 00000000`
    const bytes = iort(2, ITS + smmu('48000000'))
    expect(problemsOf(bytes)).toEqual([['ACPI_LIST_PLACE', 72 + 12]])
    expect(parseIort(bytes).nodes[1]).toMatchObject({ contextInterruptArray: [{ offset: 144 }], mappings: [] })
  })

  test('a PMCG that counts for nothing', () => {
    const pmcg = '05 2000 00 00000000 00000000 00000000 0000070900000000 28000000'
    expect(problemsOf(iort(2, `${ITS} ${pmcg} 31000000`))).toEqual([['IORT_REFERENCE', 72 + 28]])
    expect(problemsOf(iort(2, `${ITS} ${pmcg} 30000000`))).toEqual([])
  })

  test('reserved memory of no length, and of broken pages', () => {
    const rmr = (range: string): string =>
      `06 3000 03 00000000 00000000 00000000 01000000 01000000 1c000000 ${range} 00000000`
    expect(problemsOf(iort(1, rmr('0000018000000000 0000010000000000')))).toEqual([])
    expect(problemsOf(iort(1, rmr('0000018000000000 0000000000000000')))).toEqual([['IORT_RMR_RANGE', 76]])
    expect(problemsOf(iort(1, rmr('0010018000000000 0000010000000000')))).toEqual([['IORT_RMR_RANGE', 76]])
  })

  test('a node shorter than its type, and one of a type to come', () => {
    const bytes = iort(3, `${ITS} 04 1000 00 00000000 00000000 00000000  42 0500 0001`)
    expect(problemsOf(bytes)).toEqual([
      ['ACPI_RECORD_SHORT', 72],
      ['ACPI_RECORD_UNKNOWN', 88],
    ])
    expect(parseIort(bytes).nodes[2]).toEqual({ kind: 'unknown', offset: 88, type: 0x42, data: '0001' })
  })

  test("a caller's mistakes are named", () => {
    const its = { kind: 'its-group', revision: 1, identifier: 0, gicItsIdentifiers: [0], mappings: [] }
    const named = {
      kind: 'named-component',
      revision: 4,
      identifier: 0,
      nodeFlags: 0,
      memoryAccessProperties: { cacheCoherent: 0, allocationHints: 0, memoryAccessFlags: 0 },
      deviceMemoryAddressSizeLimit: 32,
      deviceObjectName: '\\_SB',
      mappings: [{ inputBase: 0, numberOfIds: 0, outputBase: 0, outputReference: 0x30, flags: 0 }],
    }
    const build = (...nodes: object[]): Uint8Array =>
      buildIort({ signature: 'IORT', header: sdtHeader(5), nodes } as unknown as Iort)
    expect(parseIort(build(its, named)).problems).toEqual([])
    expect(iortNodeOffsets({ nodes: [its, named] } as unknown as Iort)).toEqual([48, 72])
    expect(() => build({ ...its, revision: undefined })).toThrow('ITS Group.revision is missing')
    expect(() => build({ ...its, gicItsIdentifiers: 0 })).toThrow('gicItsIdentifiers: takes a list')
    expect(() => build({ ...named, deviceObjectName: 'a\0b' })).toThrow('which would end it')
    expect(() => build({ ...named, referenceToIdArray: 30 })).toThrow('Named Component.mappings: at 30, it overlaps')
    expect(() => build({ ...named, referenceToIdArray: -1 })).toThrow(RangeError)
    expect(() => build({ ...named, referenceToIdArray: 40, padding: '00' })).toThrow('there are 6 between the lists')
    expect(() => buildIort({ ...parseIort(build(its)), nodeOffset: 40 })).toThrow('is not behind the fixed fields')
    expect(() => buildIort({ ...parseIort(build(its)), gap: '00' })).toThrow('1 bytes do not fit before 48')
  })
})

describe('a VIOT', () => {
  const viot = (hex: string): Uint8Array => tableOf('VIOT', `0200 3000 0000000000000000 ${hex}`)
  const IOMMU = '03 00 1000 0000 0800 0000000000000000'
  const range = (segments: string, bdfs: string, node: string): string =>
    `01 00 1800 00000000 ${segments} ${bdfs} ${node} 000000000000`

  test('without damage', () => {
    expect(problemsOf(viot(IOMMU + range('0000 0000', '0000 ff00', '3000')))).toEqual([])
    const mmio = '02 00 1800 00010000 0000000a00000000 3000 000000000000'
    expect(problemsOf(viot(`04 00 1000 00000000 0000000b00000000 ${mmio}`))).toEqual([])
  })

  test('endpoints behind nothing, and behind endpoints', () => {
    expect(problemsOf(viot(IOMMU + range('0000 0000', '0000 ff00', '0000')))).toEqual([['VIOT_REFERENCE', 80]])
    expect(problemsOf(viot(IOMMU + range('0000 0000', '0000 ff00', '4000')))).toEqual([['VIOT_REFERENCE', 80]])
    const mmio = '02 00 1800 00010000 0000000a00000000 3200 000000000000'
    expect(problemsOf(viot(IOMMU + mmio))).toEqual([['VIOT_REFERENCE', 80]])
  })

  test('ranges that end before they start', () => {
    expect(problemsOf(viot(IOMMU + range('0000 0000', '0001 ff00', '3000')))).toEqual([['VIOT_PCI_RANGE', 72]])
    expect(problemsOf(viot(IOMMU + range('0100 0000', '0000 ff00', '3000')))).toEqual([['VIOT_PCI_RANGE', 72]])
  })

  test('a node past the end, and one of length zero', () => {
    expect(problemsOf(viot(`${IOMMU} 01 00 1800 00000000`))).toEqual([['ACPI_RECORD_PAST_END', 64]])
    expect(problemsOf(viot(`${IOMMU} 01 00 0000 00000000`))).toEqual([['ACPI_RECORD_LENGTH', 64]])
  })

  test('a node of a type to come', () => {
    const bytes = viot(`${IOMMU} 05 07 0800 00000001`)
    expect(problemsOf(bytes)).toEqual([['ACPI_RECORD_UNKNOWN', 64]])
    expect(parseViot(bytes).nodes[1]).toEqual({ kind: 'unknown', offset: 64, type: 5, reserved: 7, data: '00000001' })
  })

  test('the offsets of nodes are known before they are built', () => {
    const nodes: Viot['nodes'] = [
      {
        kind: 'pci-range',
        endpointStart: 0,
        pciSegmentStart: 0,
        pciSegmentEnd: 0,
        pciBdfStart: 0,
        pciBdfEnd: 0xff,
        outputNode: 0x48,
      },
      { kind: 'virtio-iommu-mmio', baseAddress: 0xa000000 },
    ]
    expect(viotNodeOffsets({ nodes })).toEqual([0x30, 0x48])
    const built = parseViot(buildViot({ signature: 'VIOT', header: sdtHeader(0), nodes }))
    expect(built.problems).toEqual([])
    expect(built.nodes.map(({ offset }) => offset)).toEqual([0x30, 0x48])
  })
})
