import { DmascopeError } from '@dmascope/layout'
import { type VirtioDevice, VirtioPciFunction } from '@dmascope/virtio-pci'
import {
  VIRTIO_PCI_MODERN_DEVICE_ID_BASE,
  VIRTIO_PCI_PROG_IF_NO_BYPASS,
  VIRTIO_PCI_REVISION_TELLS_BYPASS,
  VIRTIO_PCI_VNDR_NO_BYPASS,
} from '@dmascope/virtio-pci/spec'
import { romSize } from '../catalogue/catalogue.ts'
import type { PlacedDevice } from './placed-bus.ts'
import { behaviourOf } from './virtio-behaviour.ts'
import { withheldFeatures } from './withheld-features.ts'

/** Which interfaces a virtio function offers: QEMU's `virtio_pci_realize`. */
interface VirtioGeneration {
  readonly legacy: boolean
  readonly modern: boolean
}

/** Behind a PCI Express port, as QEMU asks: an express bus that is not the root. */
const behindPort = ({ bus }: PlacedDevice): boolean => bus.nature === 'express' && !bus.root

/** Whether the device is a PCI Express function. */
export function isExpressVirtio(placed: PlacedDevice): boolean {
  return behindPort(placed) && generationOf(placed).modern && placed.properties['x-disable-pcie'] !== true
}

/**
 * Legacy, modern or both, by `disable-legacy` (auto: on behind a PCI Express port), `disable-modern` and the device type.
 *
 * @throws DmascopeError MACHINE_REFUSED in QEMU's words
 */
function generationOf(placed: PlacedDevice): VirtioGeneration {
  const { model, properties } = placed
  const virtio = model.virtio
  if (virtio === null) throw new TypeError(`${model.name} is no virtio device`)
  const refuse = (message: string): DmascopeError =>
    new DmascopeError('MACHINE_REFUSED', `${placed.description.location.text}: ${message}`, { device: model.name })
  let legacy: boolean
  if (virtio.mode !== 'any') legacy = virtio.mode === 'transitional'
  else {
    const stated = properties['disable-legacy'] ?? 'auto'
    legacy = stated === 'auto' ? !behindPort(placed) : stated === 'off' || stated === false
  }
  const modern = virtio.mode !== 'any' || properties['disable-modern'] !== true
  if (!legacy && !modern) {
    throw refuse(
      'device cannot work as neither modern nor legacy mode is enabled\nSet either disable-modern or disable-legacy to off',
    )
  }
  // QEMU's `virtio_pci_force_virtio_1`: whatever was asked for.
  if (model.kind === 'virtio-iommu') return { legacy: false, modern: true }
  if (legacy && virtio.transitionalDeviceId === null) {
    const stated = properties['disable-legacy']
    if (!modern) throw refuse('device is modern-only, use disable-modern=off')
    if (stated !== undefined && stated !== 'auto' && properties['x-disable-legacy-check'] !== true) {
      throw refuse('device is modern-only, use disable-legacy=on')
    }
    legacy = false
  }
  if (placed.hypervisor.virtioInterface === 'legacy' && virtio.transitionalDeviceId !== null) {
    return { legacy: true, modern: false }
  }
  if (modern && properties.scsi === true) {
    throw refuse('Please set scsi=off for virtio-blk devices in order to use virtio 1.0')
  }
  if (legacy && properties.iommu_platform === true) {
    throw refuse(
      'VIRTIO_F_IOMMU_PLATFORM was supported by neither legacy nor transitional device\n' +
        `Add disable-legacy=on to have it: -device ${model.name},...,disable-legacy=on,iommu_platform=on`,
    )
  }
  return { legacy, modern }
}

const routingId = ({ device, fn }: PlacedDevice): number => (device << 3) | fn

/** What the SR-IOV capability says of where virtual functions are, and what they are. */
function virtualNumbers(
  physical: PlacedDevice,
  virtual: readonly PlacedDevice[],
): { firstVfOffset: number; vfStride: number; vfDeviceId: number } {
  const [first, second] = virtual
  if (first === undefined) throw new TypeError('there is no virtual function')
  return {
    firstVfOffset: routingId(first) - routingId(physical),
    vfStride: second === undefined ? 0 : routingId(second) - routingId(first),
    vfDeviceId: VIRTIO_PCI_MODERN_DEVICE_ID_BASE + (first.model.virtio?.type ?? 0),
  }
}

/**
 * Builds the function.
 *
 * @param seed - tells apart devices that make up data
 * @param device - what it does; left out, what its kind of device does
 * @param virtual - devices that are its virtual functions
 * @param isVirtual - it is one itself
 */
export function realizeVirtio(
  placed: PlacedDevice,
  seed: number,
  device: VirtioDevice = behaviourOf(placed, seed),
  virtual: readonly PlacedDevice[] = [],
  isVirtual = false,
): VirtioPciFunction {
  const { model, properties, description } = placed
  const virtio = model.virtio
  const behaviour = placed.virtio
  if (virtio === null || behaviour === null) throw new TypeError(`${model.name} is no virtio device`)
  const { tells } = placed.hypervisor
  const { legacy, modern } = generationOf(placed)
  const vectors = placed.bus.messages === false ? 0 : Number(properties.vectors)
  const rom = isVirtual ? 0 : romSize(model, properties)
  const virtualFunctions = virtual.map((one, index) =>
    realizeVirtio(one, seed + index + 1, behaviourOf(one, seed + index + 1), [], true),
  )
  return new VirtioPciFunction({
    device,
    legacy,
    modern,
    accessPlatform: modern && behaviour.offersAccessPlatform,
    insists: behaviour.insists,
    platformDma: placed.hypervisor.platformDma,
    ats: properties.ats === true,
    expressPort: behindPort(placed) && modern && properties['x-disable-pcie'] !== true,
    indirect: properties.indirect_desc !== false,
    eventIndex: properties.event_idx !== false,
    packed: properties.packed === true,
    ringReset: properties.queue_reset !== false,
    withheld: withheldFeatures(placed),
    vectors: Number.isInteger(vectors) && vectors < 2048 ? vectors : virtio.vectors['11.1'],
    pciClass: virtio.classCode | (tells === 'prog-if' ? VIRTIO_PCI_PROG_IF_NO_BYPASS : 0),
    multifunction: description.properties.multifunction === 'on' || properties.multifunction === true,
    virtualFunction: isVirtual,
    ...(tells === 'config-bit' && { vendorFlags: VIRTIO_PCI_VNDR_NO_BYPASS }),
    ...((tells === 'version' || tells === 'property-and-version') && { revisionId: VIRTIO_PCI_REVISION_TELLS_BYPASS }),
    ...(rom > 0 && { romSize: rom }),
    ...(virtual[0] !== undefined && { sriov: { ...virtualNumbers(placed, virtual), virtualFunctions } }),
  })
}
