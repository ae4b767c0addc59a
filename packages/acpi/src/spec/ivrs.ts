import { bits, bytes, field, le16, le32, le64, struct, u8 } from '@dmascope/layout'

const SOURCE = 'AMD IOMMU 3.07, IVRS'

/** The body of the I/O virtualization reporting structure, before its blocks. */
export const IVRS = struct('IVRS', SOURCE, { IVinfo: le32, reserved: bytes(8) })

export const IVRS_IVINFO = bits(32, 'IVinfo', SOURCE, {
  EFRSup: 0,
  DmaGuardOptIn: 1,
  GVASize: field([7, 5], 'ro', { 2: '48 bits' }),
  /** Number of bits of a physical address. */
  PASize: [14, 8],
  /** Number of bits of a virtual address. */
  VASize: [21, 15],
  HtAtsResv: 22,
})

/** What every block starts with. */
export const IVRS_BLOCK = struct('IVRS Block', SOURCE, { type: u8, flags: u8, length: le16 })

const IVHD_FIELDS = {
  type: u8,
  flags: u8,
  length: le16,
  /** Of the IOMMU itself: bus in bits 15:8, device in 7:3, function in 2:0. */
  deviceId: le16,
  capabilityOffset: le16,
  iommuBaseAddress: le64,
  pciSegmentGroup: le16,
  iommuInfo: le16,
} as const

/** I/O Virtualization Hardware Definition as software from before the extended feature register knows it. */
export const IVHD_10H = struct('IVHD Type 10h', SOURCE, { ...IVHD_FIELDS, iommuFeatureReporting: le32 })

const IVHD_FIELDS_LATER = {
  ...IVHD_FIELDS,
  iommuAttributes: le32,
  /** What the extended feature register reads, MMIO offset 0030h. */
  efrRegisterImage: le64,
  /** What the extended feature 2 register reads, MMIO offset 01A0h; reserved in earlier revisions. */
  efr2RegisterImage: le64,
} as const
export const IVHD_11H = struct('IVHD Type 11h', SOURCE, IVHD_FIELDS_LATER)
/** Like type 11h, and may name ACPI devices in entries of variable length. */
export const IVHD_40H = struct('IVHD Type 40h', SOURCE, IVHD_FIELDS_LATER)

export const IVHD_10H_FLAGS = bits(8, 'Flags', SOURCE, {
  HtTunEn: 0,
  PassPW: 1,
  ResPassPW: 2,
  Isoc: 3,
  IotlbSup: 4,
  Coherent: 5,
  PreFSup: 6,
  PPRSup: 7,
})

/** Of types 11h and 40h: what the extended feature register tells is reserved. */
export const IVHD_FLAGS = bits(8, 'Flags', SOURCE, {
  HtTunEn: 0,
  PassPW: 1,
  ResPassPW: 2,
  Isoc: 3,
  IotlbSup: 4,
  Coherent: 5,
})

export const IVHD_IOMMU_INFO = bits(16, 'IOMMU Info', SOURCE, { MSInum: [4, 0], UnitID: [12, 8] })

export const IVHD_IOMMU_FEATURE_REPORTING = bits(32, 'IOMMU Feature Reporting', SOURCE, {
  XTSup: 0,
  NXSup: 1,
  GTSup: 2,
  GLXSup: [4, 3],
  IASup: 5,
  GASup: 6,
  HESup: 7,
  PASmax: [12, 8],
  PNCounters: [16, 13],
  PNBanks: [22, 17],
  MsiNumPPR: [27, 23],
  GATS: [29, 28],
  HATS: [31, 30],
})

export const IVHD_IOMMU_ATTRIBUTES = bits(32, 'IOMMU Attributes', SOURCE, {
  PNCounters: [16, 13],
  PNBanks: [22, 17],
  MsiNumPPR: [27, 23],
})

/** What every IVHD device entry starts with. Bits 7:6 of the type give the length: 4, 8, 16 or 32 bytes. */
export const IVHD_DEVICE_ENTRY_HEAD = struct('IVHD Device Entry', SOURCE, { type: u8 })

/** Types 1 to 4: all devices, one device, the first and the last of a range. */
export const IVHD_DEVICE_ENTRY = struct('IVHD Device Entry', SOURCE, { type: u8, deviceId: le16, dteSetting: u8 })

/** Types 0 and 64, which stand for nothing. */
export const IVHD_PAD_4 = struct('IVHD Padding, 4 bytes', SOURCE, { type: u8, reserved_1: le16, reserved_3: u8 })
export const IVHD_PAD_8 = struct('IVHD Padding, 8 bytes', SOURCE, {
  type: u8,
  reserved_1: le16,
  reserved_3: u8,
  reserved_4: le32,
})

/** Types 66 and 67: the devices issue requests under another ID. */
export const IVHD_ALIAS_ENTRY = struct('IVHD Alias Entry', SOURCE, {
  type: u8,
  deviceId: le16,
  dteSetting: u8,
  reserved_4: u8,
  sourceDeviceId: le16,
  reserved_7: u8,
})

/** Types 70 and 71. */
export const IVHD_EXTENDED_ENTRY = struct('IVHD Extended Entry', SOURCE, {
  type: u8,
  deviceId: le16,
  dteSetting: u8,
  extendedDteSetting: le32,
})

/** Type 72: an I/O APIC or HPET, which no bus enumeration finds. */
export const IVHD_SPECIAL_ENTRY = struct('IVHD Special Device Entry', SOURCE, {
  type: u8,
  reserved: le16,
  dteSetting: u8,
  /** I/O APIC ID or HPET number, by variety. */
  handle: u8,
  sourceDeviceId: le16,
  variety: u8,
})

export const IVHD_VARIETY = { 1: 'IOAPIC', 2: 'HPET' } as const

/** Type F0h; the UID follows. */
export const IVHD_ACPI_HID_ENTRY = struct('IVHD ACPI Device Entry', SOURCE, {
  type: u8,
  deviceId: le16,
  dteSetting: u8,
  hardwareId: bytes(8),
  compatibleId: bytes(8),
  uidFormat: u8,
  uidLength: u8,
})

export const IVHD_UID_FORMAT = { 0: 'not present', 1: 'integer', 2: 'character string' } as const

export const IVHD_DTE_SETTING = bits(8, 'DTE Setting', SOURCE, {
  INITPass: 0,
  EIntPass: 1,
  NMIPass: 2,
  SysMgt: [5, 4],
  Lint0Pass: 6,
  Lint1Pass: 7,
})

export const IVHD_EXTENDED_DTE_SETTING = bits(32, 'Extended DTE Setting', SOURCE, { AtsDisabled: 31 })

/** I/O Virtualization Memory Definition: memory that devices reach during and after boot. */
export const IVMD = struct('IVMD', SOURCE, {
  type: u8,
  flags: u8,
  length: le16,
  /** Type 21h: the device; 22h: the first device; reserved in 20h. */
  deviceId: le16,
  /** Type 22h: the last device; reserved in the others. */
  auxiliaryData: le16,
  /** Reserved in earlier revisions. */
  pciSegmentGroup: le16,
  reserved: bytes(6),
  startAddress: le64,
  memoryBlockLength: le64,
})

export const IVMD_FLAGS = bits(8, 'Flags', SOURCE, { Unity: 0, IR: 1, IW: 2, ExclRange: 3 })
