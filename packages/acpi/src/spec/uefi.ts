import { bytes, le32, le64, struct } from '@dmascope/layout'

/** What UEFI firmware leaves in memory for a kernel to find its tables by: 64-bit forms, little-endian. */
const SOURCE = 'UEFI 2.10, 4.3 and 4.6'

/** EFI_SYSTEM_TABLE. Pointers to console, runtime and boot services are not among what a kernel here needs. */
export const EFI_SYSTEM_TABLE = struct('EFI_SYSTEM_TABLE', SOURCE, {
  Signature: bytes(8),
  Revision: le32,
  HeaderSize: le32,
  CRC32: le32,
  Reserved: le32,
  FirmwareVendor: le64,
  FirmwareRevision: le32,
  gap_36: bytes(4),
  consoles: bytes(48),
  RuntimeServices: le64,
  BootServices: le64,
  NumberOfTableEntries: le64,
  ConfigurationTable: le64,
})

export const EFI_SYSTEM_TABLE_SIGNATURE = 'IBI SYST'

/** EFI_CONFIGURATION_TABLE: one entry. */
export const EFI_CONFIGURATION_TABLE = struct('EFI_CONFIGURATION_TABLE', SOURCE, {
  VendorGuid: bytes(16),
  VendorTable: le64,
})

/** EFI_ACPI_20_TABLE_GUID, 8868e871-e4f1-11d3-bc22-0080c73c8881, as it lies in memory. */
export const EFI_ACPI_20_TABLE_GUID: readonly number[] = [
  ...[0x71, 0xe8, 0x68, 0x88, 0xf1, 0xe4, 0xd3, 0x11],
  ...[0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81],
]

/** EFI_MEMORY_DESCRIPTOR; entries of a map may be further apart than it is long. */
export const EFI_MEMORY_DESCRIPTOR = struct('EFI_MEMORY_DESCRIPTOR', 'UEFI 2.10, 7.2', {
  Type: le32,
  gap_04: bytes(4),
  PhysicalStart: le64,
  VirtualStart: le64,
  NumberOfPages: le64,
  Attribute: le64,
})

/** Values of `EFI_MEMORY_DESCRIPTOR.Type`. */
export const EFI_MEMORY_TYPE = {
  reserved: 0,
  loaderCode: 1,
  loaderData: 2,
  bootServicesCode: 3,
  bootServicesData: 4,
  conventional: 7,
  acpiReclaim: 9,
} as const
