import {
  VIRTIO_MMIO,
  VIRTIO_MMIO_BYTES,
  VIRTIO_MMIO_CONFIG_OFFSET,
  VIRTIO_MMIO_DEVICE_NONE,
  VIRTIO_MMIO_MAGIC,
  VIRTIO_MMIO_VERSION_LEGACY,
  VIRTIO_MMIO_VERSION_MODERN,
} from '@dmascope/virtio-mmio/spec'
import { VIRTIO_STATUS_ACKNOWLEDGE } from '@dmascope/virtio-pci/spec'
import type { Kernel } from '../kernel.ts'
import type { PlatformRecord } from '../platform/platform-record.ts'
import { MmioTransport } from './mmio-transport.ts'
import { VirtioDevice } from './virtio-device.ts'
import { siteOnPlatform } from './virtio-site.ts'

const R = VIRTIO_MMIO.registers

/**
 * What Linux's `virtio_mmio` does with a platform device: looks at magic value, version and device ID, tells a legacy
 * one the page size, resets the device and acknowledges it.
 *
 * @param index - how many virtio devices were found before
 * @returns why there is no virtio device, where there is none; null for an empty transport, of which nobody speaks
 */
export function probeVirtioMmio(kernel: Kernel, record: PlatformRecord, index: number): VirtioDevice | string | null {
  const { bus } = kernel
  const { base, size, source, coherent } = record.device
  if (size < VIRTIO_MMIO_CONFIG_OFFSET) return `${size} bytes of registers, ${VIRTIO_MMIO_BYTES} are expected`
  const magic = bus.read32(base + R.MagicValue.offset)
  if (magic !== VIRTIO_MMIO_MAGIC) return `Wrong magic value 0x${magic.toString(16).padStart(8, '0')}!`
  const version = bus.read32(base + R.Version.offset)
  if (version < VIRTIO_MMIO_VERSION_LEGACY || version > VIRTIO_MMIO_VERSION_MODERN) {
    return `Version ${version} not supported!`
  }
  const type = bus.read32(base + R.DeviceID.offset)
  if (type === VIRTIO_MMIO_DEVICE_NONE) return null
  record.identity = { vendor: bus.read32(base + R.VendorID.offset), device: type }
  const transport = new MmioTransport(bus, base, version, type)
  record.why(`registers at 0x${base.toString(16)}${coherent ? ', its DMA coherent with caches' : ''}`, source)
  record.why(`virtio device type ${type}, ${transport.kind} interface`, `virtio MMIO registers, Version ${version}`)
  transport.reset()
  const device = new VirtioDevice(kernel, siteOnPlatform(kernel, record), record, transport, index)
  device.addStatus(VIRTIO_STATUS_ACKNOWLEDGE)
  return device
}
