import { bits, reg32, registers } from '@dmascope/layout'

/** `virt` in ASCII, little-endian. */
export const VIRTIO_MMIO_MAGIC = 0x7472_6976
/** `QEMU` in ASCII, little-endian. */
export const VIRTIO_MMIO_VENDOR_QEMU = 0x554d_4551
export const VIRTIO_MMIO_VERSION_LEGACY = 1
export const VIRTIO_MMIO_VERSION_MODERN = 2
/** A transport without a device. */
export const VIRTIO_MMIO_DEVICE_NONE = 0
/** Bytes of the register block as QEMU makes it: half of it is the device's own configuration. */
export const VIRTIO_MMIO_BYTES = 0x200
/** Where the device's own configuration starts. */
export const VIRTIO_MMIO_CONFIG_OFFSET = 0x100

/** InterruptStatus and InterruptACK. */
export const VIRTIO_MMIO_INTERRUPT = bits(32, 'InterruptStatus', 'virtio 1.3 §4.2.2', {
  CONFIGURATION_CHANGE: 1,
  USED_BUFFER: 0,
})

/** The register block of version 2. Registers are 32 bits wide, and accessed so. */
export const VIRTIO_MMIO = registers('virtio MMIO', 'virtio 1.3 §4.2.2', {
  MagicValue: reg32(0x000, 'ro', undefined, VIRTIO_MMIO_MAGIC),
  Version: reg32(0x004, 'ro'),
  DeviceID: reg32(0x008, 'ro'),
  VendorID: reg32(0x00c, 'ro'),
  DeviceFeatures: reg32(0x010, 'ro'),
  DeviceFeaturesSel: reg32(0x014, 'wo'),
  DriverFeatures: reg32(0x020, 'wo'),
  DriverFeaturesSel: reg32(0x024, 'wo'),
  QueueSel: reg32(0x030, 'wo'),
  QueueSizeMax: reg32(0x034, 'ro'),
  QueueSize: reg32(0x038, 'wo'),
  QueueReady: reg32(0x044, 'rw'),
  QueueNotify: reg32(0x050, 'wo'),
  InterruptStatus: reg32(0x060, 'ro', VIRTIO_MMIO_INTERRUPT),
  InterruptACK: reg32(0x064, 'wo', VIRTIO_MMIO_INTERRUPT),
  Status: reg32(0x070, 'rw'),
  QueueDescLow: reg32(0x080, 'wo'),
  QueueDescHigh: reg32(0x084, 'wo'),
  QueueDriverLow: reg32(0x090, 'wo'),
  QueueDriverHigh: reg32(0x094, 'wo'),
  QueueDeviceLow: reg32(0x0a0, 'wo'),
  QueueDeviceHigh: reg32(0x0a4, 'wo'),
  SHMSel: reg32(0x0ac, 'wo'),
  SHMLenLow: reg32(0x0b0, 'ro'),
  SHMLenHigh: reg32(0x0b4, 'ro'),
  SHMBaseLow: reg32(0x0b8, 'ro'),
  SHMBaseHigh: reg32(0x0bc, 'ro'),
  QueueReset: reg32(0x0c0, 'rw'),
  ConfigGeneration: reg32(0x0fc, 'ro'),
})

/** What the legacy block, version 1, has in place of queue addresses and QueueReady; the rest is as in version 2. */
export const VIRTIO_MMIO_LEGACY = registers('virtio MMIO, legacy', 'virtio 1.3 §4.2.4', {
  GuestPageSize: reg32(0x028, 'wo'),
  QueueAlign: reg32(0x03c, 'wo'),
  QueuePFN: reg32(0x040, 'rw'),
})
