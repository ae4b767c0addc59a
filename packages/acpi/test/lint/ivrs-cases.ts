import { tableOf } from '../annotated-hex.ts'
import { type LintCase, le, madt, pci, topology, withBytes, withSum } from './lint-case.ts'

/** EFRSup, 48 address bits; blocks from byte 48 on. */
const ivrs = (blocks: string): Uint8Array => tableOf('IVRS', `41302000 0000000000000000 ${blocks}`)
const count = (hex: string): number => hex.replace(/\s/g, '').length / 2
const SOUTHBRIDGE = '48 0000 00 00 a000 01 '
const ALL = '03 0800 00  04 feff 00 '

/** Type 10h: 24 bytes, then entries. */
const ivhd10 = (base: number, entries: string, id = 2): string =>
  `10 00 ${le(24 + count(entries), 2)} ${le(id, 2)} 4000 ${le(base, 8)} 0000 0000 00000000 ${entries}`
/** Type 11h or 40h: 40 bytes, then entries. */
const ivhd = (type: number, base: number, entries: string, id = 2): string =>
  `${le(type, 1)} 00 ${le(40 + count(entries), 2)} ${le(id, 2)} 4000 ${le(base, 8)} 0000 0000 00000000 ${'00'.repeat(16)} ${entries}`
const ivmd = (type: number, flags: number, first: number, last: number, start: number, length: number): string =>
  `${le(type, 1)} ${le(flags, 1)} 2000 ${le(first, 2)} ${le(last, 2)} 0000 000000000000 ${le(start, 8)} ${le(length, 8)}`

const counting = (base: number, id: number): string =>
  `10 00 ${le(40, 2)} ${le(id, 2)} 4000 ${le(base, 8)} 0000 0000 ${le((4 << 13) | (2 << 17), 4)} ${ALL + SOUTHBRIDGE}`

/** Bytes 48 to 87: 00:00.2 with all devices from 00:01.0 on, and the southbridge's I/O APIC. */
const UNIT = ivhd10(0xfd20_0000, ALL + SOUTHBRIDGE)
const BEHIND = 88
const CLEAN = ivrs(UNIT)
const hid = (text: string, format: number, uid: string): string =>
  `f0 a500 00 ${[...text.padEnd(8, '\0')].map((one) => le(one.charCodeAt(0), 1)).join('')} 0000000000000000 ${le(format, 1)} ${le(count(uid), 1)} ${uid}`
const late = (entries: string): Uint8Array =>
  withSum(withBytes(ivrs(ivhd(0x40, 0xfd20_0000, ALL + SOUTHBRIDGE + entries)), 8, 2))
const machine = topology(pci('00:00.2'), pci('00:02.0'), pci('01:00.0'))

const one = (rule: number, trips: Uint8Array, at: number, clean = CLEAN): LintCase => ({
  rule: `IVRS-${String(rule).padStart(4, '0')}`,
  trips,
  at,
  clean,
})

export const IVRS_CASES: readonly LintCase[] = [
  // An IVMD that is longer than its fields.
  {
    rule: 'ACPI-0005',
    trips: ivrs(`${UNIT} 20 07 2400 ${'00'.repeat(12)} ${le(0x7000_0000, 8)} ${le(0x1000, 8)} 00000001`),
    at: BEHIND + 32,
    clean: CLEAN,
  },
  one(1, withBytes(CLEAN, 9, CLEAN[9]! ^ 1), 9),
  one(2, tableOf('IVRS', '41302000'), 4),
  one(3, ivrs(`${UNIT} 20 01 0000 00000000`), BEHIND),
  one(4, ivrs(`${UNIT} 20 01 2000 00000000`), BEHIND),
  one(5, ivrs(`${UNIT} 20 01 0800 00000000`), BEHIND),
  one(6, ivrs(`${UNIT} 51 00 0800 deadbeef`), BEHIND),
  one(7, ivrs(ivmd(0x20, 7, 0, 0, 0x7000_0000, 0x1000)), 36),
  // The first block decides: an IVMD of the same device ID at the front has Linux look for IVMDs.
  one(
    7,
    ivrs(ivmd(0x21, 7, 5, 0, 0x7000_0000, 0x1000) + UNIT),
    36,
    ivrs(ivmd(0x21, 7, 2, 0, 0x7000_0000, 0x1000) + UNIT),
  ),
  one(8, ivrs(ivhd10(0, ALL + SOUTHBRIDGE)), 56),
  one(9, ivrs(UNIT + ivhd10(0xfd20_2000, ALL, 0x102)), BEHIND + 8, ivrs(UNIT + ivhd10(0xfd20_4000, ALL, 0x102))),
  // With performance counters (PNCounters, PNBanks), 512 KiB.
  one(
    9,
    ivrs(counting(0xfd20_0000, 2) + counting(0xfd24_0000, 0x102)),
    BEHIND + 8,
    ivrs(counting(0xfd20_0000, 2) + counting(0xfd28_0000, 0x102)),
  ),
  one(10, ivrs(ivhd10(0xfd20_2000, ALL + SOUTHBRIDGE)), 56),
  one(11, withSum(withBytes(CLEAN, 8, 3)), 8, withSum(withBytes(CLEAN, 8, 2))),
  one(12, ivrs(ivhd(0x40, 0xfd20_0000, ALL + SOUTHBRIDGE)), 8, late('')),
  one(13, tableOf('IVRS', `45302000 0000000000000000 ${UNIT}`), 36),
  one(
    13,
    ivrs(`${UNIT} ${ivmd(0x20, 0x17, 0, 0, 0x7000_0000, 0x1000)}`),
    BEHIND + 1,
    ivrs(`${UNIT} ${ivmd(0x20, 7, 0, 0, 0x7000_0000, 0x1000)}`),
  ),
  one(14, ivrs(ivhd10(0xfd20_0000, `${ALL}${SOUTHBRIDGE} f1 000000`)), 88),
  one(14, ivrs(ivhd10(0xfd20_0000, `${ALL}${SOUTHBRIDGE} 80 ${'00'.repeat(15)}`)), 88),
  one(
    15,
    ivrs(ivhd10(0xfd20_0000, `${ALL}${SOUTHBRIDGE} 05 000000`)),
    88,
    ivrs(ivhd10(0xfd20_0000, `${ALL}${SOUTHBRIDGE} 00 000000`)),
  ),
  one(16, ivrs(ivhd10(0xfd20_0000, `${ALL}${SOUTHBRIDGE} 48 0000 00`)), 88),
  one(17, ivrs(ivhd10(0xfd20_0000, `${ALL}${SOUTHBRIDGE} 03 0001 00`)), 88),
  one(17, ivrs(ivhd10(0xfd20_0000, `${ALL}${SOUTHBRIDGE} 04 0001 00`)), 88),
  one(17, ivrs(ivhd10(0xfd20_0000, `${ALL}${SOUTHBRIDGE} 03 0002 00 04 0001 00`)), 92),
  one(
    17,
    ivrs(UNIT + ivmd(0x22, 7, 9, 8, 0x7000_0000, 0x1000)),
    BEHIND + 4,
    ivrs(UNIT + ivmd(0x22, 7, 8, 9, 0x7000_0000, 0x1000)),
  ),
  one(
    18,
    ivrs(ivhd10(0xfd20_0000, `${ALL}${SOUTHBRIDGE} 48 0000 00 00 a000 03`)),
    95,
    ivrs(ivhd10(0xfd20_0000, `${ALL}${SOUTHBRIDGE} 48 0000 00 00 a000 02`)),
  ),
  one(19, ivrs(ivhd10(0xfd20_0000, `${ALL}${SOUTHBRIDGE}${hid('AMDI0020', 0, '')}`)), 88, late(hid('AMDI0020', 0, ''))),
  one(20, late(hid('', 0, '')), 108, late(hid('AMDI0020', 2, '4142'))),
  one(20, late(hid('AMDI0020', 0, '41')), 124, late(hid('AMDI0020', 1, '0100000000000000'))),
  one(
    21,
    ivrs(UNIT + ivmd(0x22, 8, 0, 0xfff, 0x9618_e000, 1)),
    BEHIND + 16,
    ivrs(UNIT + ivmd(0x22, 8, 0, 0xfff, 0x9618_e000, 0x1000)),
  ),
  one(21, ivrs(UNIT + ivmd(0x20, 7, 0, 0, 0x7000_0800, 0x1000)), BEHIND + 16),
  one(
    22,
    ivrs(UNIT + ivmd(0x20, 0, 0, 0, 0x7000_0000, 0x1000)),
    BEHIND + 1,
    ivrs(UNIT + ivmd(0x20, 8, 0, 0, 0x7000_0000, 0x1000)),
  ),
  one(
    22,
    ivrs(UNIT + ivmd(0x20, 1, 0, 0, 0x7000_0000, 0x1000)),
    BEHIND + 1,
    ivrs(UNIT + ivmd(0x20, 3, 0, 0, 0x7000_0000, 0x1000)),
  ),
  one(24, ivrs(ivhd10(0xfd20_0000, SOUTHBRIDGE)), 48),
  one(
    25,
    ivrs(UNIT + ivhd(0x11, 0xfd30_0000, ALL + SOUTHBRIDGE)),
    BEHIND + 8,
    ivrs(UNIT + ivhd(0x11, 0xfd20_0000, ALL + SOUTHBRIDGE)),
  ),
  one(
    26,
    ivrs(UNIT + ivhd(0x11, 0xfd20_0000, ALL + SOUTHBRIDGE) + ivhd10(0xfd30_0000, ALL, 0x102)),
    BEHIND + 56,
    ivrs(UNIT + ivhd10(0xfd30_0000, ALL, 0x102)),
  ),
  one(28, ivrs(ivhd10(0xfd20_0000, `${ALL} 48 0000 00 00 0100 01`)), 48),
  {
    ...one(29, CLEAN, 48, ivrs(ivhd10(0xfd20_0000, `${ALL}${SOUTHBRIDGE} 48 0000 00 01 0100 01`))),
    context: { madt: madt([0, 1]) },
  },
  { ...one(101, ivrs(ivhd10(0xfd20_0000, ALL + SOUTHBRIDGE, 3)), 52), context: machine },
  {
    ...one(
      102,
      ivrs(ivhd10(0xfd20_0000, `${ALL}${SOUTHBRIDGE} 02 0003 00`)),
      88,
      ivrs(ivhd10(0xfd20_0000, `${ALL}${SOUTHBRIDGE} 02 0001 00`)),
    ),
    context: machine,
  },
  { ...one(103, ivrs(ivhd10(0xfd20_0000, `02 1000 00 ${SOUTHBRIDGE}`)), 48), context: machine },
  {
    ...one(
      104,
      ivrs(UNIT + ivmd(0x21, 7, 0x300, 0, 0x7000_0000, 0x1000)),
      BEHIND + 4,
      ivrs(UNIT + ivmd(0x21, 7, 0x100, 0, 0x7000_0000, 0x1000)),
    ),
    context: machine,
  },
]
