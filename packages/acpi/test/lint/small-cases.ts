import { tableOf } from '../annotated-hex.ts'
import { type LintCase, le, pci, topology, withBytes, withSum } from './lint-case.ts'

const mcfg = (allocations: string): Uint8Array => tableOf('MCFG', `0000000000000000 ${allocations}`)
/** Sixteen bytes, from byte 44 on. */
const window = (base: number, first: number, last: number, segment = 0): string =>
  `${le(base, 8)} ${le(segment, 2)} ${le(first, 1)} ${le(last, 1)} 00000000 `
const ECAM = mcfg(window(0xb000_0000, 0, 0xff))
const old = (table: Uint8Array): Uint8Array => withSum(withBytes(table, 8, 0))

const madt = (records: string): Uint8Array => tableOf('APIC', `0000e0fe 01000000 ${records}`)
const ioapic = (id: number, address: number, gsi: number): string =>
  `01 0c ${le(id, 1)} 00 ${le(address, 4)} ${le(gsi, 4)} `
const its = (id: number): string => `0f 14 0000 ${le(id, 4)} ${le(0x808_0000, 8)} 00000000 `
/** One I/O APIC, in bytes 44 to 55. */
const APIC = madt(ioapic(0, 0xfec0_0000, 0))

const viot = (nodes: string, count: number, offset = 48): Uint8Array =>
  tableOf('VIOT', `${le(count, 2)} ${le(offset, 2)} 0000000000000000 ${nodes}`)
/** 16 bytes: the virtio-iommu at 00:08.0. */
const IOMMU = '03 00 1000 0000 4000 0000000000000000 '
const range = (first: number, last: number, output = 48, endpoint = first, segment = 0): string =>
  `01 00 1800 ${le(endpoint, 4)} ${le(segment, 2)} ${le(segment, 2)} ${le(first, 2)} ${le(last, 2)} ${le(output, 2)} 000000000000 `
const mmio = (endpoint: number): string =>
  `02 00 1800 ${le(endpoint, 4)} ${le(0x1000_0000, 8)} ${le(48, 2)} 000000000000 `
const VIOT = viot(IOMMU + range(0, 0xffff), 2)
const RANGE = 64
const viommu = pci('00:08.0', { deviceId: 0x1057 })

const one = (rule: string, trips: Uint8Array, at: number, clean: Uint8Array): LintCase => ({ rule, trips, at, clean })

export const SMALL_CASES: readonly LintCase[] = [
  one('MCFG-0001', tableOf('MCFG', '00000000'), 4, ECAM),
  one('MCFG-0002', mcfg(''), 36, ECAM),
  one('MCFG-0003', mcfg(`${window(0xb000_0000, 0, 0xff)} 00000000`), 60, ECAM),
  one('MCFG-0004', mcfg(window(0, 0, 0xff)), 44, ECAM),
  one('MCFG-0005', old(mcfg(window(0x10_0000_0000, 0, 0xff))), 44, mcfg(window(0x10_0000_0000, 0, 0xff))),
  one('MCFG-0006', mcfg(window(0xb000_0000, 1, 0)), 54, ECAM),
  one(
    'MCFG-0007',
    mcfg(window(0xb000_0000, 0, 0x3f) + window(0xc000_0000, 0x3f, 0x7f)),
    60,
    mcfg(window(0xb000_0000, 0, 0x3f) + window(0xb000_0000, 0x40, 0x7f)),
  ),
  one(
    'MCFG-0007',
    mcfg(window(0xb000_0000, 0, 0x3f) + window(0xb000_0000, 0, 0x3f, 1)),
    60,
    mcfg(window(0xb000_0000, 0, 0x3f) + window(0xb400_0000, 0, 0x3f, 1)),
  ),
  one('MCFG-0008', mcfg(window(0xb800_0000, 0, 0xff)), 44, mcfg(window(0xb800_0000, 0, 0x7f))),
  one('MCFG-0009', mcfg(window(0xf000_0000, 0, 0xff)), 44, mcfg(window(0xf000_0000, 0, 0x7f))),
  one('MCFG-0010', tableOf('MCFG', `0000000000000001 ${window(0xb000_0000, 0, 0xff)}`), 36, ECAM),
  { ...one('MCFG-0101', mcfg(window(0xb000_0000, 0, 0)), 44, ECAM), context: topology(pci('00:00.0'), pci('01:00.0')) },
  one('MADT-0001', tableOf('APIC', '0000e0fe'), 4, APIC),
  one('MADT-0002', madt(`${ioapic(0, 0xfec0_0000, 0)} 00 00 00 00`), 56, APIC),
  one('MADT-0002', madt(`${ioapic(0, 0xfec0_0000, 0)} 00 08 00 00`), 56, APIC),
  one(
    'MADT-0003',
    madt(ioapic(0, 0xfec0_0000, 0) + ioapic(0, 0xfec0_1000, 24)),
    58,
    madt(ioapic(0, 0xfec0_0000, 0) + ioapic(1, 0xfec0_1000, 24)),
  ),
  one('MADT-0004', madt(ioapic(0, 0, 0)), 48, APIC),
  one(
    'MADT-0005',
    madt(ioapic(0, 0xfec0_0000, 0) + ioapic(1, 0xfec0_1000, 0)),
    64,
    madt(ioapic(0, 0xfec0_0000, 0) + ioapic(1, 0xfec0_1000, 24)),
  ),
  one('MADT-0006', madt(its(0) + its(0)), 68, madt(its(0) + its(1))),
  one('VIOT-0001', tableOf('VIOT', '02003000'), 4, VIOT),
  one('VIOT-0002', viot(IOMMU + range(0, 0xffff), 2, 0), 48, VIOT),
  one('VIOT-0003', viot(`${IOMMU} 01 00 0000 ${'00'.repeat(20)}`, 2), RANGE, VIOT),
  one('VIOT-0004', viot(`${IOMMU} 01 00 1800 00000000`, 2), RANGE, VIOT),
  one('VIOT-0004', viot(IOMMU + range(0, 0xffff), 3), 48, VIOT),
  one('VIOT-0005', viot(`${IOMMU} 01 00 0800 00000000`, 2), RANGE, VIOT),
  one('VIOT-0006', viot(`${IOMMU + range(0, 0xffff)} 05 00 0400`, 3), 88, VIOT),
  one('VIOT-0007', viot(IOMMU + range(0, 0xffff), 1), RANGE, VIOT),
  one('VIOT-0008', viot(IOMMU + range(0, 0xffff, 64), 2), RANGE + 16, VIOT),
  one('VIOT-0008', viot(IOMMU + range(0, 0xffff, 50), 2), RANGE + 16, VIOT),
  one('VIOT-0009', viot(IOMMU + range(0x100, 0xff), 2), RANGE + 8, viot(IOMMU + range(0xff, 0x100), 2)),
  one(
    'VIOT-0010',
    viot(IOMMU + range(0, 0xff) + range(0xff, 0x1ff, 48, 0x1000), 3),
    88,
    viot(IOMMU + range(0, 0xff) + range(0x100, 0x1ff), 3),
  ),
  one(
    'VIOT-0011',
    viot(IOMMU + range(0, 0xff) + range(0x100, 0x1ff, 48, 0xff), 3),
    92,
    viot(IOMMU + range(0, 0xff) + mmio(0x100), 3),
  ),
  one('VIOT-0011', viot(IOMMU + range(0, 0xff) + mmio(0xff), 3), 92, VIOT),
  one('VIOT-0012', viot(`03 01 1000 0000 4000 0000000000000000 ${range(0, 0xffff)}`, 2), 48, VIOT),
  {
    ...one('VIOT-0101', VIOT, 54, viot(`03 00 1000 0000 1000 0000000000000000 ${range(0, 0xffff)}`, 2)),
    context: topology(pci('00:02.0', { deviceId: 0x1057 })),
  },
  {
    ...one('VIOT-0102', VIOT, 54, viot(`03 00 1000 0000 1000 0000000000000000 ${range(0, 0xffff)}`, 2)),
    context: topology(pci('00:02.0', { deviceId: 0x1057 }), pci('00:08.0')),
  },
  // The IOMMU itself need not be in a range.
  {
    ...one('VIOT-0103', viot(IOMMU + range(0, 7), 2), 48, viot(IOMMU + range(0, 0x10), 2)),
    context: topology(viommu, pci('00:02.0')),
  },
]
