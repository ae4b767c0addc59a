import { DeviceNotes, type Mutable } from './device-notes.ts'
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
    const { mode, remapped, delivered, lost } = this.interrupt
    const result: Mutable<GuestDevice> = {
      driver: this.driver,
      dmaPath: this.dmaPath,
      interrupt: { mode, remapped, delivered, lost },
      io: this.io,
      refusal: this.refusal,
      id: fn.id,
      vendor: fn.vendorId,
      device: fn.deviceId,
      classCode: fn.classCode,
      revision: fn.revision,
      firmware: iommu.coverage(fn),
      iommuGroup: iommu.group(fn),
      domain: iommu.domainType(fn),
      why: [...iommu.why(fn), ...this.facts],
    }
    this.addRest(result)
    if (windowsBy !== null) result.windowsBy = windowsBy
    if (fn.sriov !== undefined) {
      const { totalVfs, firstVfOffset, vfStride } = fn.sriov
      result.sriov = { totalVfs, firstVfOffset, vfStride }
    }
    if (fn.physical !== undefined) result.physicalFunction = fn.physical.id
    return result
  }
}
