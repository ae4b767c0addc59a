import { addr, bits, field, le32, struct } from '@dmascope/layout'

/** Values of the EFR's HATS: how many levels of host page tables the unit walks. */
export const HATS_LEVELS = { 4: 0, 5: 1, 6: 2, none: 3 } as const

/** Extended Feature Register [MMIO Offset 0030h]. */
export const EFR = bits(64, 'Extended Feature Register', 'AMD IOMMU 3.07 §3.4', {
  SNPSup: 63,
  ForcePhyDestSup: 62,
  GAUpdateDisSup: 61,
  ViommuSup: 55,
  InvIotlbTypeSup: 54,
  HDSup: 52,
  AttrFWSup: 51,
  EPHSup: 50,
  HASup: 49,
  GIoSup: 48,
  MsiCapMmioSup: 46,
  PerfOptSup: 45,
  BlkStopMrkSup: 44,
  MarcSup: [43, 42],
  PprAutoRspSup: 41,
  PprOvrflwEarlySup: 40,
  DevTblSegSup: [39, 38],
  USSup: 37,
  PASmax: [36, 32],
  SATSup: 31,
  DualEventLogSup: [29, 28],
  DualPprLogSup: [25, 24],
  GAMSup: [23, 21],
  SmiFRC: [20, 18],
  SmiFSup: [17, 16],
  GLXSup: [15, 14],
  GATS: [13, 12],
  HATS: field([11, 10], 'ro', { 0: '4 levels', 1: '5 levels', 2: '6 levels', 3: 'not supported' }),
  PCSup: 9,
  HESup: 8,
  GASup: 7,
  IASup: 6,
  GTSup: 4,
  NXSup: 3,
  XTSup: 2,
  PPRSup: 1,
  PreFSup: 0,
})

/** Extended Feature 2 Register [MMIO Offset 01A0h]. */
export const EFR2 = bits(64, 'Extended Feature 2 Register', 'AMD IOMMU 3.07 §3.4', {
  HTRangeIgnore: 11,
  NumIntRemapSup: field([9, 8], 'ro', { 0: '512', 1: '2048' }),
  SNPAVICSup: [7, 5],
  GAPPIDisSup: 4,
  GCR3TRPMode: 3,
  TMPMSup: 2,
})

/** The IOMMU's capability block in its PCI function's configuration space. */
export const IOMMU_CAPABILITY = struct('IOMMU capability block', 'AMD IOMMU 3.07 §3.2', {
  Header: le32,
  BaseAddressLow: le32,
  BaseAddressHigh: le32,
  Range: le32,
  MiscInfo0: le32,
  MiscInfo1: le32,
})

/** CapID of the block (a secure device), and CapType of an IOMMU. */
export const CAP_ID = 0x0f
export const CAP_TYPE_IOMMU = 3

/** Capability Header [Capability Offset 00h]. */
export const CAPABILITY_HEADER = bits(32, 'IOMMU Capability Header', 'AMD IOMMU 3.07 §3.2', {
  CapExt: 28,
  EFRSup: 27,
  NpCache: 26,
  HtTunnel: 25,
  IotlbSup: 24,
  CapRev: [23, 19],
  CapType: [18, 16],
  CapPtr: [15, 8],
  CapID: [7, 0],
})

/** Base Address Low Register [Capability Offset 04h]: where the MMIO registers lie. */
export const BASE_ADDRESS_LOW = bits(32, 'IOMMU Base Address Low', 'AMD IOMMU 3.07 §3.2', {
  BaseAddress: addr(31, 14),
  Enable: 0,
})

/** Range Register [Capability Offset 0Ch]. */
export const RANGE = bits(32, 'IOMMU Range', 'AMD IOMMU 3.07 §3.2', {
  LastDevice: [31, 24],
  FirstDevice: [23, 16],
  BusNumber: [15, 8],
  RngValid: 7,
  UnitID: [4, 0],
})

/** Miscellaneous Information Register 0 [Capability Offset 10h]. */
export const MISC_INFO_0 = bits(32, 'IOMMU Miscellaneous Information 0', 'AMD IOMMU 3.07 §3.2', {
  MsiNumPPR: [31, 27],
  HtAtsResv: 22,
  VAsize: [21, 15],
  PAsize: [14, 8],
  GVAsize: field([7, 5], 'ro', { 2: '48 bits' }),
  MsiNum: [4, 0],
})

/** Miscellaneous Information Register 1 [Capability Offset 14h]. */
export const MISC_INFO_1 = bits(32, 'IOMMU Miscellaneous Information 1', 'AMD IOMMU 3.07 §3.2', { MsiNumGA: [4, 0] })
