import type { MmioHandler } from '@dmascope/memory'
import {
  VIRTIO_MMIO,
  VIRTIO_MMIO_MAGIC,
  VIRTIO_MMIO_VENDOR_QEMU,
  VIRTIO_MMIO_VERSION_LEGACY,
  VIRTIO_MMIO_VERSION_MODERN,
} from './spec/registers.ts'

const at = VIRTIO_MMIO.registers

/**
 * A transport into which no device is plugged: it tells what it is and has device ID 0, for which every driver leaves it
 * alone (virtio 1.3 §4.2.2). Everything else reads as zero, at whatever width; writes are dropped.
 */
export const emptyTransport = ({ legacy }: { readonly legacy: boolean }): MmioHandler => ({
  read(offset, width) {
    // What is narrower than a register gets its low bytes.
    const part = (value: number): number => (width === 4 ? value : value & (width === 2 ? 0xffff : 0xff))
    switch (offset) {
      case at.MagicValue.offset:
        return part(VIRTIO_MMIO_MAGIC)
      case at.Version.offset:
        return legacy ? VIRTIO_MMIO_VERSION_LEGACY : VIRTIO_MMIO_VERSION_MODERN
      case at.VendorID.offset:
        return part(VIRTIO_MMIO_VENDOR_QEMU)
      default:
        return 0
    }
  },
  write() {},
})
