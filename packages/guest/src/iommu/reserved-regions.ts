import type { Rmrr } from '@dmascope/acpi'
import { INTERRUPT_RANGE_FIRST, INTERRUPT_RANGE_LAST } from '@dmascope/iommu/vtd/spec'
import { PCI_CLASS_BRIDGE_ISA } from '@dmascope/pci/spec'
import type { PciDevice } from './contract.ts'
import { devicesIn } from './device-scope.ts'

/** I/O virtual addresses [start, end) that are not for the allocator. */
export interface ReservedRegion {
  readonly start: number
  readonly end: number
  /** `direct`: mapped onto itself in translated domains. `msi`: interrupts. `window`: peers' BARs. */
  readonly kind: 'direct' | 'msi' | 'window'
  readonly because: string
}

const SIXTEEN_MIB = 0x100_0000
/** Above this no Number counts bytes exactly. */
const LIMIT = 2 ** 52

/** Where DMA is taken for interrupts, on every PC. */
export const MSI_REGION: ReservedRegion = {
  start: INTERRUPT_RANGE_FIRST,
  end: INTERRUPT_RANGE_LAST + 1,
  kind: 'msi',
  because: 'the interrupt address range',
}

/** What firmware and kernel want a device's domain to map onto itself: RMRRs that name it, and ISA DMA's 16 MiB. */
export function directRegions(
  device: PciDevice,
  rmrrs: readonly Rmrr[],
  isaIdentityMap: boolean,
): readonly ReservedRegion[] {
  const regions: ReservedRegion[] = []
  for (const rmrr of rmrrs) {
    const above = [device]
    for (let bridge = device.parent; bridge !== null; bridge = bridge.parent) above.push(bridge)
    if (devicesIn(rmrr.scopes, rmrr.segmentNumber, above).length === 0) continue
    const start = Math.floor(Number(rmrr.reservedMemoryRegionBaseAddress) / 4096) * 4096
    const end = Math.ceil((Number(rmrr.reservedMemoryRegionLimitAddress) + 1) / 4096) * 4096
    if (start < end && end <= LIMIT) regions.push({ start, end, kind: 'direct', because: 'an RMRR names it' })
  }
  if (isaIdentityMap && device.classCode === PCI_CLASS_BRIDGE_ISA) {
    regions.push({ start: 0, end: SIXTEEN_MIB, kind: 'direct', because: 'ISA DMA goes through it' })
  }
  return regions
}

/** Ascending, and merged where they touch or overlap. */
export function mergeRegions(regions: readonly { readonly start: number; readonly end: number }[]): {
  start: number
  end: number
}[] {
  const merged: { start: number; end: number }[] = []
  for (const { start, end } of [...regions].sort((a, b) => a.start - b.start)) {
    const last = merged[merged.length - 1]
    if (last && start <= last.end) last.end = Math.max(last.end, end)
    else merged.push({ start, end })
  }
  return merged
}
