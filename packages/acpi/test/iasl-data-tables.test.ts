import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  buildFacs,
  buildFadt,
  buildGtdt,
  buildHpet,
  buildMadt,
  buildMcfg,
  buildPptt,
  buildRsdt,
  buildTable,
  buildViot,
  buildWaet,
  buildXsdt,
  type Fadt,
  formatTable,
  type GenericAddress,
  parseTable,
  sdtHeader,
  viotNodeOffsets,
} from '../src/index.ts'
import { findTables } from '../src/text/index.ts'
import { bytesOfPrinted } from './annotated-hex.ts'
import { disassemble, fieldsOf, hasIasl, linesAt, sameValue } from './iasl.ts'

const HEADER: Readonly<Record<string, string>> = {
  Signature: 'Signature',
  'Table Length': 'Length',
  Length: 'Length',
  Revision: 'Revision',
  Checksum: 'Checksum',
  'Oem ID': 'OEM ID',
  'Oem Table ID': 'OEM Table ID',
  'Oem Revision': 'OEM Revision',
  'Asl Compiler ID': 'Creator ID',
  'Asl Compiler Revision': 'Creator Revision',
  Reserved: 'Reserved',
}
const ADDRESS = {
  'Space ID': /Address Space ID$/,
  'Bit Width': /Register Bit Width$/,
  'Bit Offset': /Register Bit Offset$/,
  'Encoded Access Width': /Access Size$/,
  Address: /Address$/,
}

type Names = Readonly<Record<string, string | RegExp>>

/** What iasl calls the fields of a table, and what the specification, and so we, call them. */
const NAMES: Readonly<Record<string, Names>> = {
  MCFG: {
    'Base Address': 'Base Address',
    'Segment Group Number': 'PCI Segment Group Number',
    'Start Bus Number': 'Start Bus Number',
    'End Bus Number': 'End Bus Number',
  },
  HPET: {
    ...ADDRESS,
    'Hardware Block ID': 'Event Timer Block ID',
    'Sequence Number': 'HPET Number',
    'Minimum Clock Ticks': 'Main Counter Minimum Clock Tick',
    'Flags (decoded below)': 'Page Protection',
  },
  WAET: { 'Flags (decoded below)': 'Emulated Device Flags' },
  RSDT: { 'ACPI Table Address': 'Entry' },
  XSDT: { 'ACPI Table Address': 'Entry' },
  FACS: {
    'Hardware Signature': 'Hardware Signature',
    '32 Firmware Waking Vector': 'Firmware Waking Vector',
    'Global Lock': 'Global Lock',
    'Flags (decoded below)': 'Flags',
    '64 Firmware Waking Vector': 'X Firmware Waking Vector',
    Version: 'Version',
    'OspmFlags (decoded below)': 'OSPM Flags',
  },
  APIC: {
    'Local Apic Address': 'Local Interrupt Controller Address',
    'Flags (decoded below)': 'Flags',
    'Subtable Type': 'Type',
    Length: /^(Length|Discovery Range Length)$/,
    'Processor ID': 'ACPI Processor UID',
    'Local Apic ID': 'APIC ID',
    'I/O Apic ID': 'I/O APIC ID',
    Address: 'I/O APIC Address',
    Interrupt: /^Global System Interrupt(?: Base)?$/,
    Bus: 'Bus',
    Source: 'Source',
    'Interrupt Input LINT': /^Local (?:X2|x2)?APIC Lint$/,
    'APIC Address': 'Local APIC Address',
    'Processor x2Apic ID': 'x2APIC ID',
    'Processor UID': 'ACPI Processor UID',
    'Local GIC Hardware ID': /^GIC(?: MSI Frame)? ID$/,
    'MSI Frame ID': 'GIC MSI Frame ID',
    'Base Address': /^(?:Physical|Discovery Range) Base Address$/,
    'Interrupt Base': 'System Vector Base',
    Version: 'GIC Version',
    'CPU Interface Number': 'Cpu Interface Number',
    'Parking Protocol Version': 'Parking Protocol Version',
    'Performance Interrupt': 'Performance Interrupt GSIV',
    'Parked Address': 'Parked Address',
    'Virtual GIC Base Address': 'Gicv',
    'Hypervisor GIC Base Address': 'Gich',
    'Virtual GIC Interrupt': 'Vgic Maintenance Interrupt',
    'Redistributor Base Address': 'Gicr Base Address',
    'ARM MPIDR': 'Mpidr',
    'Efficiency Class': 'Processor Power Efficiency Class',
    'SPE Overflow Interrupt': 'Spe Overflow Interrupt',
    'SPI Count': 'SPI Count',
    'SPI Base': 'SPI Base',
    'Translation ID': 'GIC ITS ID',
  },
  FACP: {
    ...ADDRESS,
    'FACS Address': /^(?:X_)?FIRMWARE_CTRL$/,
    'DSDT Address': /^(?:X_)?DSDT$/,
    // Of ACPI 1.0.
    Model: 'Reserved',
    'PM Profile': 'Preferred_PM_Profile',
    'SCI Interrupt': 'SCI_INT',
    'SMI Command Port': 'SMI_CMD',
    'ACPI Enable Value': 'ACPI_ENABLE',
    'ACPI Disable Value': 'ACPI_DISABLE',
    'S4BIOS Command': 'S4BIOS_REQ',
    'P-State Control': 'PSTATE_CNT',
    'PM1A Event Block Address': 'PM1a_EVT_BLK',
    'PM1B Event Block Address': 'PM1b_EVT_BLK',
    'PM1A Control Block Address': 'PM1a_CNT_BLK',
    'PM1B Control Block Address': 'PM1b_CNT_BLK',
    'PM2 Control Block Address': 'PM2_CNT_BLK',
    'PM Timer Block Address': 'PM_TMR_BLK',
    'GPE0 Block Address': 'GPE0_BLK',
    'GPE1 Block Address': 'GPE1_BLK',
    'PM1 Event Block Length': 'PM1_EVT_LEN',
    'PM1 Control Block Length': 'PM1_CNT_LEN',
    'PM2 Control Block Length': 'PM2_CNT_LEN',
    'PM Timer Block Length': 'PM_TMR_LEN',
    'GPE0 Block Length': 'GPE0_BLK_LEN',
    'GPE1 Block Length': 'GPE1_BLK_LEN',
    'GPE1 Base Offset': 'GPE1_BASE',
    '_CST Support': 'CST_CNT',
    'C2 Latency': 'P_LVL2_LAT',
    'C3 Latency': 'P_LVL3_LAT',
    'CPU Cache Size': 'FLUSH_SIZE',
    'Cache Flush Stride': 'FLUSH_STRIDE',
    'Duty Cycle Offset': 'DUTY_OFFSET',
    'Duty Cycle Width': 'DUTY_WIDTH',
    'RTC Day Alarm Index': 'DAY_ALRM',
    'RTC Month Alarm Index': 'MON_ALRM',
    'RTC Century Index': 'CENTURY',
    'Boot Flags (decoded below)': 'IAPC_BOOT_ARCH',
    'Flags (decoded below)': 'Flags',
    'Value to cause reset': 'RESET_VALUE',
    'ARM Flags (decoded below)': 'ARM_BOOT_ARCH',
    'FADT Minor Revision': 'FADT_Minor_Version',
    'Hypervisor ID': 'Hypervisor_Vendor_Identity',
  },
  GTDT: {
    'Counter Block Address': 'Cnt Control Base Physical Address',
    'Secure EL1 Interrupt': 'Secure El1 Timer GSIV',
    'EL1 Flags (decoded below)': 'Secure El1 Timer Flags',
    'Non-Secure EL1 Interrupt': 'Non Secure El1 Timer GSIV',
    'NEL1 Flags (decoded below)': 'Non Secure El1 Timer Flags',
    'Virtual Timer Interrupt': /^(?:Virtual El1|Gtx Virtual) Timer GSIV$/,
    'VT Flags (decoded below)': 'Virtual El1 Timer Flags',
    'Non-Secure EL2 Interrupt': 'El2 Timer GSIV',
    'NEL2 Flags (decoded below)': 'El2 Timer Flags',
    'Counter Read Block Address': 'Cnt Read Base Physical Address',
    'Platform Timer Count': 'Platform Timer Count',
    'Platform Timer Offset': 'Platform Timer Offset',
    'Virtual EL2 Timer GSIV': 'Virtual El2 Timer GSIV',
    'Virtual EL2 Timer Flags': 'Virtual El2 Timer Flags',
    'Subtable Type': 'Type',
    Length: 'Length',
    'Block Address': 'Gt Block Physical Address',
    'Timer Count': 'Gt Block Timer Count',
    'Timer Offset': 'Gt Block Timer Offset',
    'Frame Number': 'Gt Frame Number',
    'Base Address': 'Gtx Physical Address',
    'EL0 Base Address': 'Gtx El0 Physical Address',
    'Timer Interrupt': /^(?:Gtx Physical|Watchdog) Timer GSIV$/,
    'Timer Flags (decoded below)': /^(?:Gtx Physical|Watchdog) Timer Flags$/,
    'Virtual Timer Flags (decoded below)': 'Gtx Virtual Timer Flags',
    'Common Flags (decoded below)': 'Gtx Common Flags',
    'Refresh Frame Address': 'Refresh Frame Physical Address',
    'Control Frame Address': 'Watchdog Control Frame Physical Address',
  },
  PPTT: {
    'Subtable Type': 'Type',
    Length: 'Length',
    'Flags (decoded below)': 'Flags',
    Parent: 'Parent',
    'ACPI Processor ID': 'ACPI Processor ID',
    'Private Resource Number': 'Number Of Private Resources',
    'Private Resource': 'Reference',
    'Next Level of Cache': 'Next Level Of Cache',
    Size: 'Size',
    'Number of Sets': 'Number Of Sets',
    Associativity: 'Associativity',
    Attributes: 'Attributes',
    'Line Size': 'Line Size',
    'Cache ID': 'Cache ID',
  },
  SPCR: {
    ...ADDRESS,
    'Interface Type': 'Interface Type',
    'Interrupt Type': 'Interrupt Type',
    'PCAT-compatible IRQ': 'Irq',
    Interrupt: 'Global System Interrupt',
    'Baud Rate': 'Configured Baud Rate',
    Parity: 'Parity',
    'Stop Bits': 'Stop Bits',
    'Flow Control': 'Flow Control',
    'Terminal Type': 'Terminal Type',
    'PCI Device ID': /^PCI Device ID$/i,
    'PCI Vendor ID': /^PCI Vendor ID$/i,
    'PCI Bus': /^PCI Bus Number$/i,
    'PCI Device': /^PCI Device Number$/i,
    'PCI Function': /^PCI Function Number$/i,
    'PCI Flags': /^PCI Flags$/i,
    'PCI Segment': /^PCI Segment$/i,
    Reserved: /^(?:Reserved|Uart Clock Frequency)$/,
  },
  DBG2: {
    ...ADDRESS,
    'Info Offset': 'Offset Dbg Device Info',
    'Info Count': 'Number Dbg Device Info',
    Length: 'Length',
    Revision: /^(?:Revision|Type)$/,
    'Register Count': 'Number Of Generic Address Registers',
    'Namepath Length': 'Namespace String Length',
    'Namepath Offset': 'Namespace String Offset',
    'OEM Data Length': 'OEM Data Length',
    'OEM Data Offset': 'OEM Data Offset',
    'Port Type': 'Port Type',
    'Port Subtype': 'Port Subtype',
    'Base Address Offset': 'Base Address Register Offset',
    'Address Size Offset': 'Address Size Offset',
    'Address Size': 'Size',
    Namepath: 'Byte',
  },
  // This iasl may not know it, and prints its header alone.
  VIOT: {},
}

/** Where iasl and we disagree on a table, and how many of its bytes iasl has fields for. */
function compare(signature: string, bytes: Uint8Array, text: string): { differences: string[]; covered: number } {
  const lines = formatTable(parseTable(bytes))
  const names: Names = { ...HEADER, ...NAMES[signature] }
  const differences: string[] = []
  let covered = 0
  for (const { offset, size, name, value } of fieldsOf(text)) {
    // It goes before the fields of the structure.
    if (value === '[Generic Address Structure]' || value === '') continue
    covered += size
    // It takes the byte of the language from another place.
    if (signature === 'SPCR' && name === 'Reserved' && size === 1) continue
    const ours = linesAt(lines, offset, size)
    const digits = ours.map((line) => line.bytes).join('')
    const field = ours[0]?.field ?? 'nothing'
    // An entry of a RSDT has its number behind its name.
    const wanted = names[name.replace(/ +\d+$/, '')]
    const isNamed = wanted instanceof RegExp ? wanted.test(field) : wanted === field
    if (isNamed && digits.length === size * 2 && sameValue(value, digits)) continue
    differences.push(`0x${offset.toString(16)}: iasl has ${name} ${value}, we have ${field} ${digits}`)
  }
  return { differences, covered }
}

const corpus = process.env.DMASCOPE_CORPUS
const golden = (name: string): Uint8Array =>
  bytesOfPrinted(readFileSync(new URL(`./golden/${name}`, import.meta.url), 'utf8'))

describe.skipIf(!hasIasl || corpus === undefined)(
  'real MCFGs (skipped where iasl is not installed or DMASCOPE_CORPUS not set)',
  () => {
    const folder = join(corpus ?? '', 'acpi', 'MCFG')
    const files = corpus === undefined ? [] : readdirSync(folder).filter((name) => name.endsWith('.dat'))
    const tables = Object.fromEntries(
      files.map((name) => [name.replace('.dat', ''), new Uint8Array(readFileSync(join(folder, name)))]),
    )

    test('every field is what iasl says it is', () => {
      expect(files.length).toBeGreaterThan(0)
      const { texts } = disassemble(tables)
      for (const [name, bytes] of Object.entries(tables)) {
        expect(compare('MCFG', bytes, texts[name] ?? ''), name).toEqual({ differences: [], covered: bytes.length })
      }
    })
  },
)

describe.skipIf(!hasIasl || corpus === undefined)(
  'the raw data in the text of iasl (skipped where iasl is not installed or DMASCOPE_CORPUS not set)',
  () => {
    test.each(['DMAR', 'IVRS', 'MCFG'])('of every real %s is its bytes', (kind) => {
      const folder = join(corpus ?? '', 'acpi', kind)
      const files = readdirSync(folder).filter((name) => name.endsWith('.dat'))
      const tables = Object.fromEntries(
        files.map((name) => [name.replace('.dat', ''), new Uint8Array(readFileSync(join(folder, name)))]),
      )
      const { texts } = disassemble(tables)
      for (const [name, bytes] of Object.entries(tables)) {
        const found = findTables(new TextEncoder().encode(texts[name]))
        expect(
          found.map(({ form, problems }) => ({ form, problems })),
          name,
        ).toEqual([{ form: 'iasl', problems: [] }])
        expect(Buffer.compare(found[0]!.bytes, bytes), name).toBe(0)
      }
    })
  },
)

const header = sdtHeader(1)
const register = (address: number): GenericAddress => ({
  addressSpaceId: 1,
  registerBitWidth: 32,
  registerBitOffset: 0,
  accessSize: 3,
  address,
})

/** Every register at an address of its own. */
function fullFadt(): Uint8Array {
  const { problems: _, ...table } = parseTable(golden('qemu-11.1-q35.facp.txt')) as Fadt
  const registers = 'PM1a_EVT_BLK PM1b_EVT_BLK PM1a_CNT_BLK PM1b_CNT_BLK PM2_CNT_BLK PM_TMR_BLK GPE0_BLK GPE1_BLK'
  const full: Record<string, unknown> = { ...table, header: sdtHeader(6) }
  for (const [index, name] of registers.split(' ').entries()) full[`X_${name}`] = register(0x600 + index * 0x10)
  return buildFadt({
    ...(full as unknown as Fadt),
    ARM_BOOT_ARCH: 3,
    FADT_Minor_Version: 5,
    SLEEP_CONTROL_REG: register(0x700),
    SLEEP_STATUS_REG: register(0x710),
    Hypervisor_Vendor_Identity: '4b564d4b564d4b56',
  })
}

const GICC = {
  kind: 'gicc',
  cpuInterfaceNumber: 1,
  acpiProcessorUid: 2,
  flags: 1,
  parkingProtocolVersion: 0,
  performanceInterruptGsiv: 23,
  parkedAddress: 0,
  physicalBaseAddress: 0x8010000,
  gicv: 0x8040000,
  gich: 0x8030000,
  vgicMaintenanceInterrupt: 25,
  gicrBaseAddress: 0x80a0000,
  mpidr: 0x100,
} as const

const viotNodes = [
  { kind: 'virtio-iommu-pci', pciSegment: 0, pciBdf: 8 },
  {
    kind: 'pci-range',
    endpointStart: 0,
    pciSegmentStart: 0,
    pciSegmentEnd: 0,
    pciBdfStart: 0,
    pciBdfEnd: 0xff,
    outputNode: 0x30,
  },
] as const

const MADE: Readonly<Record<string, Uint8Array>> = {
  MCFG: buildMcfg({
    signature: 'MCFG',
    header,
    allocations: [
      { baseAddress: 0xb0000000, pciSegmentGroupNumber: 0, startBusNumber: 0, endBusNumber: 255 },
      { baseAddress: '0x8000000010000000', pciSegmentGroupNumber: 1, startBusNumber: 16, endBusNumber: 31 },
    ],
  }),
  HPET: buildHpet({
    signature: 'HPET',
    header,
    eventTimerBlockId: 0x8086a201,
    baseAddress: register(0xfed00000),
    hpetNumber: 1,
    mainCounterMinimumClockTick: 0x37ee,
    pageProtection: 1,
  }),
  WAET: buildWaet({ signature: 'WAET', header, emulatedDeviceFlags: 2 }),
  FACS: buildFacs({ ...(parseTable(golden('qemu-11.1-q35.facs.txt')) as Parameters<typeof buildFacs>[0]), flags: 3 }),
  RSDT: buildRsdt({ signature: 'RSDT', header, entries: [0x1000, 0x2000] }),
  XSDT: buildXsdt({ signature: 'XSDT', header, entries: [0x1000, '0xffffffff00001000'] }),
  FACP: fullFadt(),
  APIC: buildMadt({
    signature: 'APIC',
    header: sdtHeader(5),
    localInterruptControllerAddress: 0xfee00000,
    flags: 1,
    records: [
      { kind: 'local-apic', acpiProcessorUid: 1, apicId: 2, flags: 1 },
      { kind: 'io-apic', ioApicId: 3, ioApicAddress: 0xfec00000, globalSystemInterruptBase: 24 },
      { kind: 'interrupt-source-override', bus: 0, source: 9, globalSystemInterrupt: 10, flags: 0xd },
      { kind: 'nmi-source', flags: 5, globalSystemInterrupt: 1 },
      { kind: 'local-apic-nmi', acpiProcessorUid: 255, flags: 5, localApicLint: 1 },
      { kind: 'local-apic-address-override', localApicAddress: '0xfffffffffee00000' },
      { kind: 'local-x2apic', x2apicId: 256, flags: 1, acpiProcessorUid: 257 },
      { kind: 'local-x2apic-nmi', flags: 5, acpiProcessorUid: 0xffffffff, localX2apicLint: 1 },
      { ...GICC, processorPowerEfficiencyClass: 7, speOverflowInterrupt: 21 },
      { ...GICC },
      { kind: 'gicd', gicId: 0, physicalBaseAddress: 0x8000000, systemVectorBase: 0, gicVersion: 3 },
      { kind: 'gic-msi-frame', gicMsiFrameId: 1, physicalBaseAddress: 0x8020000, flags: 1, spiCount: 64, spiBase: 80 },
      { kind: 'gicr', discoveryRangeBaseAddress: 0x80a0000, discoveryRangeLength: 0xf60000 },
      { kind: 'gic-its', gicItsId: 1, physicalBaseAddress: 0x8080000 },
    ],
  }),
  GTDT: buildGtdt({
    signature: 'GTDT',
    header: sdtHeader(3),
    cntControlBasePhysicalAddress: 0x2a43_0000,
    secureEl1TimerGsiv: 29,
    secureEl1TimerFlags: 2,
    nonSecureEl1TimerGsiv: 30,
    nonSecureEl1TimerFlags: 7,
    virtualEl1TimerGsiv: 27,
    virtualEl1TimerFlags: 1,
    el2TimerGsiv: 26,
    el2TimerFlags: 4,
    cntReadBasePhysicalAddress: 0x2a80_0000,
    platformTimerCount: 2,
    platformTimerOffset: 104,
    virtualEl2TimerGsiv: 28,
    virtualEl2TimerFlags: 2,
    platformTimers: [
      {
        kind: 'gt-block',
        gtBlockPhysicalAddress: 0x2a81_0000,
        gtBlockTimerCount: 1,
        gtBlockTimerOffset: 20,
        timers: [
          {
            gtFrameNumber: 1,
            gtxPhysicalAddress: 0x2a83_0000,
            gtxEl0PhysicalAddress: '0xffffffffffffffff',
            gtxPhysicalTimerGsiv: 92,
            gtxPhysicalTimerFlags: 2,
            gtxVirtualTimerGsiv: 93,
            gtxVirtualTimerFlags: 1,
            gtxCommonFlags: 2,
          },
        ],
      },
      {
        kind: 'watchdog',
        refreshFramePhysicalAddress: 0x2a45_0000,
        watchdogControlFramePhysicalAddress: 0x2a44_0000,
        watchdogTimerGsiv: 91,
        watchdogTimerFlags: 1,
      },
    ],
  }),
  PPTT: buildPptt({
    signature: 'PPTT',
    header: sdtHeader(2),
    records: [
      { kind: 'processor', flags: 1, parent: 0, acpiProcessorId: 0, privateResources: [] },
      {
        kind: 'cache',
        flags: 0xff,
        nextLevelOfCache: 0,
        size: 0x8000,
        numberOfSets: 256,
        associativity: 2,
        attributes: 0xa,
        lineSize: 64,
      },
      { kind: 'processor', flags: 10, parent: 36, acpiProcessorId: 1, privateResources: [56] },
    ],
  }),
  VIOT: buildViot({ signature: 'VIOT', header, nodes: viotNodes.map((node) => ({ ...node })) }),
}

describe.skipIf(!hasIasl)('every kind of table (skipped where iasl is not installed)', () => {
  const goldens = readdirSync(new URL('./golden/', import.meta.url))
    .filter((name) => /\.(?:apic|facp|facs|hpet|mcfg|waet|viot|gtdt|pptt|spcr|dbg2)\.txt$/.test(name))
    .map((name): [string, Uint8Array] => [name, golden(name)])

  test('what QEMU and we build has the fields and values that iasl prints', () => {
    const tables = Object.fromEntries([...goldens, ...Object.entries(MADE)])
    const { texts } = disassemble(tables)
    for (const [name, bytes] of Object.entries(tables)) {
      const { signature } = parseTable(bytes)
      const { differences, covered } = compare(signature, bytes, texts[name] ?? '')
      expect(differences, name).toEqual([])
      // The last 24 bytes of a FACS are reserved: iasl leaves them out.
      const known = signature === 'FACS' ? 40 : bytes.length
      const isUnknown = /Unknown ACPI table signature/.test(texts[name] ?? '')
      expect(covered, name).toBe(isUnknown ? 36 : known)
      expect(isUnknown && signature !== 'VIOT', name).toBe(false)
    }
  })

  test('a GIC CPU interface has the lengths of the revisions of ACPI', () => {
    const { records } = parseTable(MADE.APIC!) as unknown as { records: { kind: string; offset: number }[] }
    const starts = records.map(({ offset }) => offset)
    const gicc = records.findIndex(({ kind }) => kind === 'gicc')
    expect(starts[gicc + 1]! - starts[gicc]!).toBe(80)
    expect(starts[gicc + 2]! - starts[gicc + 1]!).toBe(76)
    const last = buildTable({
      signature: 'APIC',
      header,
      localInterruptControllerAddress: 0,
      flags: 0,
      records: [{ ...GICC, processorPowerEfficiencyClass: 0, speOverflowInterrupt: 0, trbeInterrupt: 22 }],
    })
    expect(last.length - 44).toBe(82)
    expect(parseTable(last).problems).toEqual([])
    expect(buildTable(parseTable(last))).toEqual(last)
  })

  test('the nodes of a VIOT stand where references say', () => {
    expect(viotNodeOffsets({ nodes: viotNodes.map((node) => ({ ...node })) })).toEqual([0x30, 0x40])
  })
})
