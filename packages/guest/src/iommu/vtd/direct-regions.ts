import type { Rmrr } from '@dmascope/acpi'
import { PCI_CLASS_BRIDGE_ISA } from '@dmascope/pci/spec'
import type { PciDevice } from '../contract.ts'
import type { ReservedRegion } from '../reserved-regions.ts'
import { devicesIn } from './device-scope.ts'

const SIXTEEN_MIB = 0x100_0000
/** Above this no Number counts bytes exactly. */
const LIMIT = 2 ** 52

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
