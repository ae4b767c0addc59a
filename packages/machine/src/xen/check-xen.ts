import { DmascopeError } from '@dmascope/layout'
import { refuseXen } from '@dmascope/xen'
import type { MachineDescription } from '../description.ts'

/**
 * Whether Xen can be what firmware starts on this machine.
 *
 * @throws DmascopeError MACHINE_XEN saying what keeps it from that
 */
export function checkXen(description: MachineDescription, hasIommu: boolean): void {
  const { xen, machine, memory, launch, segments, firmwareRegions } = description
  if (xen === undefined) return
  const why =
    machine !== 'q35' && machine !== 'pc'
      ? `Xen is modelled on q35 and pc, and this is a ${machine}`
      : hasIommu
        ? 'Xen would take the IOMMU for itself, which is not modelled; leave the IOMMU out'
        : launch !== undefined || segments !== undefined || firmwareRegions !== undefined
          ? 'Xen is not modelled together with launch, segments or firmwareRegions; leave these out'
          : refuseXen(memory, xen)
  if (why !== null) throw new DmascopeError('MACHINE_XEN', `xen: ${why}`, { machine, memory })
}
