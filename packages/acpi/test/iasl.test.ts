import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  aml,
  buildDefinitionBlock,
  buildDmar,
  buildFadt,
  buildHpet,
  buildMadt,
  buildMcfg,
  buildRsdt,
  buildTable,
  buildWaet,
  buildXsdt,
  definitionBlock,
  formatDmar,
  hostBridge,
  interruptLink,
  ioAddress,
  parseDmar,
  parseFadt,
  sdtHeader,
} from '../src/index.ts'
import { bytesOfPrinted } from './annotated-hex.ts'
import { compile, disassemble, fieldsOf, HEADER_FIELDS, hasIasl, linesAt, sameValue } from './iasl.ts'

/** What iasl calls a field of a DMAR, and what the specification, and so we, call it. */
const NAMES: Readonly<Record<string, string>> = {
  ...HEADER_FIELDS,
  'Host Address Width': 'Host Address Width',
  Flags: 'Flags',
  'Subtable Type': 'Type',
  Length: 'Length',
  'PCI Segment Number': 'Segment Number',
  'Register Base Address': 'Register Base Address',
  'Base Address': 'Register Base Address',
  'End Address (limit)': 'Reserved Memory Region Limit Address',
  'Proximity Domain': 'Proximity Domain',
  'Device Number': 'ACPI Device Number',
  'Device Scope Type': 'Type',
  'Entry Length': 'Length',
  'Enumeration ID': 'Enumeration ID',
  'PCI Bus Number': 'Start Bus Number',
}

const corpus = process.env.DMASCOPE_CORPUS

describe.skipIf(!hasIasl || corpus === undefined)(
  'skipped where iasl is not installed or DMASCOPE_CORPUS not set',
  () => {
    test('every field of every real DMAR is what iasl says it is', () => {
      const folder = join(corpus ?? '', 'acpi', 'DMAR')
      const files = readdirSync(folder).filter((name) => name.endsWith('.dat'))
      const tables = Object.fromEntries(
        files.map((name) => [name.replace('.dat', ''), new Uint8Array(readFileSync(join(folder, name)))]),
      )
      const { texts } = disassemble(tables)
      let compared = 0
      for (const [name, bytes] of Object.entries(tables)) {
        const parsed = parseDmar(bytes)
        const lines = formatDmar(parsed)
        // This iasl may know no SATC and SIDP, and stops at the first: compare up to there.
        const later = parsed.records.find(({ kind }) => kind === 'SATC' || kind === 'SIDP')
        const known = later?.offset ?? bytes.length
        const fields = fieldsOf(texts[name] ?? '').filter(({ offset }) => offset < known)
        let covered = 0
        for (const field of fields) {
          const where = `${name} ${field.name} at 0x${field.offset.toString(16)}`
          compared++
          if (field.name === 'Device Name') {
            // iasl leaves out the NULs that end the name and fill the record.
            const record = parsed.records.find(({ offset = 0 }) => offset + 8 === field.offset)
            const text = record?.kind === 'ANDD' ? record.acpiObjectName : ''
            expect(JSON.stringify(text.replace(/\0+$/, '')), where).toBe(field.value.replaceAll('\\', '\\\\'))
            covered += text.length + 1
            continue
          }
          const ours = linesAt(lines, field.offset, field.size)
          expect(
            ours.map(({ size }) => size).reduce((sum, size) => sum + size, 0),
            where,
          ).toBe(field.size)
          expect(sameValue(field.value, ours.map((line) => line.bytes).join('')), `${where}: ${field.value}`).toBe(true)
          if (field.name === 'Base Address') {
            expect(ours[0]?.field, where).toMatch(/Base Address$/)
          } else if (field.name === 'PCI Path') {
            expect(
              ours.map((line) => line.field),
              where,
            ).toEqual(['Device', 'Function'])
          } else if (field.name !== 'Reserved') {
            expect(ours[0]?.field, where).toBe(NAMES[field.name])
          }
          covered += field.size
          compared++
        }
        expect(covered, name).toBe(known)
      }
      expect(compared).toBeGreaterThan(files.length * 12)
    })
  },
)

describe.skipIf(!hasIasl)('what is built here disassembles (skipped where iasl is not installed)', () => {
  const header = sdtHeader(1)
  const scope = {
    kind: 'endpoint',
    flags: 0,
    enumerationId: 0,
    startBusNumber: 0,
    path: [{ device: 2, function: 0 }],
  } as const
  const scopes = [{ ...scope, path: [...scope.path] }]
  const golden = readFileSync(new URL('./golden/qemu-11.1-q35.facp.txt', import.meta.url), 'utf8')
  const tables: Record<string, Uint8Array> = {
    dmar: buildDmar({
      signature: 'DMAR',
      header,
      hostAddressWidth: 47,
      flags: 1,
      records: [
        { kind: 'DRHD', flags: 1, size: 0, segmentNumber: 0, registerBaseAddress: 0xfed90000, scopes },
        {
          kind: 'RMRR',
          segmentNumber: 0,
          reservedMemoryRegionBaseAddress: 0x7f000000,
          reservedMemoryRegionLimitAddress: 0x7f0fffff,
          scopes,
        },
        { kind: 'ATSR', flags: 1, segmentNumber: 0, scopes: [] },
        { kind: 'RHSA', registerBaseAddress: 0xfed90000, proximityDomain: 1 },
        { kind: 'ANDD', acpiDeviceNumber: 1, acpiObjectName: '\\_SB.PCI0.I2C0' },
      ],
    }),
    madt: buildMadt({
      signature: 'APIC',
      header: sdtHeader(3),
      localInterruptControllerAddress: 0xfee00000,
      flags: 1,
      records: [
        { kind: 'local-apic', acpiProcessorUid: 0, apicId: 0, flags: 1 },
        { kind: 'io-apic', ioApicId: 0, ioApicAddress: 0xfec00000, globalSystemInterruptBase: 0 },
        { kind: 'interrupt-source-override', bus: 0, source: 9, globalSystemInterrupt: 9, flags: 0xd },
        { kind: 'nmi-source', flags: 0, globalSystemInterrupt: 1 },
        { kind: 'local-apic-nmi', acpiProcessorUid: 255, flags: 0, localApicLint: 1 },
        { kind: 'local-apic-address-override', localApicAddress: 0xfee00000 },
        { kind: 'local-x2apic', x2apicId: 256, flags: 1, acpiProcessorUid: 256 },
        { kind: 'local-x2apic-nmi', flags: 0, acpiProcessorUid: 0xffffffff, localX2apicLint: 1 },
        { kind: 'gicd', gicId: 0, physicalBaseAddress: 0x8000000, systemVectorBase: 0, gicVersion: 3 },
        {
          kind: 'gic-msi-frame',
          gicMsiFrameId: 0,
          physicalBaseAddress: 0x8020000,
          flags: 1,
          spiCount: 64,
          spiBase: 80,
        },
        { kind: 'gicr', discoveryRangeBaseAddress: 0x80a0000, discoveryRangeLength: 0xf60000 },
        { kind: 'gic-its', gicItsId: 0, physicalBaseAddress: 0x8080000 },
      ],
    }),
    mcfg: buildMcfg({
      signature: 'MCFG',
      header,
      allocations: [{ baseAddress: 0xb0000000, pciSegmentGroupNumber: 0, startBusNumber: 0, endBusNumber: 255 }],
    }),
    hpet: buildHpet({
      signature: 'HPET',
      header,
      eventTimerBlockId: 0x8086a201,
      baseAddress: { addressSpaceId: 0, registerBitWidth: 0, registerBitOffset: 0, accessSize: 0, address: 0xfed00000 },
      hpetNumber: 0,
      mainCounterMinimumClockTick: 0,
      pageProtection: 0,
    }),
    waet: buildWaet({ signature: 'WAET', header, emulatedDeviceFlags: 2 }),
    fadt: buildFadt({ ...parseFadt(bytesOfPrinted(golden)), X_PM_TMR_BLK: ioAddress(0x608, 32) }),
    rsdt: buildRsdt({ signature: 'RSDT', header, entries: [0x1000, 0x2000] }),
    xsdt: buildXsdt({ signature: 'XSDT', header, entries: [0x1000, '0xffffffff00001000'] }),
  }

  test('without a complaint, with every byte in a field', () => {
    const { texts, log } = disassemble(tables)
    expect(log).not.toMatch(/error|invalid|unknown|warning/i)
    for (const [name, bytes] of Object.entries(tables)) {
      const text = texts[name] ?? ''
      expect(text.replace(/Machine Check Exception/g, ''), name).not.toMatch(/\*\*\*|Error|Invalid|Unknown|incorrect/)
      const last = fieldsOf(text).at(-1)
      expect((last?.offset ?? 0) + (last?.size ?? 0), name).toBe(bytes.length)
    }
  })

  test('a definition block disassembles, and compiles back to the same AML', () => {
    const block = definitionBlock('DSDT', [
      aml.scope(
        '\\_SB',
        interruptLink('GSIA', 0, 16),
        hostBridge({
          name: 'PCI0',
          uid: 0,
          segment: 0,
          bus: 0,
          lastBus: 255,
          express: true,
          ports: [
            { first: 0, last: 0xcf7 },
            { first: 0xd00, last: 0xffff },
          ],
          memory: [
            { first: 0xa0000, last: 0xbffff },
            { first: 0xc0000000, last: 0xfebfffff },
            { first: 0x1_0000_0000, last: 0x8_ffff_ffff, prefetchable: true },
          ],
          routing: [
            { device: 2, pin: 0, link: 'GSIA' },
            { device: 3, pin: 1, gsi: 17 },
          ],
          terms: [aml.device('LPC', aml.name('_ADR', aml.integer(0x1f0000)))],
        }),
      ),
    ])
    const bytes = buildDefinitionBlock(block)
    const { texts, log } = disassemble({ dsdt: bytes })
    expect(log).not.toMatch(/error|invalid|warning/i)
    const source = texts.dsdt ?? ''
    for (const words of [
      'EisaId ("PNP0A08")',
      'Device (PCI0)',
      'Name (_BBN, Zero)',
      'QWordMemory',
      'WordBusNumber',
      '0x0002FFFF',
    ]) {
      expect(source).toContain(words)
    }
    expect(Buffer.from(compile(source).subarray(36)).toString('hex')).toBe(
      Buffer.from(bytes.subarray(36)).toString('hex'),
    )
  })

  test('what is wrong stays wrong: iasl sees the bad checksum', () => {
    const table = parseDmar(tables.dmar ?? new Uint8Array(0))
    const bytes = buildTable({ ...table, header: { ...table.header, checksum: 0 } })
    expect(bytes[9]).toBe(0)
    expect(disassemble({ bad: bytes }).texts.bad).toContain('Incorrect checksum')
  })
})
