import type { Rmrr } from '@dmascope/acpi'
import { PCI_CLASS_BRIDGE_ISA } from '@dmascope/pci/spec'
import type { PciDevice } from '../contract.ts'
import type { ReservedRegion } from '../reserved-regions.ts'
import { devicesIn } from './device-scope.ts'

const SIXTEEN_MIB = 0x100_0000
/** Above this no Number counts bytes exactly. */
const LIMIT = 2 ** 52

/** `relaxable`: firmware or hardware needs it only until the device is somebody's. */
export interface DirectRegion extends ReservedRegion {
  readonly relaxable: boolean
}

const BASE_CLASS_DISPLAY = 0x03
const CLASS_SERIAL_USB = 0x0c03

/** What firmware uses of USB and graphics before drivers take over (`device_rmrr_is_relaxable`). */
const stopsWithFirmware = ({ classCode }: PciDevice): boolean =>
  classCode >>> 16 === BASE_CLASS_DISPLAY || classCode >>> 8 === CLASS_SERIAL_USB

/** What firmware and kernel want a device's domain to map onto itself: RMRRs that name it, and ISA DMA's 16 MiB. */
export function directRegions(
  device: PciDevice,
  rmrrs: readonly Rmrr[],
  isaIdentityMap: boolean,
): readonly DirectRegion[] {
  const regions: DirectRegion[] = []
  const relaxable = stopsWithFirmware(device)
  for (const rmrr of rmrrs) {
    const above = [device]
    for (let bridge = device.parent; bridge !== null; bridge = bridge.parent) above.push(bridge)
    if (devicesIn(rmrr.scopes, rmrr.segmentNumber, above).length === 0) continue
    const start = Math.floor(Number(rmrr.reservedMemoryRegionBaseAddress) / 4096) * 4096
    const end = Math.ceil((Number(rmrr.reservedMemoryRegionLimitAddress) + 1) / 4096) * 4096
    if (start < end && end <= LIMIT)
      regions.push({ start, end, kind: 'direct', relaxable, because: 'an RMRR names it' })
  }
  if (isaIdentityMap && device.classCode === PCI_CLASS_BRIDGE_ISA) {
    regions.push({ start: 0, end: SIXTEEN_MIB, kind: 'direct', relaxable: true, because: 'ISA DMA goes through it' })
  }
  return regions
}
