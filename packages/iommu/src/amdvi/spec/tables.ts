import { addr, bits, field, le64, struct } from '@dmascope/layout'

/** Device table entry: one per requester ID, 32 bytes. */
export const DEVICE_TABLE_ENTRY = struct('device_table_entry', 'AMD IOMMU 3.07 §2.2.2', {
  data0: le64,
  data1: le64,
  data2: le64,
  data3: le64,
})

/** Device table entry, bits 63:0. Mode 0 passes requests through, as far as IR and IW allow. */
export const DTE_0 = bits(64, 'device_table_entry [63:0]', 'AMD IOMMU 3.07 §2.2.2', {
  IW: 62,
  IR: 61,
  GCR3TRP_14_12: [60, 58],
  GLX: [57, 56],
  GV: 55,
  GIoV: 54,
  GPRP: 53,
  PPR: 52,
  HostPageTableRootPtr: addr(51, 12),
  Mode: field([11, 9], 'rw', {
    0: 'translation disabled',
    1: '1 level',
    2: '2 levels',
    3: '3 levels',
    4: '4 levels',
    5: '5 levels',
    6: '6 levels',
  }),
  HAD: [8, 7],
  TV: 1,
  V: 0,
})

/** Device table entry, bits 127:64. */
export const DTE_1 = bits(64, 'device_table_entry [127:64]', 'AMD IOMMU 3.07 §2.2.2', {
  GCR3TRP_51_31: [63, 43],
  SATS: 42,
  SysMgt: field([41, 40], 'rw', { 0: 'target abort', 1: 'forwarded', 2: 'INTx forwarded', 3: 'translated' }),
  EX: 39,
  SD: 38,
  Cache: 37,
  IoCtl: field([36, 35], 'rw', { 0: 'target abort', 1: 'forwarded', 2: 'translated' }),
  SA: 34,
  SE: 33,
  I: 32,
  GCR3TRP_30_15: [31, 16],
  DomainID: [15, 0],
})

/** Values of IntCtl: what becomes of fixed and arbitrated interrupts. */
export const INT_CTL = { abort: 0, forward: 1, remap: 2 } as const

/** Device table entry, bits 191:128: interrupts. 2^IntTabLen entries, at most 2048. */
export const DTE_2 = bits(64, 'device_table_entry [191:128]', 'AMD IOMMU 3.07 §2.2.2', {
  Lint1Pass: 63,
  Lint0Pass: 62,
  IntCtl: field([61, 60], 'rw', { 0: 'target abort', 1: 'forwarded', 2: 'remapped' }),
  HPTMode: 59,
  NMIPass: 58,
  EIntPass: 57,
  INITPass: 56,
  GuestPagingMode: [55, 54],
  InterruptTableRootPtr: addr(51, 6),
  IG: 5,
  IntTabLen: [4, 1],
  IV: 0,
})

/** Device table entry, bits 255:192. */
export const DTE_3 = bits(64, 'device_table_entry [255:192]', 'AMD IOMMU 3.07 §2.2.2', {
  SnoopAttribute: [63, 56],
  Mode0FC: 55,
  AttrV: 54,
  GuestID: [47, 32],
  GDeviceID: [31, 16],
  vImuEn: 15,
})

/** Values of NextLevel that make an entry a page: of the level's own size, or of the size that its address encodes. */
export const NEXT_LEVEL = { page: 0, sizedPage: 7 } as const

/** Entry of a host page table: 512 in 4 KiB; level n translates address bits [9n+11:9n+3]. */
export const HOST_PAGE_ENTRY = struct('host_page_entry', 'AMD IOMMU 3.07 §2.2.3', { value: le64 })

/** Page directory entry: NextLevel is 1 to 6, and below the level that the entry stands in. */
export const PAGE_DIRECTORY_ENTRY = bits(64, 'page_directory_entry', 'AMD IOMMU 3.07 §2.2.3', {
  IW: 62,
  IR: 61,
  NextTableAddress: addr(51, 12),
  NextLevel: [11, 9],
  A: 5,
  PR: 0,
})

/**
 * Page translation entry. With NextLevel 7 the lowest clear bit of PageAddress, from bit 12 up, tells the size: 8 KiB
 * for bit 12, and so on.
 */
export const PAGE_TABLE_ENTRY = bits(64, 'page_table_entry', 'AMD IOMMU 3.07 §2.2.3', {
  IW: 62,
  IR: 61,
  FC: 60,
  U: 59,
  PageAddress: addr(51, 12),
  NextLevel: [11, 9],
  D: 6,
  A: 5,
  PR: 0,
})

/** A range of addresses that is not memory, and the field of the device table entry that decides on it. */
export interface SpecialRange {
  readonly firstHi: number
  readonly firstLo: number
  readonly lastHi: number
  readonly lastLo: number
  readonly use: 'reserved interrupts' | 'interrupt' | 'IACK' | 'system management' | 'I/O space' | 'reserved'
}

const special = (use: SpecialRange['use'], firstHi: number, firstLo: number, lastHi: number, lastLo: number) =>
  ({ use, firstHi, firstLo, lastHi, lastLo }) satisfies SpecialRange

/** What HyperTransport keeps of the last 12 GiB below 1 TiB (AMD IOMMU 3.07 §2.1.2, special address controls). */
export const SPECIAL_RANGES: readonly SpecialRange[] = [
  special('reserved interrupts', 0xfd, 0x0000_0000, 0xfd, 0xf7ff_ffff),
  special('interrupt', 0xfd, 0xf800_0000, 0xfd, 0xf8ff_ffff),
  special('IACK', 0xfd, 0xf900_0000, 0xfd, 0xf90f_ffff),
  special('system management', 0xfd, 0xf910_0000, 0xfd, 0xf91f_ffff),
  special('reserved', 0xfd, 0xf920_0000, 0xfd, 0xfbff_ffff),
  special('I/O space', 0xfd, 0xfc00_0000, 0xfd, 0xfdff_ffff),
  special('reserved', 0xfd, 0xfe00_0000, 0xff, 0xffff_ffff),
]
