import { DmascopeError } from '@dmascope/layout'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  buildDmar,
  buildFadt,
  buildLoaderScript,
  buildMadt,
  buildMcfg,
  buildRsdp,
  buildTable,
  type DeviceScope,
  type Dmar,
  type DmarRecord,
  type Fadt,
  findHostBridges,
  type LoaderCommand,
  type Madt,
  type MadtRecord,
  type Mcfg,
  parseDmar,
  parseFadt,
  parseLoaderScript,
  parseMadt,
  parseMcfg,
  parseRsdp,
  parseTable,
  printTable,
  type Rsdp,
  sdtHeader,
} from '../src/index.ts'
import { FADT } from '../src/spec/fadt.ts'
import { digits, header, latin, u8, u16, u32, u64, withoutPositions } from './arbitraries.ts'

const numRuns = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const step = fc.record({ device: u8, function: u8 })
const scope: fc.Arbitrary<DeviceScope> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('endpoint', 'bridge', 'ioapic', 'hpet', 'namespace'),
    flags: u8,
    enumerationId: u8,
    startBusNumber: u8,
    path: fc.array(step, { maxLength: 4 }),
  }),
  fc.record({ kind: fc.constant('unknown'), type: fc.integer({ min: 6, max: 255 }), data: digits(8) }),
)
const scopes = fc.array(scope, { maxLength: 4 })
const record: fc.Arbitrary<DmarRecord> = fc.oneof(
  fc.record({ kind: fc.constant('DRHD'), flags: u8, size: u8, segmentNumber: u16, registerBaseAddress: u64, scopes }),
  fc.record({
    kind: fc.constant('RMRR'),
    segmentNumber: u16,
    reservedMemoryRegionBaseAddress: u64,
    reservedMemoryRegionLimitAddress: u64,
    scopes,
  }),
  fc.record({ kind: fc.constant('ATSR'), flags: u8, segmentNumber: u16, scopes }),
  fc.record({ kind: fc.constant('RHSA'), registerBaseAddress: u64, proximityDomain: u32 }),
  fc.record({ kind: fc.constant('ANDD'), acpiDeviceNumber: u8, acpiObjectName: fc.nat(20).chain(latin) }),
  fc.record({ kind: fc.constant('SATC'), flags: u8, segmentNumber: u16, scopes }),
  fc.record({ kind: fc.constant('SIDP'), segmentNumber: u16, scopes }),
  fc.record({ kind: fc.constant('unknown'), type: fc.integer({ min: 7, max: 0xffff }), data: digits(12) }),
)
const dmar: fc.Arbitrary<Dmar> = fc.record({
  signature: fc.constant('DMAR'),
  header,
  hostAddressWidth: u8,
  flags: u8,
  records: fc.array(record, { maxLength: 5 }),
})

test('a DMAR of any content is read back as it was written', () => {
  fc.assert(
    fc.property(dmar, (table) => {
      expect(withoutPositions(parseDmar(buildDmar(table)))).toEqual(withoutPositions(table))
    }),
    { numRuns },
  )
})

test('every record and scope stands at the offset that it is said to be at', () => {
  fc.assert(
    fc.property(dmar, (table) => {
      const bytes = buildDmar(table)
      const view = new DataView(bytes.buffer)
      let end = 48
      for (const one of parseDmar(bytes).records) {
        expect(one.offset).toBe(end)
        end += view.getUint16(end + 2, true)
        if (!('scopes' in one)) continue
        for (const [index, { offset = 0 }] of one.scopes.entries()) {
          const next = one.scopes[index + 1]?.offset ?? end
          expect(offset + view.getUint8(offset + 1)).toBe(next)
        }
      }
      expect(end).toBe(bytes.length)
    }),
    { numRuns },
  )
})

test('a MADT of any content is read back as it was written', () => {
  const entry: fc.Arbitrary<MadtRecord> = fc.oneof(
    fc.record({ kind: fc.constant('local-apic'), acpiProcessorUid: u8, apicId: u8, flags: u32 }),
    fc.record({ kind: fc.constant('io-apic'), ioApicId: u8, ioApicAddress: u32, globalSystemInterruptBase: u32 }),
    fc.record({
      kind: fc.constant('interrupt-source-override'),
      bus: u8,
      source: u8,
      globalSystemInterrupt: u32,
      flags: u16,
    }),
    fc.record({ kind: fc.constant('nmi-source'), flags: u16, globalSystemInterrupt: u32 }),
    fc.record({ kind: fc.constant('local-apic-address-override'), localApicAddress: u64 }),
    fc.record({ kind: fc.constant('local-x2apic'), x2apicId: u32, flags: u32, acpiProcessorUid: u32 }),
    fc.record({ kind: fc.constant('gic-its'), gicItsId: u32, physicalBaseAddress: u64 }),
    fc.record({ kind: fc.constant('unknown'), type: fc.integer({ min: 16, max: 255 }), data: digits(12) }),
  )
  const madt: fc.Arbitrary<Madt> = fc.record({
    signature: fc.constant('APIC'),
    header,
    localInterruptControllerAddress: u32,
    flags: u32,
    records: fc.array(entry, { maxLength: 6 }),
  })
  fc.assert(
    fc.property(madt, (table) => {
      expect(withoutPositions(parseMadt(buildMadt(table)))).toEqual(table)
    }),
    { numRuns },
  )
})

test('a MCFG of any content is read back as it was written', () => {
  const allocation = fc.record({
    baseAddress: u64,
    pciSegmentGroupNumber: u16,
    startBusNumber: u8,
    endBusNumber: u8,
  })
  const mcfg: fc.Arbitrary<Mcfg> = fc.record({
    signature: fc.constant('MCFG'),
    header,
    allocations: fc.array(allocation, { maxLength: 4 }),
  })
  fc.assert(
    fc.property(mcfg, (table) => {
      expect(withoutPositions(parseMcfg(buildMcfg(table)))).toEqual(table)
    }),
    { numRuns },
  )
})

test('a RSDP of either revision is read back as it was written', () => {
  const signature = fc.constant('RSD PTR ' as const)
  const rsdp: fc.Arbitrary<Rsdp> = fc.oneof(
    fc.record({ signature, oemId: latin(6), revision: fc.constant(0), rsdtAddress: u32 }),
    fc.record({
      signature,
      oemId: latin(6),
      revision: fc.integer({ min: 1, max: 255 }),
      rsdtAddress: u32,
      xsdtAddress: u64,
    }),
  )
  fc.assert(
    fc.property(rsdp, (table) => {
      expect(withoutPositions(parseRsdp(buildRsdp(table)))).toEqual(table)
    }),
    { numRuns },
  )
})

test('a FADT cut at any field is read back as it was written, and cut anywhere keeps its bytes', () => {
  const whole = buildFadt({
    ...Object.fromEntries(
      Object.entries(FADT.fields).map(([name, { kind }]) => {
        const address = { addressSpaceId: 1, registerBitWidth: 8, registerBitOffset: 0, accessSize: 0, address: 0x600 }
        return [name, kind === 'struct' ? address : kind === 'bytes' ? '0102030405060708' : 0x11]
      }),
    ),
    signature: 'FACP',
    header: sdtHeader(6),
  } as unknown as Fadt)
  expect(whole.length).toBe(276)
  for (let length = 116; length <= 276; length++) {
    const cut = whole.slice(0, length)
    new DataView(cut.buffer).setUint32(4, length, true)
    const table = parseFadt(cut)
    expect(buildFadt(table)).toEqual(cut)
    expect(table.X_DSDT !== undefined).toBe(length >= 148)
    expect(table.Hypervisor_Vendor_Identity !== undefined).toBe(length >= 276)
  }
})

test('any bytes are read, printed and rebuilt, or refused with a DmascopeError', () => {
  const signature = fc.constantFrom(
    'DMAR',
    'IVRS',
    'IORT',
    'VIOT',
    'APIC',
    'MCFG',
    'FACP',
    'HPET',
    'WAET',
    'RSDT',
    'XSDT',
    'FACS',
    'RSD PTR ',
    'SRAT',
  )
  fc.assert(
    fc.property(signature, fc.uint8Array({ maxLength: 160 }), fc.boolean(), (name, content, right) => {
      const bytes = Uint8Array.from([...[...name].map((one) => one.charCodeAt(0)), ...content])
      // Half of the runs get past the length, into the content.
      if (right && bytes.length >= 8 && name.length === 4) new DataView(bytes.buffer).setUint32(4, bytes.length, true)
      let table: ReturnType<typeof parseTable>
      try {
        table = parseTable(bytes)
      } catch (error) {
        expect(error).toBeInstanceOf(DmascopeError)
        return
      }
      expect(buildTable(table)).toEqual(bytes)
      printTable(table)
    }),
    { numRuns },
  )
})

test('a table with any byte changed, cut anywhere, is read and rebuilt, or refused', () => {
  const base = buildDmar({
    signature: 'DMAR',
    header: sdtHeader(1),
    hostAddressWidth: 47,
    flags: 1,
    records: [
      {
        kind: 'DRHD',
        flags: 0,
        size: 0,
        segmentNumber: 0,
        registerBaseAddress: 0xfed90000,
        scopes: [
          { kind: 'endpoint', flags: 0, enumerationId: 0, startBusNumber: 0, path: [{ device: 2, function: 0 }] },
        ],
      },
      { kind: 'ANDD', acpiDeviceNumber: 1, acpiObjectName: '\\_SB.PCI0.I2C0' },
    ],
  })
  const place = fc.nat(base.length - 1)
  fc.assert(
    fc.property(fc.array(fc.tuple(place, u8), { maxLength: 3 }), fc.nat(base.length), (changes, length) => {
      const bytes = base.slice()
      for (const [offset, value] of changes) bytes[offset] = value
      const cut = bytes.subarray(0, length)
      try {
        expect(buildTable(parseTable(cut))).toEqual(cut)
      } catch (error) {
        if (!(error instanceof DmascopeError)) throw error
      }
    }),
    { numRuns },
  )
})

test('any AML is searched for host bridges without an exception', () => {
  const opcodes = fc.constantFrom(
    0,
    1,
    0x08,
    0x0a,
    0x10,
    0x11,
    0x12,
    0x14,
    0x5b,
    0x82,
    0x70,
    0xa0,
    0xa1,
    0xa2,
    0xa4,
    0x92,
    0x5f,
    0x06,
  )
  const byte = fc.oneof({ weight: 3, arbitrary: opcodes }, { weight: 1, arbitrary: u8 })
  fc.assert(
    fc.property(fc.array(byte, { maxLength: 80 }), (content) => {
      const aml = content.map((one) => one.toString(16).padStart(2, '0')).join('')
      expect(Array.isArray(findHostBridges({ signature: 'DSDT', header: sdtHeader(2), aml }))).toBe(true)
    }),
    { numRuns },
  )
})

test('a loader script of any commands is read back as it was written', () => {
  const file = fc.stringMatching(/^[a-z/-]{0,55}$/)
  const command: fc.Arbitrary<LoaderCommand> = fc.oneof(
    fc.record({
      command: fc.constant('allocate'),
      file,
      align: u32,
      zone: fc.constantFrom<'high' | 'fseg' | number>('high', 'fseg', 3),
    }),
    fc.record({ command: fc.constant('add-pointer'), file, source: file, offset: u32, size: u8 }),
    fc.record({ command: fc.constant('add-checksum'), file, offset: u32, start: u32, length: u32 }),
    fc.record({ command: fc.constant('write-pointer'), file, source: file, offset: u32, sourceOffset: u32, size: u8 }),
    fc.record({
      command: fc.constant('unknown'),
      number: fc.integer({ min: 5, max: 0xffff_ffff }),
      data: fc.uint8Array({ minLength: 124, maxLength: 124 }).map((bytes) => Buffer.from(bytes).toString('hex')),
    }),
  )
  fc.assert(
    fc.property(fc.array(command, { maxLength: 6 }), (commands) => {
      const bytes = buildLoaderScript(commands)
      expect(bytes.length).toBe(commands.length * 128)
      expect(parseLoaderScript(bytes)).toEqual(commands)
    }),
    { numRuns },
  )
})
