import { AmdSubsystem } from './amd/amd-subsystem.ts'
import { SmmuSubsystem } from './arm-smmu-v3/smmu-subsystem.ts'
import type { IommuSubsystem } from './contract.ts'
import type { IommuContext } from './iommu-context.ts'
import type { IommuTables } from './iommu-tables.ts'
import { NoIommu } from './no-iommu.ts'
import { RequestSubsystem } from './virtio/request-subsystem.ts'
import { ViotTopology } from './virtio/viot-topology.ts'
import { VtdSubsystem } from './vtd/vtd-subsystem.ts'

/**
 * The kernel's IOMMU code for the hardware that the tables name: the kernel sets up one kind, and looks for DMAR first.
 * Reads and judges the tables at once; touches the hardware when told to.
 *
 * Nothing that tables, hardware or devices do makes it throw: the log, `panic` and the facts tell.
 */
export function createIommuSubsystem(context: IommuContext, tables: IommuTables): IommuSubsystem {
  const { configuration } = context.profile
  if (tables.dmar) return new VtdSubsystem(context, tables.dmar, tables.launchedDmar)
  if (tables.ivrs) {
    if (configuration.amdIommu) return new AmdSubsystem(context, tables.ivrs)
    context.log('iommu: the firmware names an AMD IOMMU; this kernel was built without a driver for it')
  }
  if (tables.smmu) return new SmmuSubsystem(context, tables.smmu)
  const { requests, viot } = tables
  if ((requests || viot) && !configuration.virtioIommu) {
    context.log('iommu: the firmware names a virtio IOMMU; this kernel was built without a driver for one')
    return new NoIommu(context)
  }
  if (requests) return new RequestSubsystem(context, requests.read, requests.acsRequested)
  if (viot) return new RequestSubsystem(context, (devices) => new ViotTopology(viot, devices, context.log))
  return new NoIommu(context)
}
