import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  type AnnotatedLine,
  buildIort,
  buildIvrs,
  formatIort,
  formatIvrs,
  type Iort,
  type Ivrs,
  type IvrsBlock,
  isIvhd,
  isIvmd,
  parseIort,
  parseIvrs,
  sdtHeader,
} from '../src/index.ts'
import { goldenTable } from './golden-table.ts'
import { disassemble, fieldsOf, HEADER_FIELDS, hasIasl, linesAt, sameValue } from './iasl.ts'

/** What iasl calls the fields of an IVRS, and what the specification, and so we, call them. */
const IVRS_NAMES: Readonly<Record<string, string | RegExp>> = {
  ...HEADER_FIELDS,
  'Virtualization Info': /^(IVinfo|IOMMU Info)$/,
  'Subtable Type': 'Type',
  Flags: 'Flags',
  Length: 'Length',
  DeviceId: 'Device ID',
  'Capability Offset': 'Capability Offset',
  'Base Address': 'IOMMU Base Address',
  'PCI Segment Group': 'PCI Segment Group',
  'Feature Reporting': 'IOMMU Feature Reporting',
  Attributes: 'IOMMU Attributes',
  'EFR Image': 'EFR Register Image',
  'Entry Type': 'Type',
  // Padding and special devices have no device ID: there, it is reserved.
  'Device ID': /^(Device ID|Reserved)$/,
  'Data Setting': /^(DTE Setting|Reserved)$/,
  'Source Used Device ID': 'Source Device ID',
  'Extended Data': 'Extended DTE Setting',
  Handle: 'Handle',
  Variety: 'Variety',
  'Auxiliary Data': 'Auxiliary Data',
  'Start Address': 'Start Address',
  'Memory Length': 'Memory Block Length',
}

const IORT_NAMES: Readonly<Record<string, string | RegExp>> = {
  ...HEADER_FIELDS,
  'Node Count': 'Node Count',
  'Node Offset': 'Node Offset',
  Type: 'Type',
  Length: 'Length',
  'Mapping Count': 'Number Of ID Mappings',
  'Mapping Offset': 'Reference To ID Array',
  ItsCount: 'Number Of ITSs',
  Identifiers: 'GIC ITS Identifier',
  'Node Flags': 'Node Flags',
  'Cache Coherency': 'Memory Access Properties.Cache Coherent',
  'Hints (decoded below)': 'Memory Access Properties.Allocation Hints',
  'Memory Flags (decoded below)': 'Memory Access Properties.Memory Access Flags',
  'Memory Size Limit': /Memory Address Size Limit$/,
  'Device Name': 'Device Object Name',
  Padding: 'Padding',
  'ATS Attribute': 'ATS Attribute',
  'PCI Segment Number': 'PCI Segment Number',
  'Base Address': 'Base Address',
  Span: 'Span',
  Model: 'Model',
  'Flags (decoded below)': 'Flags',
  'Global Interrupt Offset': 'Reference To Global Interrupt Array',
  'Context Interrupt Count': 'Number Of Context Interrupts',
  'Context Interrupt Offset': 'Reference To Context Interrupt Array',
  'PMU Interrupt Count': 'Number Of PMU Interrupts',
  'PMU Interrupt Offset': 'Reference To PMU Interrupt Array',
  NSgIrpt: 'SMMU_NSgIrpt',
  'NSgIrpt Flags (decoded below)': 'SMMU_NSgIrptFlags',
  NSgCfgIrpt: 'SMMU_NSgCfgIrpt',
  'NSgCfgIrpt Flags (decoded below)': 'SMMU_NSgCfgIrptFlags',
  // It takes the interrupt and its flags for one number of 64 bits.
  'Context Interrupt': 'GSIV',
  'PMU Interrupt': 'GSIV',
  'VATOS Address': 'VATOS Address',
  'Event GSIV': 'Event GSIV',
  'PRI GSIV': 'PRI GSIV',
  'GERR GSIV': 'GERR GSIV',
  'Sync GSIV': 'Sync GSIV',
  'Proximity Domain': 'Proximity Domain',
  'Device ID Mapping Index': 'Device ID Mapping Index',
  'Page 0 Base Address': 'Page0 Base Address',
  'Overflow Interrupt GSIV': 'Overflow Interrupt GSIV',
  'Node Reference': 'Node Reference',
  'Page 1 Base Address': 'Page1 Base Address',
  'Input base': 'Input Base',
  'ID Count': 'Number Of IDs',
  'Output Base': 'Output Base',
  'Output Reference': 'Output Reference',
}

/** Where iasl says the fields of a table are that it and we disagree on; and how many bytes it knows fields for. */
function compare(
  text: string,
  lines: readonly AnnotatedLine[],
  names: Readonly<Record<string, string | RegExp>>,
  known: number,
): { differences: string[]; covered: number } {
  const differences: string[] = []
  let covered = 0
  for (const { offset, size, name, value } of fieldsOf(text)) {
    // A heading for the lines that follow it.
    if (offset >= known || name === 'Memory Properties') continue
    covered += size
    const ours = linesAt(lines, offset, size)
    const bytes = ours.map((line) => line.bytes).join('')
    const wanted = names[name]
    const field = ours[0]?.field ?? 'nothing'
    // Some of what it calls reserved has a name by now.
    const named = name === 'Reserved' || (wanted instanceof RegExp ? wanted.test(field) : wanted === field)
    if (named && bytes.length === size * 2 && (sameValue(value, bytes) || name === 'Padding')) continue
    differences.push(`0x${offset.toString(16)}: iasl has ${name} ${value}, we have ${field} ${bytes}`)
  }
  return { differences, covered }
}

const corpus = process.env.DMASCOPE_CORPUS

/** This iasl may know neither type 40h nor vendors' types, and stops at the first: how far it gets. */
const knownTo = ({ blocks }: Ivrs, end: number): number =>
  blocks.find(({ kind }) => kind === 'unknown' || kind === 'IVHD-40h')?.offset ?? end

describe.skipIf(!hasIasl || corpus === undefined)(
  'real IVRSs (skipped where iasl is not installed or DMASCOPE_CORPUS not set)',
  () => {
    const folder = join(corpus ?? '', 'acpi', 'IVRS')
    const files = corpus === undefined ? [] : readdirSync(folder).filter((name) => name.endsWith('.dat'))
    const tables = Object.fromEntries(
      files.map((name) => [name.replace('.dat', ''), new Uint8Array(readFileSync(join(folder, name)))]),
    )

    test('every field is what iasl says it is', () => {
      expect(files.length).toBeGreaterThan(0)
      const { texts } = disassemble(tables)
      for (const [name, bytes] of Object.entries(tables)) {
        const parsed = parseIvrs(bytes)
        const known = knownTo(parsed, bytes.length)
        expect(known, name).toBeGreaterThan(48)
        expect(compare(texts[name] ?? '', formatIvrs(parsed), IVRS_NAMES, known), name).toEqual({
          differences: [],
          covered: known,
        })
      }
    })

    test('and so are those of type 40h, which has the form of 11h but for entries of variable length', () => {
      const plain: Record<string, Uint8Array> = {}
      for (const [name, bytes] of Object.entries(tables)) {
        const parsed = parseIvrs(bytes)
        if (!parsed.blocks.some(({ kind }) => kind === 'IVHD-40h')) continue
        const blocks = parsed.blocks.flatMap((block): IvrsBlock[] => {
          if (block.kind !== 'IVHD-40h') return isIvhd(block) || isIvmd(block) ? [block] : []
          return [{ ...block, kind: 'IVHD-11h', entries: block.entries.filter(({ kind }) => kind !== 'acpi-hid') }]
        })
        plain[name] = buildIvrs({ ...parsed, blocks })
      }
      expect(Object.keys(plain).length).toBeGreaterThan(0)
      const { texts } = disassemble(plain)
      for (const [name, bytes] of Object.entries(plain)) {
        expect(compare(texts[name] ?? '', formatIvrs(parseIvrs(bytes)), IVRS_NAMES, bytes.length), name).toEqual({
          differences: [],
          covered: bytes.length,
        })
      }
    })
  },
)

describe.skipIf(!hasIasl)('IVRS and IORT (skipped where iasl is not installed)', () => {
  test('the IVRS that QEMU builds for amd-iommu', () => {
    const bytes = goldenTable('qemu-11.1-q35-amd.ivrs.txt')
    const { texts } = disassemble({ ivrs: bytes })
    const lines = formatIvrs(parseIvrs(bytes))
    expect(compare(texts.ivrs ?? '', lines, IVRS_NAMES, bytes.length)).toEqual({
      differences: [],
      covered: bytes.length,
    })
  })

  test('an IVRS with every kind of block and entry that it knows', () => {
    const ivhd = {
      flags: 0,
      deviceId: 2,
      capabilityOffset: 0x40,
      iommuBaseAddress: 0xfd200000,
      pciSegmentGroup: 0,
      iommuInfo: 0x100,
    }
    const bytes = buildIvrs({
      signature: 'IVRS',
      header: sdtHeader(2),
      IVinfo: 0x203043,
      blocks: [
        {
          kind: 'IVHD-10h',
          ...ivhd,
          iommuFeatureReporting: 0x80048f6e,
          entries: [
            { kind: 'pad-4' },
            { kind: 'all', deviceId: 0, dteSetting: 0xd7 },
            { kind: 'select', deviceId: 0x10, dteSetting: 0 },
            { kind: 'range-start', deviceId: 0x100, dteSetting: 0 },
            { kind: 'range-end', deviceId: 0x1ff, dteSetting: 0 },
          ],
        },
        {
          kind: 'IVHD-11h',
          ...ivhd,
          iommuAttributes: 0x48000,
          efrRegisterImage: '0xa2254a5a00001234',
          efr2RegisterImage: 0,
          entries: [
            { kind: 'alias-select', deviceId: 0x20, dteSetting: 0, sourceDeviceId: 0xa5 },
            { kind: 'alias-range-start', deviceId: 0x300, dteSetting: 0, sourceDeviceId: 0xa4 },
            { kind: 'range-end', deviceId: 0x3ff, dteSetting: 0 },
            { kind: 'extended-select', deviceId: 0x30, dteSetting: 0, extendedDteSetting: 0x80000000 },
            { kind: 'extended-range-start', deviceId: 0x400, dteSetting: 0, extendedDteSetting: 0 },
            { kind: 'range-end', deviceId: 0x4ff, dteSetting: 0 },
            { kind: 'special', dteSetting: 0, handle: 0x21, sourceDeviceId: 0xa0, variety: 1 },
          ],
        },
        { kind: 'IVMD-20h', flags: 8, ...memory(0, 0) },
        { kind: 'IVMD-21h', flags: 7, ...memory(0x10, 0) },
        { kind: 'IVMD-22h', flags: 7, ...memory(0x100, 0x1ff) },
      ],
    })
    const parsed = parseIvrs(bytes)
    expect(parsed.problems).toEqual([])
    const { texts } = disassemble({ ivrs: bytes })
    expect(texts.ivrs).not.toMatch(/Unknown|Invalid|\*\*\*/)
    expect(compare(texts.ivrs ?? '', formatIvrs(parsed), IVRS_NAMES, bytes.length)).toEqual({
      differences: [],
      covered: bytes.length,
    })
  })

  test('the IORT that QEMU builds for virt with an SMMU', () => {
    const bytes = goldenTable('qemu-7.2-virt-smmu.iort.txt')
    const { texts } = disassemble({ iort: bytes })
    const lines = formatIort(parseIort(bytes))
    expect(compare(texts.iort ?? '', lines, IORT_NAMES, bytes.length)).toEqual({
      differences: [],
      covered: bytes.length,
    })
  })

  test('an IORT with every kind of node that it knows', () => {
    const bytes = buildIort(EVERY_NODE)
    const parsed = parseIort(bytes)
    expect(parsed.problems).toEqual([])
    const { texts } = disassemble({ iort: bytes })
    expect(texts.iort).not.toMatch(/Unknown|Invalid|\*\*\*/)
    expect(compare(texts.iort ?? '', formatIort(parsed), IORT_NAMES, bytes.length)).toEqual({
      differences: [],
      covered: bytes.length,
    })
  })
})

const memory = (deviceId: number, auxiliaryData: number) => ({
  deviceId,
  auxiliaryData,
  pciSegmentGroup: 0,
  startAddress: 0x9618e000,
  memoryBlockLength: 0x2000,
})

const access = { cacheCoherent: 1, allocationHints: 0, memoryAccessFlags: 3 }
const mapping = { inputBase: 0, numberOfIds: 0xffff, outputBase: 0, outputReference: 0x30, flags: 0 }
const EVERY_NODE: Iort = {
  signature: 'IORT',
  header: sdtHeader(3),
  nodes: [
    { kind: 'its-group', revision: 1, identifier: 0, gicItsIdentifiers: [0, 1], mappings: [] },
    {
      kind: 'smmuv3',
      revision: 4,
      identifier: 1,
      baseAddress: 0x9050000,
      flags: 9,
      vatosAddress: 0,
      model: 0,
      eventGsiv: 106,
      priGsiv: 107,
      gerrGsiv: 109,
      syncGsiv: 108,
      proximityDomain: 1,
      deviceIdMappingIndex: 0,
      mappings: [mapping],
    },
    {
      kind: 'root-complex',
      revision: 3,
      identifier: 2,
      memoryAccessProperties: access,
      atsAttribute: 1,
      pciSegmentNumber: 0,
      memoryAddressSizeLimit: 48,
      pasidCapabilities: 0,
      mappings: [mapping, { ...mapping, inputBase: 0x10000, numberOfIds: 7 }],
    },
    {
      kind: 'named-component',
      revision: 4,
      identifier: 3,
      nodeFlags: 2,
      memoryAccessProperties: access,
      deviceMemoryAddressSizeLimit: 32,
      deviceObjectName: '\\_SB.DMA0',
      mappings: [{ ...mapping, numberOfIds: 0, flags: 1 }],
    },
    {
      kind: 'smmu',
      revision: 3,
      identifier: 4,
      baseAddress: 0x15000000,
      span: 0x110000,
      model: 3,
      flags: 2,
      globalInterruptArray: { SMMU_NSgIrpt: 97, SMMU_NSgIrptFlags: 0, SMMU_NSgCfgIrpt: 98, SMMU_NSgCfgIrptFlags: 0 },
      contextInterruptArray: [
        { gsiv: 100, interruptFlags: 0 },
        { gsiv: 101, interruptFlags: 1 },
      ],
      pmuInterruptArray: [{ gsiv: 110, interruptFlags: 0 }],
      mappings: [mapping],
    },
    {
      kind: 'pmcg',
      revision: 1,
      identifier: 5,
      page0BaseAddress: 0x9070000,
      overflowInterruptGsiv: 40,
      nodeReference: 0x4c,
      page1BaseAddress: 0x9080000,
      mappings: [],
    },
  ],
}
