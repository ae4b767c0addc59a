import { hexPair } from '@dmascope/layout'
import {
  featureBits,
  featureNumbers,
  hasFeature,
  intersectFeatures,
  NO_FEATURES,
  uniteFeatures,
  VIRTIO_F_ACCESS_PLATFORM,
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_ORDER_PLATFORM,
  VIRTIO_F_PLATFORM_DMA,
  VIRTIO_F_RING_PACKED,
  VIRTIO_F_VERSION_1,
  VIRTIO_STATUS_DEVICE_NEEDS_RESET,
  VIRTIO_STATUS_DRIVER,
  VIRTIO_STATUS_DRIVER_OK,
  VIRTIO_STATUS_FAILED,
  VIRTIO_STATUS_FEATURES_OK,
  withoutFeatures,
} from '@dmascope/virtio-pci/spec'
import type { BoundDriver } from '../drivers/driver.ts'
import { bypassIndications, TELLS_NOTHING } from './bypass-indications.ts'
import { PhysicalPath } from './dma-path.ts'
import type { VirtioDevice } from './virtio-device.ts'
import type { VirtioDriver } from './virtio-driver.ts'

/**
 * Feature bits of rings, and of what all transports have in common, that this kernel accepts whenever they are offered.
 *
 * DEVIATION: Linux also accepts NOTIFICATION_DATA (38) and ADMIN_VQ (41), which change the doorbell; this kernel has
 * plain ones alone.
 */
const TRANSPORT_FEATURES = featureBits(
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_VERSION_1,
  VIRTIO_F_ACCESS_PLATFORM,
  VIRTIO_F_ORDER_PLATFORM,
  VIRTIO_F_RING_PACKED,
)

/** Sets DRIVER_OK, once: from here on the device may use its queues. */
export function ready(device: VirtioDevice): void {
  if ((device.transport.status & VIRTIO_STATUS_DRIVER_OK) === 0) device.addStatus(VIRTIO_STATUS_DRIVER_OK)
}

/**
 * Binds a driver to a virtio device, in the order of Linux's `virtio_dev_probe`: DRIVER, features read, the driver's
 * and the transport's written, FEATURES_OK set and looked at again, the rule asked how to give the device addresses,
 * the driver's own probe, DRIVER_OK.
 *
 * @returns why driver or device declined, where one did
 */
export function bindVirtioDriver(device: VirtioDevice, driver: VirtioDriver): BoundDriver | string {
  const { transport, record } = device
  device.addStatus(VIRTIO_STATUS_DRIVER)
  const offered = transport.readFeatures()
  device.offered = offered
  const known = hasFeature(offered, VIRTIO_F_VERSION_1) ? driver.features : (driver.legacyFeatures ?? driver.features)
  const { unknownFeatures, proposedFeatures } = device.kernel.profile
  const ofTransport = uniteFeatures(
    withoutFeatures(
      uniteFeatures(TRANSPORT_FEATURES, transport.ownFeatures ?? NO_FEATURES),
      featureBits(...unknownFeatures),
    ),
    featureBits(...proposedFeatures),
  )
  const wanted = intersectFeatures(offered, uniteFeatures(featureBits(...known), ofTransport))
  const features = driver.validate?.(device, wanted) ?? wanted
  device.negotiated = features
  const offeredNumbers = featureNumbers(offered)
  record.why(
    `the device offers feature bits ${offeredNumbers.join(', ') || 'none'}`,
    transport.featureSource,
    `${wordBytes(offered.lo)} ${wordBytes(offered.hi)}`,
  )
  const refused = transport.declines?.(features) ?? null
  if (refused !== null) return fail(device, refused)
  const objection = driver.objectsTo?.(features) ?? null
  if (objection === null) transport.writeFeatures(features)
  const negotiatedNumbers = featureNumbers(features)
  record.virtio = {
    offered: offeredNumbers,
    negotiated: negotiatedNumbers,
    accessPlatform: device.has(VIRTIO_F_ACCESS_PLATFORM),
    status: transport.status,
  }
  if (objection !== null) return fail(device, objection)
  const refusal = settleFeatures(device)
  if (refusal !== null) return fail(device, refusal)
  record.why(`negotiated feature bits ${negotiatedNumbers.join(', ') || 'none'}`, `${driver.name}, virtio_dev_probe`)
  const declined = restrictedMemory(device) ?? chooseDmaPath(device)
  if (declined !== null) return fail(device, declined)
  const bound = driver.probe(device)
  if (typeof bound === 'string') return fail(device, bound)
  ready(device)
  const status = device.noteStatus()
  // A status of all ones is a device that has gone.
  if (status === 0xff || (status & VIRTIO_STATUS_DEVICE_NEEDS_RESET) !== 0) {
    record.why(`device status is 0x${status.toString(16)} after the probe`, 'virtio device status')
  }
  return bound
}

/** A word's bytes as they lie in memory, as hex pairs. */
function wordBytes(word: number): string {
  let text = ''
  for (let shift = 0; shift < 32; shift += 8) {
    const byte = (word >>> shift) & 0xff
    text += `${shift === 0 ? '' : ' '}${byte < 0x10 ? '0' : ''}${byte.toString(16)}`
  }
  return text
}

function fail(device: VirtioDevice, reason: string): string {
  device.addStatus(VIRTIO_STATUS_FAILED)
  device.noteStatus()
  return reason
}

/** Without VERSION_1 there is no FEATURES_OK, and the device cannot refuse (virtio 1.3 §3.1.1). */
function settleFeatures(device: VirtioDevice): string | null {
  const { transport, negotiated, offered } = device
  if (!device.has(VIRTIO_F_VERSION_1)) return null
  device.addStatus(VIRTIO_STATUS_FEATURES_OK)
  if (transport.status & VIRTIO_STATUS_FEATURES_OK) return null
  const declined = hasFeature(offered, VIRTIO_F_ACCESS_PLATFORM) && !device.has(VIRTIO_F_ACCESS_PLATFORM)
  return `the device refuses features 0x${hexPair(negotiated.hi, negotiated.lo)} (FEATURES_OK does not stay set)${
    declined ? ': it offers VIRTIO_F_ACCESS_PLATFORM, bit 33, which the driver did not accept' : ''
  }`
}

/** Linux's `virtio_features_ok`: where memory is closed to devices, one that emits physical addresses is of no use. */
function restrictedMemory(device: VirtioDevice): string | null {
  if (!device.kernel.restrictedMemory) return null
  if (!device.has(VIRTIO_F_VERSION_1)) return 'device must provide VIRTIO_F_VERSION_1 (-ENODEV)'
  if (!device.has(VIRTIO_F_ACCESS_PLATFORM)) return 'device must provide VIRTIO_F_ACCESS_PLATFORM (-ENODEV)'
  return null
}

const PATH_TEXT = { physical: 'physical addresses', 'dma-api': 'DMA API', refuse: 'declined' } as const

/** @returns why the kernel's rule declines the device; null where it has chosen */
function chooseDmaPath(device: VirtioDevice): string | null {
  const { kernel, site, transport, record, offered } = device
  const { profile, architecture, pages, witness } = kernel
  const rule = profile.virtioDma
  const decision = rule.decide({
    architecture,
    accessPlatform: device.has(VIRTIO_F_ACCESS_PLATFORM),
    offersAccessPlatform: hasFeature(offered, VIRTIO_F_ACCESS_PLATFORM),
    platformDma: device.has(VIRTIO_F_PLATFORM_DMA),
    offersPlatformDma: hasFeature(offered, VIRTIO_F_PLATFORM_DMA),
    xen: kernel.xen,
    hasIommu: site.hasIommu,
    whitelisted:
      site.fn !== null &&
      profile.whitelist.some(({ vendor, device: id }) => vendor === site.fn?.vendorId && id === site.fn.deviceId),
    tells: site.fn === null ? TELLS_NOTHING : bypassIndications(kernel, site.fn),
  })
  record.why(`${PATH_TEXT[decision.path]}: ${decision.because}`, rule.name)
  if (decision.path === 'refuse') return decision.because
  device.dma =
    decision.path === 'physical'
      ? new PhysicalPath(record.owner, pages, witness, transport.queueAddressBits)
      : site.dmaOps(transport.queueAddressBits)
  record.dmaPath = device.dma.kind
  return null
}
