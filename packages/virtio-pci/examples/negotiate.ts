import { type VirtioDevice, VirtioPciFunction } from '@dmascope/virtio-pci'
import {
  featureNumbers,
  VIRTIO_ID_ENTROPY,
  VIRTIO_PCI_COMMON_CFG,
  VIRTIO_STATUS_ACKNOWLEDGE,
  VIRTIO_STATUS_DRIVER,
  VIRTIO_STATUS_FEATURES_OK,
} from '@dmascope/virtio-pci/spec'

const rng: VirtioDevice = {
  type: VIRTIO_ID_ENTROPY,
  kind: 'virtio-rng',
  queueSizes: [8],
  features: { lo: 0, hi: 0 },
  config: { size: 0, read: () => 0, write() {} },
  activate() {},
  notify() {},
  work: () => 'idle',
  reset() {},
}
const device = new VirtioPciFunction({
  device: rng,
  legacy: false,
  modern: true,
  accessPlatform: true,
  vectors: 2,
})
console.log(`offers ${featureNumbers(device.offeredFeatures).join(', ')}`)

// The common configuration structure stands at the start of BAR 4.
const common = VIRTIO_PCI_COMMON_CFG.registers
const write = (offset: number, width: 1 | 4, value: number): void => device.writeBar(4, offset, width, value, 0)
function negotiate(highFeatures: number): void {
  write(common.device_status.offset, 1, 0)
  write(common.device_status.offset, 1, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER)
  write(common.driver_feature_select.offset, 4, 1)
  write(common.driver_feature.offset, 4, highFeatures)
  write(common.device_status.offset, 1, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_FEATURES_OK)
  const stands = (device.status & VIRTIO_STATUS_FEATURES_OK) !== 0
  const taken = featureNumbers(device.negotiatedFeatures).join(', ')
  console.log(`driver accepts ${taken}: FEATURES_OK ${stands ? 'stands' : 'does not stand'}`)
}

negotiate(0b01) // VERSION_1 alone: the device refuses, for it is told where memory is only by the platform.
negotiate(0b11) // VERSION_1 and ACCESS_PLATFORM.
