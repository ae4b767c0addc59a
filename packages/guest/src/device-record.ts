import { DeviceNotes } from './device-notes.ts'
import type { DmaPlatform } from './dma/dma-platform.ts'
import type { IommuSubsystem } from './iommu/contract.ts'
import type { PciFunction } from './pci/pci-function.ts'
import type { GuestDevice } from './result.ts'

/** What the kernel comes to know of one function on PCI: what will be a `GuestDevice`. */
export class DeviceRecord extends DeviceNotes {
  readonly fn: PciFunction
  readonly id: string
  readonly owner: string

  constructor(fn: PciFunction) {
    super()
    this.fn = fn
    this.id = fn.id
    this.owner = fn.id
  }

  toResult(iommu: IommuSubsystem, dma: DmaPlatform): GuestDevice {
    const { fn } = this
    const windowsBy = dma.windowsBy?.(fn) ?? null
    return {
      ...this.common(),
      id: fn.id,
      vendor: fn.vendorId,
      device: fn.deviceId,
      classCode: fn.classCode,
      revision: fn.revision,
      firmware: iommu.coverage(fn),
      iommuGroup: iommu.group(fn),
      domain: iommu.domainType(fn),
      ...(windowsBy !== null && { windowsBy }),
      ...(fn.sriov && {
        sriov: {
          totalVfs: fn.sriov.totalVfs,
          firstVfOffset: fn.sriov.firstVfOffset,
          vfStride: fn.sriov.vfStride,
        },
      }),
      ...(fn.physical && { physicalFunction: fn.physical.id }),
      why: [...iommu.why(fn), ...this.facts],
    }
  }
}
