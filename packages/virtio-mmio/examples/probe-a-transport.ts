import { createRng } from '@dmascope/virtio-devices'
import { emptyTransport, VirtioMmioDevice } from '@dmascope/virtio-mmio'
import { VIRTIO_MMIO, VIRTIO_MMIO_DEVICE_NONE, VIRTIO_MMIO_MAGIC } from '@dmascope/virtio-mmio/spec'
import { featureNumbers } from '@dmascope/virtio-pci/spec'

const at = VIRTIO_MMIO.registers

// Three transports as firmware would list them: one is empty, as most of QEMU's are.
const transports = [
  emptyTransport({ legacy: true }),
  new VirtioMmioDevice({ device: createRng({ seed: 1 }), legacy: true, accessPlatform: true }),
  new VirtioMmioDevice({ device: createRng({ seed: 2 }), legacy: false, accessPlatform: true }),
]
for (const transport of transports) {
  const read = (offset: number): number => transport.read(offset, 4)
  if (read(at.MagicValue.offset) !== VIRTIO_MMIO_MAGIC) throw new Error('no virtio transport')
  const type = read(at.DeviceID.offset)
  if (type === VIRTIO_MMIO_DEVICE_NONE) {
    console.log('no device')
    continue
  }
  const word = (index: number): number => {
    transport.write(at.DeviceFeaturesSel.offset, 4, index)
    return read(at.DeviceFeatures.offset)
  }
  const offered = featureNumbers({ lo: word(0), hi: word(1) })
  console.log(`version ${read(at.Version.offset)}, device type ${type}, offers ${offered.join(', ')}`)
}
