import { tableOf } from '../annotated-hex.ts'
import { type LintCase, le, madt, pci, topology, withBytes, withSum } from './lint-case.ts'

/** 48 address bits, interrupt remapping; records from byte 48 on. */
const dmar = (records: string, head = '2f 01 00000000000000000000'): Uint8Array => tableOf('DMAR', `${head} ${records}`)
const sized = (type: number, body: string): string => {
  const bytes = body.replace(/\s/g, '').length / 2
  return `${le(type, 2)} ${le(bytes + 4, 2)} ${body}`
}
const scope = (type: number, bus: number, path: string, id = 0): string => {
  const bytes = path.replace(/\s/g, '').length / 2
  return `${le(type, 1)} ${le(bytes + 6, 1)} 0000 ${le(id, 1)} ${le(bus, 1)} ${path} `
}
const IOAPIC = scope(3, 0xff, '0000')
const drhd = (flags: number, base: number | bigint, scopes: string, segment = 0): string =>
  sized(0, `${le(flags, 1)} 00 ${le(segment, 2)} ${le(base, 8)} ${scopes}`)
const rmrr = (base: number, limit: number, scopes: string): string =>
  sized(1, `0000 0000 ${le(base, 8)} ${le(limit, 8)} ${scopes}`)
const andd = (number: number, name: string): string =>
  sized(4, `000000 ${le(number, 1)} ${[...name].map((one) => le(one.charCodeAt(0), 1)).join('')}`)

/** Bytes 48 to 71: all of segment 0, and the I/O APIC 0. */
const UNIT = drhd(1, 0xfed9_0000, IOAPIC)
const NIC = scope(1, 0, '0200')
const CLEAN = dmar(UNIT)
const SECOND = 72
// A function behind a VMD is in a segment of the kernel's own.
const machine = topology(
  pci('00:00.0'),
  pci('00:02.0'),
  pci('00:1c.0', { secondaryBus: 1 }),
  pci('01:00.0'),
  pci('e1:00.0', { segment: 0x1_0000 }),
)

const without = (rule: number, trips: Uint8Array, at: number, clean = CLEAN): LintCase => ({
  rule: `DMAR-${String(rule).padStart(4, '0')}`,
  trips,
  at,
  clean,
})

export const DMAR_CASES: readonly LintCase[] = [
  without(1, tableOf('DMAR', '2f01'), 4),
  without(2, dmar(`${UNIT} 0100 4000 0000 0000`), SECOND),
  without(3, dmar(`${UNIT} 0100 0000 0000 0000`), SECOND),
  without(4, dmar(`0000 0800 01 00 0000 ${UNIT}`), 48),
  without(5, dmar(`${UNIT} 0300 0800 00000000`), SECOND),
  without(6, dmar(`${UNIT} 2a00 0400`), SECOND, dmar(UNIT + sized(6, '0000 0000'))),
  without(7, dmar(UNIT, '0a 01 00000000000000000000'), 36, dmar(UNIT, '0b 01 00000000000000000000')),
  without(8, dmar(rmrr(0x7000_0000, 0x7000_0fff, NIC)), 36),
  without(9, dmar(drhd(1, 0, IOAPIC)), 56),
  without(10, dmar(drhd(1, 1n << 52n, IOAPIC)), 56, dmar(drhd(1, (1n << 52n) - 0x1000n, IOAPIC))),
  without(11, dmar(drhd(1, 0xfed9_0800, IOAPIC)), 56),
  // A base that two segments share, and one within the 8 KiB of another.
  without(12, dmar(UNIT + drhd(1, 0xfed9_0000, '', 1)), SECOND + 8, dmar(UNIT + drhd(1, 0xfed9_1000, '', 1))),
  without(12, withSum(withBytes(dmar(UNIT + drhd(1, 0xfed9_1000, '', 1)), 53, 1)), SECOND + 8, CLEAN),
  without(13, dmar(drhd(0, 0xfed9_0000, NIC) + UNIT), SECOND + 8),
  without(14, dmar(UNIT + drhd(1, 0xfed9_1000, '')), SECOND + 4, dmar(UNIT + drhd(1, 0xfed9_1000, '', 1))),
  without(15, dmar(UNIT + drhd(0, 0xfed9_1000, NIC)), SECOND + 4, dmar(drhd(0, 0xfed9_1000, NIC) + UNIT)),
  without(16, dmar(drhd(0, 0xfed9_1000, '') + UNIT), 48),
  without(
    17,
    dmar(UNIT + rmrr(0x7000_0000, 0x7000_0ffe, NIC)),
    SECOND + 8,
    dmar(UNIT + rmrr(0x7000_0000, 0x7000_0fff, NIC)),
  ),
  without(17, dmar(UNIT + rmrr(0x7000_0800, 0x7000_0fff, NIC)), SECOND + 8),
  without(17, dmar(UNIT + rmrr(0x7000_1000, 0x7000_0fff, NIC)), SECOND + 8),
  without(18, dmar(UNIT + rmrr(0, 0xfff, NIC)), SECOND + 8, dmar(UNIT + rmrr(0x1000, 0x1fff, NIC))),
  without(
    19,
    dmar(UNIT + rmrr(0x7000_0000, 0x7000_0fff, '')),
    SECOND,
    dmar(UNIT + rmrr(0x7000_0000, 0x7000_0fff, NIC)),
  ),
  without(
    20,
    dmar(UNIT + rmrr(2 ** 48, 2 ** 48 + 0xfff, NIC)),
    SECOND + 16,
    dmar(UNIT + rmrr(2 ** 48 - 0x1000, 2 ** 48 - 1, NIC)),
  ),
  without(
    21,
    dmar(`${UNIT} ${sized(3, `00000000 ${le(0xfed8_0000, 8)} 00000000`)}`),
    SECOND + 8,
    dmar(`${UNIT} ${sized(3, `00000000 ${le(0xfed9_0000, 8)} 00000000`)}`),
  ),
  // Linux reads records in order: an RHSA before its DRHD is as one without.
  without(21, dmar(`${sized(3, `00000000 ${le(0xfed9_0000, 8)} 00000000`)} ${UNIT}`), 56),
  without(22, dmar(UNIT + andd(1, '\\_SB')), SECOND + 8, dmar(UNIT + andd(1, '\\_SB\0'))),
  without(
    23,
    dmar(UNIT + andd(1, '\\_SB.D\0')),
    SECOND + 7,
    dmar(drhd(1, 0xfed9_0000, IOAPIC + scope(5, 0, '1500', 1)) + andd(1, '\\_SB.D\0')),
  ),
  without(
    24,
    dmar(drhd(1, 0xfed9_0000, IOAPIC + scope(5, 0, '1500', 1))),
    76,
    dmar(drhd(1, 0xfed9_0000, IOAPIC + scope(5, 0, '1500', 1)) + andd(1, '\\_SB.D\0')),
  ),
  without(
    25,
    dmar(UNIT + andd(1, '\\A\0') + andd(1, '\\B\0')),
    SECOND + 18,
    dmar(UNIT + andd(1, '\\A\0') + andd(2, '\\B\0')),
  ),
  without(
    26,
    dmar(UNIT + sized(2, `00 00 0000 ${scope(1, 0, '0100')}`)),
    SECOND + 8,
    dmar(UNIT + sized(2, `00 00 0000 ${scope(2, 0, '0100')}`)),
  ),
  without(27, dmar(UNIT, '2f 81 00000000000000000000'), 37),
  without(27, dmar(UNIT, '2f 01 00000000000000000001'), 38),
  without(27, dmar(drhd(0x81, 0xfed9_0000, IOAPIC)), 52),
  without(30, dmar(sized(0, `01 00 0000 ${le(0xfed9_0000, 8)} ${IOAPIC} 0000 0000`)), 72),
  without(31, dmar(drhd(1, 0xfed9_0000, `${IOAPIC} 01 06 0000 00 00`)), 72),
  without(32, dmar(drhd(1, 0xfed9_0000, `${IOAPIC} 01 0a 0000 00 00 0200`)), 72),
  without(
    33,
    dmar(drhd(1, 0xfed9_0000, IOAPIC + scope(1, 0, '1f08'))),
    78,
    dmar(drhd(1, 0xfed9_0000, IOAPIC + scope(1, 0, '1f07'))),
  ),
  without(33, dmar(drhd(1, 0xfed9_0000, IOAPIC + scope(1, 0, '1c00 2000'))), 80),
  without(34, dmar(drhd(1, 0xfed9_0000, IOAPIC + scope(6, 0, '0200'))), 72),
  without(
    35,
    dmar(drhd(0, 0xfed9_1000, NIC) + drhd(1, 0xfed9_0000, IOAPIC + NIC)),
    96,
    dmar(drhd(0, 0xfed9_1000, NIC) + UNIT),
  ),
  without(
    36,
    dmar(drhd(0, 0xfed9_1000, IOAPIC) + UNIT),
    88,
    dmar(drhd(0, 0xfed9_1000, scope(3, 0xff, '0100', 1)) + UNIT),
  ),
  without(37, dmar(drhd(1, 0xfed9_0000, '')), 37),
  {
    ...without(38, CLEAN, 37, dmar(drhd(1, 0xfed9_0000, IOAPIC + scope(3, 0xff, '0100', 1)))),
    context: { madt: madt([0, 1]) },
  },
  { ...without(39, dmar(drhd(1, 0xfed9_0000, IOAPIC + scope(3, 0xff, '0100', 9))), 76), context: { madt: madt([0]) } },
  {
    ...without(
      101,
      dmar(drhd(1, 0xfed9_0000, IOAPIC + scope(1, 0, '0300'))),
      72,
      dmar(drhd(1, 0xfed9_0000, IOAPIC + NIC)),
    ),
    context: machine,
  },
  {
    ...without(
      101,
      dmar(drhd(1, 0xfed9_0000, IOAPIC + scope(1, 0, '0200 0000'))),
      72,
      dmar(drhd(1, 0xfed9_0000, IOAPIC + scope(1, 0, '1c00 0000'))),
    ),
    context: machine,
  },
  {
    ...without(
      102,
      dmar(UNIT + rmrr(0x7000_0000, 0x7000_0fff, scope(1, 0, '0300'))),
      SECOND + 24,
      dmar(UNIT + rmrr(0x7000_0000, 0x7000_0fff, NIC)),
    ),
    context: machine,
  },
  {
    ...without(
      103,
      dmar(drhd(1, 0xfed9_0000, IOAPIC + scope(1, 0, '1c00'))),
      72,
      dmar(drhd(1, 0xfed9_0000, IOAPIC + scope(2, 0, '1c00'))),
    ),
    context: machine,
  },
  { ...without(103, dmar(drhd(1, 0xfed9_0000, IOAPIC + scope(2, 0, '0200'))), 72), context: machine },
  // A bridge scope has what is below it.
  {
    ...without(
      104,
      dmar(drhd(0, 0xfed9_0000, IOAPIC + NIC)),
      48,
      dmar(drhd(0, 0xfed9_0000, `${IOAPIC}${NIC}${scope(1, 0, '0000')}${scope(2, 0, '1c00')}`)),
    ),
    context: machine,
  },
  {
    ...without(
      105,
      dmar(drhd(1, 0xfed9_0000, IOAPIC + scope(1, 1, '0000'))),
      77,
      dmar(drhd(1, 0xfed9_0000, IOAPIC + scope(1, 0, '1c00 0000'))),
    ),
    context: machine,
  },
]

/** With any table: what the header says. */
export const GENERAL_CASES: readonly LintCase[] = [
  { rule: 'ACPI-0001', trips: CLEAN.subarray(0, 70), at: 4, clean: CLEAN },
  { rule: 'ACPI-0002', trips: Uint8Array.of(...CLEAN, 0, 0), at: 4, clean: CLEAN },
  { rule: 'ACPI-0003', trips: withBytes(CLEAN, 9, CLEAN[9]! + 1), at: 9, clean: CLEAN },
  { rule: 'ACPI-0004', trips: CLEAN.subarray(0, 20), at: 0, clean: CLEAN },
  {
    rule: 'ACPI-0005',
    trips: dmar(UNIT + sized(3, `00000000 ${le(0xfed9_0000, 8)} 00000000 01`)),
    at: 92,
    clean: CLEAN,
  },
]
