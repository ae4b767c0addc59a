import { addr, bits, field, reg64, registers } from '@dmascope/layout'
import { EFR, EFR2 } from './features.ts'

const SOURCE = 'AMD IOMMU 3.07 §3.4'

/** Device Table Base Address Register. Size counts pages of 4 KiB, less one. */
export const DEVICE_TABLE_BASE = bits(64, 'Device Table Base Address Register', SOURCE, {
  DevTabBase: addr(51, 12),
  Size: [8, 0],
})

/** Command Buffer Base Address Register: 2^ComLen commands, ComLen from 8 on. */
export const COMMAND_BUFFER_BASE = bits(64, 'Command Buffer Base Address Register', SOURCE, {
  ComLen: [59, 56],
  ComBase: addr(51, 12),
})

/** Event Log Base Address Register: 2^EventLen entries, EventLen from 8 on. */
export const EVENT_LOG_BASE = bits(64, 'Event Log Base Address Register', SOURCE, {
  EventLen: [59, 56],
  EventBase: addr(51, 12),
})

/** IOMMU Control Register. */
export const CONTROL = bits(64, 'IOMMU Control Register', SOURCE, {
  GstBufferTRPMode: 60,
  IRTCacheDis: 59,
  GGCR3TRPMode: 58,
  TMPMEn: 56,
  GAPPIEn: 55,
  GAUpdateDis: 54,
  vIommuEn: 53,
  vCmdEn: 52,
  IntCapXTEn: 51,
  XTEn: 50,
  GDUpdateDis: 48,
  HADUpdate: [47, 46],
  EPHEn: 45,
  NumIntRemapMode: [44, 43],
  PprAutoRspAON: 42,
  BlkStopMrkEn: 41,
  MarcEn: 40,
  PprAutoRspEn: 39,
  PrivAbrtEn: [38, 37],
  DevTblSegEn: [36, 34],
  DualEventLogEn: [33, 32],
  DualPprLogEn: [31, 30],
  GAIntEn: 29,
  GALogEn: 28,
  GAMEn: [27, 25],
  SmiFLogEn: 24,
  SlfWBdis: 23,
  SmiFEn: 22,
  GAEn: 17,
  GTEn: 16,
  PPREn: 15,
  PPRIntEn: 14,
  PPRLogEn: 13,
  CmdBufEn: 12,
  Isoc: 11,
  Coherent: 10,
  ResPassPW: 9,
  PassPW: 8,
  InvTimeOut: field([7, 5], 'rw', { 0: 'none', 1: '1 ms', 2: '10 ms', 3: '100 ms', 4: '1 s', 5: '10 s', 6: '100 s' }),
  ComWaitIntEn: 4,
  EventIntEn: 3,
  EventLogEn: 2,
  HtTunEn: 1,
  IommuEn: 0,
})

/** Exclusion Base Register. Allow: for every device, not only for those whose entry has EX. */
export const EXCLUSION_BASE = bits(64, 'IOMMU Exclusion Base Register', SOURCE, {
  ExclusionBase: addr(51, 12),
  Allow: 1,
  ExEn: 0,
})

/** Exclusion Range Limit Register: the last page of 4 KiB. */
export const EXCLUSION_LIMIT = bits(64, 'IOMMU Exclusion Range Limit Register', SOURCE, {
  ExclusionLimit: addr(51, 12),
})

/** Peripheral Page Request Log Base Address Register. */
export const PPR_LOG_BASE = bits(64, 'PPR Log Base Address Register', SOURCE, {
  PPRLogLen: [59, 56],
  PPRLogBase: addr(51, 12),
})

/** Command Buffer Head and Tail Pointer Registers: byte offsets into the buffer. */
export const COMMAND_HEAD = bits(64, 'Command Buffer Head Pointer Register', SOURCE, { CmdHeadPtr: addr(18, 4) })
export const COMMAND_TAIL = bits(64, 'Command Buffer Tail Pointer Register', SOURCE, { CmdTailPtr: addr(18, 4) })

/** Event Log Head and Tail Pointer Registers: byte offsets into the log. */
export const EVENT_HEAD = bits(64, 'Event Log Head Pointer Register', SOURCE, { EventHeadPtr: addr(18, 4) })
export const EVENT_TAIL = bits(64, 'Event Log Tail Pointer Register', SOURCE, { EventTailPtr: addr(18, 4) })

/** PPR Log Head and Tail Pointer Registers. */
export const PPR_HEAD = bits(64, 'PPR Log Head Pointer Register', SOURCE, { PPRHeadPtr: addr(18, 4) })
export const PPR_TAIL = bits(64, 'PPR Log Tail Pointer Register', SOURCE, { PPRTailPtr: addr(18, 4) })

/** IOMMU Status Register. */
export const STATUS = bits(64, 'IOMMU Status Register', SOURCE, {
  PprOvrflwEarly: field(18, 'rw1c'),
  PprOvrflwEarlyB: field(17, 'rw1c'),
  EventLogActive: field(16, 'ro'),
  EventOvrflwB: field(15, 'rw1c'),
  PprLogActive: field(12, 'ro'),
  PprOvrflwB: field(11, 'rw1c'),
  GAInt: field(10, 'rw1c'),
  GALOverflow: field(9, 'rw1c'),
  GALogRun: field(8, 'ro'),
  PprLogRun: field(7, 'ro'),
  PprInt: field(6, 'rw1c'),
  PprOverflow: field(5, 'rw1c'),
  CmdBufRun: field(4, 'ro'),
  EventLogRun: field(3, 'ro'),
  ComWaitInt: field(2, 'rw1c'),
  EventLogInt: field(1, 'rw1c'),
  EventOverflow: field(0, 'rw1c'),
})

/** Bytes that the registers take, without performance counters. */
export const MMIO_SIZE = 0x4000

/** The register file, but for those that features beyond this model's bring. */
export const AMDVI_REGISTERS = registers('AMD IOMMU registers', SOURCE, {
  DeviceTableBase: reg64(0x0000, 'rw', DEVICE_TABLE_BASE),
  CommandBufferBase: reg64(0x0008, 'rw', COMMAND_BUFFER_BASE, [0x0800_0000, 0]),
  EventLogBase: reg64(0x0010, 'rw', EVENT_LOG_BASE, [0x0800_0000, 0]),
  Control: reg64(0x0018, 'rw', CONTROL),
  ExclusionBase: reg64(0x0020, 'rw', EXCLUSION_BASE),
  ExclusionLimit: reg64(0x0028, 'rw', EXCLUSION_LIMIT),
  ExtendedFeature: reg64(0x0030, 'ro', EFR),
  PprLogBase: reg64(0x0038, 'rw', PPR_LOG_BASE, [0x0800_0000, 0]),
  ExtendedFeature2: reg64(0x01a0, 'ro', EFR2),
  CommandHead: reg64(0x2000, 'rw', COMMAND_HEAD),
  CommandTail: reg64(0x2008, 'rw', COMMAND_TAIL),
  EventHead: reg64(0x2010, 'rw', EVENT_HEAD),
  EventTail: reg64(0x2018, 'rw', EVENT_TAIL),
  Status: reg64(0x2020, 'ro', STATUS),
  PprHead: reg64(0x2030, 'rw', PPR_HEAD),
  PprTail: reg64(0x2038, 'rw', PPR_TAIL),
})
