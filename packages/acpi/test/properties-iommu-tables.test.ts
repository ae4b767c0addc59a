import { DmascopeError } from '@dmascope/layout'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  buildIort,
  buildIvrs,
  buildTable,
  buildViot,
  formatTable,
  type Iort,
  type IortNode,
  type IvhdEntry,
  type Ivrs,
  type IvrsBlock,
  iortNodeOffsets,
  parseIort,
  parseIvrs,
  parseTable,
  parseViot,
  sdtHeader,
  toHex,
  type Viot,
  type ViotNode,
  viotNodeOffsets,
} from '../src/index.ts'
import { digits, header, latin, u8, u16, u32, u64, withoutPositions } from './arbitraries.ts'

const numRuns = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)

/** One character a byte, none of them a NUL. */
const name = fc.array(fc.integer({ min: 1, max: 255 }), { maxLength: 12 }).map((codes) => String.fromCharCode(...codes))
const id = fc.array(fc.integer({ min: 1, max: 255 }), { maxLength: 8 }).map((codes) => String.fromCharCode(...codes))

const device = { deviceId: u16, dteSetting: u8 }
const entry: fc.Arbitrary<IvhdEntry> = fc.oneof(
  fc.record({ kind: fc.constantFrom('all', 'select', 'range-start', 'range-end'), ...device }),
  fc.record({ kind: fc.constantFrom('alias-select', 'alias-range-start'), ...device, sourceDeviceId: u16 }),
  fc.record({ kind: fc.constantFrom('extended-select', 'extended-range-start'), ...device, extendedDteSetting: u32 }),
  fc.record({ kind: fc.constant('special'), dteSetting: u8, handle: u8, sourceDeviceId: u16, variety: u8 }),
  fc.record({
    kind: fc.constant('acpi-hid'),
    ...device,
    hardwareId: id,
    compatibleId: id,
    uidFormat: u8,
    uid: fc.nat(20).chain(latin),
  }),
  fc.record({ kind: fc.constantFrom('pad-4', 'pad-8') }),
  fc.record({ kind: fc.constant('unknown'), type: fc.integer({ min: 5, max: 63 }), data: fc.constant('010203') }),
  fc.record({
    kind: fc.constant('unknown'),
    type: fc.integer({ min: 128, max: 191 }),
    data: fc.constant('0f'.repeat(15)),
  }),
)
const ivhd = {
  flags: u8,
  deviceId: u16,
  capabilityOffset: u16,
  iommuBaseAddress: u64,
  pciSegmentGroup: u16,
  iommuInfo: u16,
  entries: fc.array(entry, { maxLength: 4 }),
}
const block: fc.Arbitrary<IvrsBlock> = fc.oneof(
  fc.record({ kind: fc.constant('IVHD-10h'), ...ivhd, iommuFeatureReporting: u32 }),
  fc.record({
    kind: fc.constantFrom('IVHD-11h', 'IVHD-40h'),
    ...ivhd,
    iommuAttributes: u32,
    efrRegisterImage: u64,
    efr2RegisterImage: u64,
  }) as fc.Arbitrary<IvrsBlock>,
  fc.record({
    kind: fc.constantFrom('IVMD-20h', 'IVMD-21h', 'IVMD-22h'),
    flags: u8,
    deviceId: u16,
    auxiliaryData: u16,
    pciSegmentGroup: u16,
    startAddress: u64,
    memoryBlockLength: u64,
  }),
  fc.record({ kind: fc.constant('unknown'), type: fc.integer({ min: 0x41, max: 255 }), flags: u8, data: digits(12) }),
)
const ivrs: fc.Arbitrary<Ivrs> = fc.record({
  signature: fc.constant('IVRS'),
  header,
  IVinfo: u32,
  blocks: fc.array(block, { maxLength: 4 }),
})

test('an IVRS of any content is read back as it was written', () => {
  fc.assert(
    fc.property(ivrs, (table) => {
      expect(withoutPositions(parseIvrs(buildIvrs(table)))).toEqual(withoutPositions(table))
    }),
    { numRuns },
  )
})

const mapping = fc.record({ inputBase: u32, numberOfIds: u32, outputBase: u32, outputReference: u32, flags: u32 })
const node = { revision: u8, identifier: u32, mappings: fc.array(mapping, { maxLength: 3 }) }
const memoryAccessProperties = fc.record({ cacheCoherent: u32, allocationHints: u8, memoryAccessFlags: u8 })
const interrupts = fc.array(fc.record({ gsiv: u32, interruptFlags: u32 }), { maxLength: 3 })
/** The fields of revisions: those of the first, or with those of the second, and so on. */
const revisions = <First extends object>(first: fc.Arbitrary<First>, ...later: fc.Arbitrary<object>[]) =>
  fc
    .tuple(first, fc.tuple(...later), fc.nat(later.length))
    .map(([fields, more, count]) => Object.assign({}, fields, ...more.slice(0, count)) as First)

const iortNode: fc.Arbitrary<IortNode> = fc.oneof(
  fc.record({ kind: fc.constant('its-group'), ...node, gicItsIdentifiers: fc.array(u32, { maxLength: 3 }) }),
  fc.record({
    kind: fc.constant('named-component'),
    ...node,
    nodeFlags: u32,
    memoryAccessProperties,
    deviceMemoryAddressSizeLimit: u8,
    deviceObjectName: name,
  }),
  revisions(
    fc.record({
      kind: fc.constant('root-complex'),
      ...node,
      memoryAccessProperties,
      atsAttribute: u32,
      pciSegmentNumber: u32,
    }),
    fc.record({ memoryAddressSizeLimit: u8, pasidCapabilities: u16 }),
    fc.record({ flags: u32 }),
  ),
  fc
    .record({
      kind: fc.constant('smmu'),
      ...node,
      baseAddress: u64,
      span: u64,
      model: u32,
      flags: u32,
      globalInterruptArray: fc.option(
        fc.record({ SMMU_NSgIrpt: u32, SMMU_NSgIrptFlags: u32, SMMU_NSgCfgIrpt: u32, SMMU_NSgCfgIrptFlags: u32 }),
      ),
      contextInterruptArray: interrupts,
      pmuInterruptArray: interrupts,
    })
    .map(({ globalInterruptArray, ...rest }) => (globalInterruptArray ? { ...rest, globalInterruptArray } : rest)),
  revisions(
    fc.record({
      kind: fc.constant('smmuv3'),
      ...node,
      baseAddress: u64,
      flags: u32,
      vatosAddress: u64,
      model: u32,
      eventGsiv: u32,
      priGsiv: u32,
      gerrGsiv: u32,
      syncGsiv: u32,
    }),
    fc.record({ proximityDomain: u32 }),
    fc.record({ deviceIdMappingIndex: u32 }),
  ),
  revisions(
    fc.record({
      kind: fc.constant('pmcg'),
      ...node,
      page0BaseAddress: u64,
      overflowInterruptGsiv: u32,
      nodeReference: u32,
    }),
    fc.record({ page1BaseAddress: u64 }),
  ),
  fc.record({
    kind: fc.constant('rmr'),
    ...node,
    flags: u32,
    memoryRangeDescriptors: fc.array(fc.record({ physicalRangeOffset: u64, physicalRangeLength: u64 }), {
      maxLength: 3,
    }),
  }),
  fc.record({ kind: fc.constant('iwb'), ...node, baseAddress: u64, iwbIndex: u16, deviceObjectName: name }),
  fc.record({ kind: fc.constant('unknown'), type: fc.integer({ min: 8, max: 255 }), data: digits(12) }),
)
const iort: fc.Arbitrary<Iort> = fc.record({
  signature: fc.constant('IORT'),
  header,
  nodes: fc.array(iortNode, { maxLength: 4 }),
})

test('an IORT of any content is read back as it was written, each node where it was said to be', () => {
  fc.assert(
    fc.property(iort, (table) => {
      const read = parseIort(buildIort(table))
      expect(withoutPositions(read)).toEqual(withoutPositions(table))
      expect(read.nodes.map(({ offset }) => offset)).toEqual(iortNodeOffsets(table))
    }),
    { numRuns },
  )
})

const viotNode: fc.Arbitrary<ViotNode> = fc.oneof(
  fc.record({
    kind: fc.constant('pci-range'),
    endpointStart: u32,
    pciSegmentStart: u16,
    pciSegmentEnd: u16,
    pciBdfStart: u16,
    pciBdfEnd: u16,
    outputNode: u16,
  }),
  fc.record({ kind: fc.constant('mmio'), endpointId: u32, baseAddress: u64, outputNode: u16 }),
  fc.record({ kind: fc.constant('virtio-iommu-pci'), pciSegment: u16, pciBdf: u16 }),
  fc.record({ kind: fc.constant('virtio-iommu-mmio'), baseAddress: u64 }),
  fc.record({ kind: fc.constant('unknown'), type: fc.integer({ min: 5, max: 255 }), data: digits(12) }),
)

test('a VIOT of any content is read back as it was written, each node where it was said to be', () => {
  const viot: fc.Arbitrary<Viot> = fc.record({
    signature: fc.constant('VIOT'),
    header,
    nodes: fc.array(viotNode, { maxLength: 5 }),
  })
  fc.assert(
    fc.property(viot, (table) => {
      const read = parseViot(buildViot(table))
      expect(withoutPositions(read)).toEqual(table)
      expect(read.nodes.map(({ offset }) => offset)).toEqual(viotNodeOffsets(table))
    }),
    { numRuns },
  )
})

const first = <Item>(of: fc.Arbitrary<Item>): Item[] => fc.sample(of, { numRuns: 12, seed: 7 })
const BASES: readonly Uint8Array[] = [
  buildIvrs({ signature: 'IVRS', header: sdtHeader(2), IVinfo: 0x203043, blocks: first(block) }),
  buildIort({ signature: 'IORT', header: sdtHeader(5), nodes: first(iortNode) }),
  buildViot({ signature: 'VIOT', header: sdtHeader(0), nodes: first(viotNode) }),
]

test('a table with any bytes changed, cut anywhere, is read, printed whole and rebuilt, or refused', () => {
  // Small numbers and all ones are what offsets, counts, types and lengths break at.
  const value = fc.oneof(fc.nat(0x48), fc.constantFrom(0x80, 0xf0, 0xff), u8)
  const change = fc.tuple(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), value)
  fc.assert(
    fc.property(
      fc.constantFrom(...BASES),
      fc.array(change, { maxLength: 4 }),
      fc.double({ min: 0, max: 2, noNaN: true }),
      (base, changes, share) => {
        const bytes = base.slice()
        for (const [at, byte] of changes) bytes[4 + Math.floor(at * (bytes.length - 4))] = byte
        // Half of the runs cut nothing, and get to the lists.
        const cut = bytes.subarray(0, Math.ceil(Math.min(1, share) * bytes.length))
        let table: ReturnType<typeof parseTable>
        try {
          table = parseTable(cut)
        } catch (error) {
          if (error instanceof DmascopeError) return
          throw error
        }
        expect(toHex(buildTable(table))).toBe(toHex(cut))
        let end = 0
        for (const line of formatTable(table)) {
          if (line.bytes === '') continue
          if (line.offset !== end)
            throw new Error(`${line.field} at ${line.offset}, but the line before ends at ${end}`)
          end += line.size
        }
        expect(end).toBe(cut.length)
      },
    ),
    { numRuns },
  )
})

test('lists of an IORT node anywhere in it, and where they cannot be, rebuild to the same bytes', () => {
  const base = buildIort({
    signature: 'IORT',
    header: sdtHeader(5),
    nodes: [
      {
        kind: 'smmu',
        revision: 3,
        identifier: 0,
        baseAddress: 0x15000000,
        span: 0x110000,
        model: 3,
        flags: 0,
        globalInterruptArray: { SMMU_NSgIrpt: 97, SMMU_NSgIrptFlags: 0, SMMU_NSgCfgIrpt: 98, SMMU_NSgCfgIrptFlags: 1 },
        contextInterruptArray: [{ gsiv: 100, interruptFlags: 0 }],
        pmuInterruptArray: [{ gsiv: 101, interruptFlags: 1 }],
        mappings: [{ inputBase: 0, numberOfIds: 1, outputBase: 2, outputReference: 0x30, flags: 0 }],
      },
    ],
  })
  const length = base.length - 48
  const place = fc.nat(length + 8)
  const count = fc.nat(4)
  fc.assert(
    fc.property(place, place, place, place, count, count, count, (mappings, global, context, pmu, ...counts) => {
      const bytes = base.slice()
      const view = new DataView(bytes.buffer)
      for (const [field, value] of [
        [8, counts[0]],
        [12, mappings],
        [40, global],
        [44, counts[1]],
        [48, context],
        [52, counts[2]],
        [56, pmu],
      ] as const) {
        view.setUint32(48 + field, value, true)
      }
      const table = parseIort(bytes)
      expect(toHex(buildIort(table))).toBe(toHex(bytes))
    }),
    { numRuns },
  )
})
