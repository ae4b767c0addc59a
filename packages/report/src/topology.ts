import type { Report } from './report.ts'

/** A PCI function that a boot report has: what a linter holds tables against. */
interface ReportedFunction {
  readonly segment: number
  readonly bus: number
  readonly device: number
  readonly function: number
  readonly headerType: null
  readonly classCode: null
  readonly secondaryBus: null
  readonly vendorId: number
  readonly deviceId: number
  readonly virtual?: { readonly total: number; readonly offset: number; readonly stride: number }
}

/** The functions that the guest found. A report tells neither header types nor which bus is below a bridge. */
export function reportTopology({ devices }: Report): ReportedFunction[] {
  return devices.flatMap(({ id, vendor, device, sriov }) => {
    const [, segment, bus, slot, fn] = /^([0-9a-f]{4}):([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])$/.exec(id) ?? []
    if (fn === undefined) return []
    return {
      segment: Number.parseInt(segment!, 16),
      bus: Number.parseInt(bus!, 16),
      device: Number.parseInt(slot!, 16),
      function: Number(fn),
      headerType: null,
      classCode: null,
      secondaryBus: null,
      vendorId: Number.parseInt(vendor, 16),
      deviceId: Number.parseInt(device, 16),
      ...(sriov && { virtual: { total: sriov.totalVfs, offset: sriov.firstVfOffset, stride: sriov.vfStride } }),
    }
  })
}
