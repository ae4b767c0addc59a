import { bits, bytes, le16, le32, le64, struct, u8 } from '@dmascope/layout'

/** The body of the DMA remapping table, before its remapping structures. */
export const DMAR = struct('DMAR', 'VT-d 4.1 §8.1', {
  /** One less than the number of bits of DMA addressability. */
  hostAddressWidth: u8,
  flags: u8,
  reserved: bytes(10),
})

export const DMAR_FLAGS = bits(8, 'Flags', 'VT-d 4.1 §8.1', {
  INTR_REMAP: 0,
  X2APIC_OPT_OUT: 1,
  DMA_CTRL_PLATFORM_OPT_IN_FLAG: 2,
})

/** What every remapping structure starts with. */
export const REMAPPING_STRUCTURE = struct('Remapping Structure', 'VT-d 4.1 §8.2', { type: le16, length: le16 })

/** DMA Remapping Hardware Unit Definition. */
export const DRHD = struct('DRHD', 'VT-d 4.1 §8.3', {
  type: le16,
  length: le16,
  flags: u8,
  /** Bits 3:0: the register set spans 2^n pages of 4 KiB. Reserved before VT-d 4.0. */
  size: u8,
  segmentNumber: le16,
  registerBaseAddress: le64,
})

export const DRHD_FLAGS = bits(8, 'Flags', 'VT-d 4.1 §8.3', { INCLUDE_PCI_ALL: 0 })

/** Reserved Memory Region Reporting. The limit is the region's last byte. */
export const RMRR = struct('RMRR', 'VT-d 4.1 §8.4', {
  type: le16,
  length: le16,
  reserved: le16,
  segmentNumber: le16,
  reservedMemoryRegionBaseAddress: le64,
  reservedMemoryRegionLimitAddress: le64,
})

/** Root Port ATS Capability Reporting. */
export const ATSR = struct('ATSR', 'VT-d 4.1 §8.5', {
  type: le16,
  length: le16,
  flags: u8,
  reserved: u8,
  segmentNumber: le16,
})

export const ATSR_FLAGS = bits(8, 'Flags', 'VT-d 4.1 §8.5', { ALL_PORTS: 0 })

/** Remapping Hardware Static Affinity. */
export const RHSA = struct('RHSA', 'VT-d 4.1 §8.6', {
  type: le16,
  length: le16,
  reserved: le32,
  registerBaseAddress: le64,
  proximityDomain: le32,
})

/** ACPI Name-space Device Declaration; the object's name follows. */
export const ANDD = struct('ANDD', 'VT-d 4.1 §8.7', {
  type: le16,
  length: le16,
  reserved: bytes(3),
  acpiDeviceNumber: u8,
})

/** SoC Integrated Address Translation Cache reporting. */
export const SATC = struct('SATC', 'VT-d 4.1 §8.8', {
  type: le16,
  length: le16,
  flags: u8,
  reserved: u8,
  segmentNumber: le16,
})

export const SATC_FLAGS = bits(8, 'Flags', 'VT-d 4.1 §8.8', { ATC_REQUIRED: 0 })

/** SoC Integrated Device Property reporting. */
export const SIDP = struct('SIDP', 'VT-d 4.1 §8.9', { type: le16, length: le16, reserved: le16, segmentNumber: le16 })

/** What a remapping structure names a device with; the path, pairs of device and function, follows. */
export const DEVICE_SCOPE = struct('Device Scope', 'VT-d 4.1 §8.3.1', {
  type: u8,
  length: u8,
  flags: u8,
  reserved: u8,
  /** I/O APIC ID, HPET number or ACPI device number, by type. */
  enumerationId: u8,
  startBusNumber: u8,
})

export const DEVICE_SCOPE_FLAGS = bits(8, 'Flags', 'VT-d 4.1 §8.3.1', {
  REQ_WO_PASID_NESTED_NOTALLOWED: 0,
  REQ_WO_PASID_PWSNP_NOTALLOWED: 1,
  REQ_WO_PASID_PGSNP_NOTALLOWED: 2,
  ATC_HARDENED: 3,
  ATC_REQUIRED: 4,
})

/** One step of a device scope's path. */
export const DEVICE_SCOPE_PATH = struct('Path', 'VT-d 4.1 §8.3.1', { device: u8, function: u8 })

/** What every device scope starts with. */
export const DEVICE_SCOPE_HEAD = struct('Device Scope', 'VT-d 4.1 §8.3.1', { type: u8, length: u8 })
