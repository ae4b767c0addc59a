import { bypassesIommu } from '@dmascope/devicetree'
import { PCI_CAP_ID_VENDOR } from '@dmascope/pci/spec'
import {
  VIRTIO_PCI_CAP_VENDOR_CFG,
  VIRTIO_PCI_PROG_IF_NO_BYPASS,
  VIRTIO_PCI_REVISION_TELLS_BYPASS,
  VIRTIO_PCI_VNDR_DATA,
  VIRTIO_PCI_VNDR_NO_BYPASS,
} from '@dmascope/virtio-pci/spec'
import type { Kernel } from '../kernel.ts'
import type { PciFunction } from '../pci/pci-function.ts'
import type { BypassIndications } from '../profile/virtio-dma-rule.ts'

/** Of a device that is no function: all of the proposals were for PCI. */
export const TELLS_NOTHING: BypassIndications = { progIf: false, configBit: false, property: false, version: false }

const { cfg_type, flags } = VIRTIO_PCI_VNDR_DATA.fields

/** What a virtio function, and the device tree's node for it, say of a bypass: proposals of 2015. */
export function bypassIndications({ config, nodeOf }: Kernel, fn: PciFunction): BypassIndications {
  const node = nodeOf(fn)
  return {
    progIf: (fn.classCode & 0xff) === VIRTIO_PCI_PROG_IF_NO_BYPASS,
    configBit: fn.capabilityList.some(
      ({ id, offset }) =>
        id === PCI_CAP_ID_VENDOR &&
        config.read(fn, offset + cfg_type.offset, 1) === VIRTIO_PCI_CAP_VENDOR_CFG &&
        (config.read(fn, offset + flags.offset, 1) & VIRTIO_PCI_VNDR_NO_BYPASS) !== 0,
    ),
    property: node !== null && bypassesIommu(node),
    version: fn.revision >= VIRTIO_PCI_REVISION_TELLS_BYPASS,
  }
}
