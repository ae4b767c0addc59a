import {
  buildIort,
  buildMadt,
  EFI_ACPI_20_TABLE_GUID,
  type IortIdMapping,
  type IortNode,
  iortNodeOffsets,
  type MadtRecord,
  type SdtHeader,
} from '@dmascope/acpi'
import { parseDts } from '@dmascope/devicetree'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readAcpiPlatform } from '../src/arm64/acpi-platform.ts'
import { readIort } from '../src/arm64/iort-map.ts'
import type { AcpiTables } from '../src/early/acpi-tables.ts'
import { readEfi } from '../src/early/efi.ts'
import { SparseBus } from './support/sparse-bus.ts'

const RUNS = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const silent = (): void => {}
const header = (revision: number): SdtHeader => ({
  revision,
  oemId: 'BOCHS ',
  oemTableId: 'BXPC    ',
  oemRevision: 1,
  creatorId: 'BXPC',
  creatorRevision: 1,
})
const tablesOf = (tables: Readonly<Record<string, Uint8Array>>): AcpiTables => ({
  rsdp: 0x5000_0000,
  tables: [],
  ranges: [],
  find: (signature) => {
    const bytes = tables[signature]
    return bytes === undefined ? null : { signature, address: 0x5000_1000, bytes, checksumRight: true }
  },
})

const gicc = (physicalBaseAddress: number): MadtRecord => ({
  kind: 'gicc',
  cpuInterfaceNumber: 0,
  acpiProcessorUid: 0,
  flags: 1,
  parkingProtocolVersion: 0,
  performanceInterruptGsiv: 23,
  parkedAddress: 0,
  physicalBaseAddress,
})
const gicd = (gicVersion: number): MadtRecord => ({
  kind: 'gicd',
  gicId: 0,
  physicalBaseAddress: 0x0800_0000,
  systemVectorBase: 0,
  gicVersion,
})
const madt = (...records: MadtRecord[]): Uint8Array =>
  buildMadt({ signature: 'APIC', header: header(4), localInterruptControllerAddress: 0, flags: 0, records })

/** ITS, SMMUv3, root complex, in this order; mappings of the last by what they lead to. */
function iort(...mappings: (Omit<IortIdMapping, 'outputReference'> & { to: 'its' | 'smmu' })[]): Uint8Array {
  const nodes: IortNode[] = [
    { kind: 'its-group', revision: 1, identifier: 0, gicItsIdentifiers: [7], mappings: [] },
    {
      kind: 'smmuv3',
      revision: 4,
      identifier: 1,
      baseAddress: 0x0905_0000,
      flags: 1,
      vatosAddress: 0,
      model: 0,
      eventGsiv: 106,
      priGsiv: 107,
      gerrGsiv: 109,
      syncGsiv: 108,
      proximityDomain: 0,
      deviceIdMappingIndex: 0,
      mappings: [],
    },
    {
      kind: 'root-complex',
      revision: 3,
      identifier: 2,
      memoryAccessProperties: { cacheCoherent: 1, allocationHints: 0, memoryAccessFlags: 3 },
      atsAttribute: 0,
      pciSegmentNumber: 0,
      memoryAddressSizeLimit: 64,
      pasidCapabilities: 0,
      mappings: [],
    },
  ]
  const [its = 0, smmu = 0] = iortNodeOffsets({ nodes })
  const list = (index: number): IortIdMapping[] => (nodes[index] as { mappings: IortIdMapping[] }).mappings
  list(1).push({ inputBase: 0, numberOfIds: 0xffff, outputBase: 0x1_0000, outputReference: its, flags: 0 })
  for (const { to, ...one } of mappings) list(2).push({ ...one, outputReference: to === 'its' ? its : smmu })
  return buildIort({ signature: 'IORT', header: header(3), nodes })
}
const range = (inputBase: number, numberOfIds: number, to: 'its' | 'smmu') => ({
  inputBase,
  numberOfIds,
  outputBase: inputBase,
  flags: 0,
  to,
})

describe('the MADT', () => {
  test('a GICv2 with a frame, whose interrupts the table says', () => {
    const frame: MadtRecord = {
      kind: 'gic-msi-frame',
      gicMsiFrameId: 0,
      physicalBaseAddress: 0x0802_0000,
      flags: 1,
      spiCount: 64,
      spiBase: 80,
    }
    const platform = readAcpiPlatform(tablesOf({ APIC: madt(gicd(2), gicc(0x0801_0000), frame) }), silent)
    expect(platform).toMatchObject({
      gic: { version: 2, distributor: 0x0800_0000, cpuInterface: 0x0801_0000 },
      messageControllers: [{ kind: 'gicv2m', base: 0x0802_0000, spis: { first: 80, count: 64 } }],
    })
    if (typeof platform === 'string') throw new Error(platform)
    expect(platform.routeMessages(0, 0x10)?.controller.kind).toBe('gicv2m')
  })

  test('a GICv3 with redistributors and an ITS, which the IORT names by number', () => {
    const records: MadtRecord[] = [
      gicd(3),
      gicc(0),
      { kind: 'gicr', discoveryRangeBaseAddress: 0x080a_0000, discoveryRangeLength: 0xf6_0000 },
      { kind: 'gic-its', gicItsId: 7, physicalBaseAddress: 0x0808_0000, reserved_16: 0 },
    ]
    const platform = readAcpiPlatform(
      tablesOf({ APIC: madt(...records), IORT: iort(range(0, 0xffff, 'smmu')) }),
      silent,
    )
    if (typeof platform === 'string') throw new Error(platform)
    expect(platform.gic).toEqual({
      version: 3,
      distributor: 0x0800_0000,
      redistributors: [{ base: 0x080a_0000, size: 0xf6_0000 }],
    })
    expect(platform.routeMessages(0, 0x10)).toMatchObject({
      controller: { kind: 'its', base: 0x0808_0000 },
      deviceId: 0x1_0010,
    })
    expect(platform.faultInterrupts).toEqual([
      { intid: 106, trigger: 'edge' },
      { intid: 109, trigger: 'edge' },
    ])
  })

  test('without a distributor, or at all, stops the kernel', () => {
    expect(readAcpiPlatform(tablesOf({ APIC: madt(gicc(0)) }), silent)).toBe('no GIC in the MADT')
    expect(readAcpiPlatform(tablesOf({}), silent)).toBe('no GIC in the MADT')
  })
})

describe('the IORT (iort_node_map_id)', () => {
  const read = (...mappings: Parameters<typeof iort>) => readIort(tablesOf({ IORT: iort(...mappings) }), silent)!

  test('names the SMMU of a stream where there are several, in their order', () => {
    const nodes: IortNode[] = [0x0c02_0000, 0x0c00_0000].map((baseAddress, identifier) => ({
      kind: 'smmuv3',
      revision: 4,
      identifier,
      baseAddress,
      flags: 1,
      vatosAddress: 0,
      model: 0,
      eventGsiv: 144,
      priGsiv: 0,
      gerrGsiv: 147,
      syncGsiv: 0,
      proximityDomain: 0,
      deviceIdMappingIndex: 0,
      mappings: [],
    }))
    const [first = 0, second = 0] = iortNodeOffsets({ nodes })
    const to = (inputBase: number, outputReference: number): IortIdMapping => ({
      inputBase,
      numberOfIds: 0xff,
      outputBase: inputBase,
      outputReference,
      flags: 0,
    })
    nodes.push({
      kind: 'root-complex',
      revision: 3,
      identifier: 2,
      memoryAccessProperties: { cacheCoherent: 1, allocationHints: 0, memoryAccessFlags: 3 },
      atsAttribute: 0,
      pciSegmentNumber: 0,
      memoryAddressSizeLimit: 64,
      pasidCapabilities: 0,
      mappings: [to(0, first), to(0x8000, second)],
    })
    const { smmu } = readIort(tablesOf({ IORT: buildIort({ signature: 'IORT', header: header(5), nodes }) }), silent)!
    expect(smmu?.smmus.map(({ name, base }) => [name, base])).toEqual([
      ['arm-smmu-v3.0.auto', 0x0c02_0000],
      ['arm-smmu-v3.1.auto', 0x0c00_0000],
    ])
    expect(smmu?.streamOf(0, 8)?.by).toBe('IORT, stream 0x8, of the SMMU at 0xc020000')
    expect(smmu?.streamOf(0, 0x8010)?.by).toBe('IORT, stream 0x8010, of the SMMU at 0xc000000')
    expect(smmu?.streamOf(0, 0x100)).toBeNull()
  })

  test('leads streams to the SMMU, and messages on to the ITS', () => {
    const map = read(range(0, 0x7fff, 'smmu'), range(0x8000, 0x7fff, 'its'))
    expect(map.smmu?.smmus).toMatchObject([{ name: 'arm-smmu-v3.0.auto', base: 0x0905_0000, coherent: true }])
    expect(map.smmu?.streamOf(0, 0x7fff)).toMatchObject({ stream: 0x7fff, by: 'IORT, stream 0x7fff' })
    expect(map.smmu?.streamOf(0, 0x8000)).toBeNull()
    expect(map.smmu?.streamOf(1, 0)).toBeNull()
    expect(map.itsOf(0, 0x10)).toMatchObject({ its: 7, deviceId: 0x1_0010 })
    expect(map.itsOf(0, 0x8000)).toMatchObject({ its: 7, deviceId: 0x8000 })
  })

  test('believes the last ID of a range only where no other has it', () => {
    const map = read(range(0, 0x8000, 'smmu'), range(0x8000, 0x7fff, 'its'))
    expect(map.smmu?.streamOf(0, 0x8000)).toBeNull()
    expect(read(range(0, 0x8000, 'smmu')).smmu?.streamOf(0, 0x8000)).toMatchObject({ stream: 0x8000 })
  })

  test('passes single mappings over', () => {
    expect(read({ ...range(0, 0xffff, 'smmu'), flags: 1 }).smmu?.streamOf(0, 5)).toBeNull()
  })

  test('of any bytes neither throws nor goes round for ever', () => {
    const good = iort(range(0, 0xffff, 'smmu'))
    const changes = fc.array(fc.tuple(fc.nat(good.length - 49), fc.nat(255)), { maxLength: 8 })
    fc.assert(
      fc.property(changes, (list) => {
        const bytes = good.slice()
        for (const [at, value] of list) bytes[48 + at] = value
        const map = readIort(tablesOf({ IORT: bytes }), silent)
        map?.smmu?.streamOf(0, 0x10)
        map?.itsOf(0, 0x10)
      }),
      { numRuns: RUNS },
    )
  })
})

describe('what UEFI leaves', () => {
  const SYSTEM_TABLE = 0x5000_0000
  const tree = (systemTable = SYSTEM_TABLE) =>
    parseDts(`/dts-v1/; / { chosen {
      linux,uefi-system-table = <0 ${systemTable}>;
      linux,uefi-mmap-start = <0 0x50001000>;
      linux,uefi-mmap-size = <96>;
      linux,uefi-mmap-desc-size = <48>;
    }; };`)
  const bytes = (size: number, write: (view: DataView) => void): Uint8Array => {
    const view = new DataView(new ArrayBuffer(size))
    write(view)
    return new Uint8Array(view.buffer)
  }
  const memory = (): SparseBus =>
    new SparseBus()
      .put(
        SYSTEM_TABLE,
        bytes(120, (view) => {
          for (const [index, letter] of [...'IBI SYST'].entries()) view.setUint8(index, letter.charCodeAt(0))
          view.setUint32(104, 1, true)
          view.setUint32(112, 0x5000_0800, true)
        }),
      )
      .put(
        0x5000_0800,
        bytes(24, (view) => {
          for (const [index, byte] of EFI_ACPI_20_TABLE_GUID.entries()) view.setUint8(index, byte)
          view.setUint32(16, 0x5100_0000, true)
        }),
      )
      .put(
        0x5000_1000,
        bytes(96, (view) => {
          // Conventional memory, then ACPI's: type at 0, start at 8, pages at 24.
          for (const [at, type, start, pages] of [
            [0, 7, 0x4000_0000, 0x1_0000],
            [48, 9, 0x5000_0000, 0x1000],
          ] as const) {
            view.setUint32(at, type, true)
            view.setUint32(at + 8, start, true)
            view.setUint32(at + 24, pages, true)
          }
        }),
      )

  test('is found by the stub’s tree: the root pointer, RAM, and what of it is free', () => {
    expect(readEfi(memory(), tree())).toEqual({
      rsdp: 0x5100_0000,
      memory: [{ start: 0x4000_0000, end: 0x5100_0000 }],
      usable: [{ start: 0x4000_0000, end: 0x5000_0000 }],
    })
  })

  test('is not there, or not believed', () => {
    expect(readEfi(memory(), parseDts('/dts-v1/; / { chosen { }; };'))).toBeNull()
    expect(readEfi(memory(), tree(0x6000_0000))).toBe('no EFI system table at 0x60000000')
  })
})
