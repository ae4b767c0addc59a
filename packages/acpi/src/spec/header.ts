import { bytes, le32, le64, struct, u8 } from '@dmascope/layout'

/** The header that every system description table but the FACS starts with. */
export const DESCRIPTION_HEADER = struct('DESCRIPTION_HEADER', 'ACPI 6.5 §5.2.6', {
  signature: bytes(4),
  length: le32,
  revision: u8,
  checksum: u8,
  oemId: bytes(6),
  oemTableId: bytes(8),
  oemRevision: le32,
  creatorId: bytes(4),
  creatorRevision: le32,
})

/** The root pointer as ACPI 1.0 has it: revision 0, checksum over all 20 bytes. */
export const RSDP_1_0 = struct('RSDP', 'ACPI 6.5 §5.2.5.3', {
  signature: bytes(8),
  checksum: u8,
  oemId: bytes(6),
  revision: u8,
  rsdtAddress: le32,
})

/** The root pointer of revision 2. The first checksum covers 20 bytes, the extended one `length` bytes. */
export const RSDP = struct('RSDP', 'ACPI 6.5 §5.2.5.3', {
  signature: bytes(8),
  checksum: u8,
  oemId: bytes(6),
  revision: u8,
  rsdtAddress: le32,
  length: le32,
  xsdtAddress: le64,
  extendedChecksum: u8,
  reserved: bytes(3),
})

/** Entry of a RSDT: the physical address of a table. */
export const RSDT_ENTRY = struct('RSDT Entry', 'ACPI 6.5 §5.2.7', { entry: le32 })

/** Entry of a XSDT. */
export const XSDT_ENTRY = struct('XSDT Entry', 'ACPI 6.5 §5.2.8', { entry: le64 })

export const GENERIC_ADDRESS_STRUCTURE = struct('Generic Address Structure', 'ACPI 6.5 §5.2.3.2', {
  addressSpaceId: u8,
  registerBitWidth: u8,
  registerBitOffset: u8,
  accessSize: u8,
  address: le64,
})

export const ADDRESS_SPACE_ID = {
  0: 'System Memory',
  1: 'System I/O',
  2: 'PCI Configuration Space',
  3: 'Embedded Controller',
  4: 'SMBus',
  5: 'System CMOS',
  6: 'PciBarTarget',
  127: 'Functional Fixed Hardware',
} as const
