import { buildViot, type ViotNode, viotNodeOffsets } from '@dmascope/acpi'
import { requesterId } from '@dmascope/pci/spec'
import { qemuHeader } from '../../firmware/qemu-header.ts'
import { busRange } from '../bus-range.ts'
import type { RootBusFacts } from '../iommu-plan.ts'

/**
 * QEMU's `build_viot`: the IOMMU's node, then a range for each root bus that does not bypass, by bus number. A range
 * holds every function that there can be on its buses, the IOMMU itself too.
 *
 * @param iommu - requester ID of the IOMMU's function
 */
export function viotTable(roots: readonly RootBusFacts[], iommu: number): Uint8Array {
  const node: ViotNode = { kind: 'virtio-iommu-pci', pciSegment: 0, pciBdf: iommu }
  const [outputNode = 0] = viotNodeOffsets({ nodes: [node] })
  const ranges = roots
    .filter(({ bypass }) => !bypass)
    .map(({ bus }) => busRange(bus))
    .sort((a, b) => a.first - b.first)
    .map(
      ({ first, last }): ViotNode => ({
        kind: 'pci-range',
        endpointStart: requesterId(first, 0, 0),
        pciSegmentStart: 0,
        pciSegmentEnd: 0,
        pciBdfStart: requesterId(first, 0, 0),
        pciBdfEnd: requesterId(last, 31, 7),
        outputNode,
      }),
    )
  return buildViot({ signature: 'VIOT', header: qemuHeader(0), nodes: [node, ...ranges] })
}
