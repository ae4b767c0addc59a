import { formatTable, parseTable } from '../src/index.ts'
import { fieldsOf, HEADER_FIELDS, linesAt, sameValue } from './iasl.ts'

const HEADER: Readonly<Record<string, string>> = { ...HEADER_FIELDS, Length: 'Length', Reserved: 'Reserved' }
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
export function compareFields(
  signature: string,
  bytes: Uint8Array,
  text: string,
): { differences: string[]; covered: number } {
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
