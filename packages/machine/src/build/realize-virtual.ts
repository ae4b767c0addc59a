import { BusMasterFunction, type CapabilityDescription } from '@dmascope/virtio-devices'
import type { BarModel, PciModel } from '../catalogue/model.ts'
import { planCapabilities } from './capability-plan.ts'
import type { SriovPlan } from './sriov-plan.ts'

const barOf = ({ index, kind, prefetchable, size }: BarModel) => ({
  bar: index,
  kind: kind === 'mem64' ? ('memory64' as const) : ('memory32' as const),
  prefetchable,
  size,
})

/** The SR-IOV capability of a physical function, with what stands before it where its model has that only so. */
export function sriovCapability(plan: SriovPlan, physical: PciModel): CapabilityDescription[] {
  const hasAri = physical.capabilities.some(({ id, extended }) => extended && id === 0x0e)
  return [
    ...(hasAri ? [] : [{ kind: 'ari' as const, offset: 0x100 }]),
    {
      kind: 'sriov',
      offset: plan.offset,
      totalVfs: plan.totalVfs,
      firstVfOffset: plan.firstVfOffset,
      vfStride: plan.vfStride,
      vfDeviceId: plan.pci.deviceId,
      bars: plan.pci.bars.map(barOf),
    },
  ]
}

/** Every virtual function that the plan speaks of. */
export function realizeVirtual({ pci, totalVfs, notReady }: SriovPlan, onRootBus: boolean): BusMasterFunction[] {
  return Array.from(
    { length: totalVfs },
    () =>
      new BusMasterFunction({
        config: {
          vendorId: pci.vendorId,
          deviceId: pci.deviceId,
          classCode: pci.classCode,
          revisionId: pci.revision,
          subsystemVendorId: pci.subsystemVendorId,
          subsystemId: pci.subsystemId,
          interruptPin: pci.interruptPin,
          size: pci.configSize,
          bars: pci.bars.map(barOf),
          virtualFunction: true,
        },
        capabilities: planCapabilities(pci, { express: true, root: onRootBus }),
        dmaMaskBits: pci.dmaBits,
        notReady,
      }),
  )
}
