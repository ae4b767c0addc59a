/** Where QEMU's pseries puts a host bridge's windows, by the bridge's index: `spapr_phb_placement`. */
const BASE = 2 ** 45
const IO_SIZE = 0x1_0000
const MEM32_SIZE = 0x8000_0000
const MEM64_SIZE = 2 ** 40
/** Bus addresses of the 32-bit memory window begin here: below are DMA windows. */
const MEM32_BUS = 0x8000_0000

/** Host bridges that fit: indexes 0 to 30. */
export const MOST_HOST_BRIDGES = 31

/** A window of a host bridge: CPU addresses [base, base + size) lead to bus addresses from `bus` on. */
export interface BridgeWindow {
  readonly base: number
  readonly bus: number
  readonly size: number
}

export interface HostBridgePlace {
  /** Lower half of the BUID (bus unit identifier); the upper one is 0x08000000. */
  readonly buidLo: number
  readonly io: BridgeWindow
  readonly mem32: BridgeWindow
  readonly mem64: BridgeWindow
  /** Of the default DMA window, and of the dynamic one. */
  readonly liobns: readonly [number, number]
  /** Interrupt source of INTA; INTB to INTD follow. */
  readonly firstLsi: number
}

export const BUID_HI = 0x0800_0000
const FIRST_BUID_LO = 0x2000_0000
const FIRST_LIOBN = 0x8000_0000
const FIRST_LSI = 0x1200

export const hostBridgePlace = (index: number): HostBridgePlace => ({
  buidLo: FIRST_BUID_LO + index,
  io: { base: BASE + index * IO_SIZE, bus: 0, size: IO_SIZE },
  mem32: { base: BASE + (index + 1) * MEM32_SIZE, bus: MEM32_BUS, size: MEM32_SIZE },
  mem64: { base: BASE + (index + 1) * MEM64_SIZE, bus: BASE + (index + 1) * MEM64_SIZE, size: MEM64_SIZE },
  liobns: [FIRST_LIOBN + index * 0x100, FIRST_LIOBN + index * 0x100 + 1],
  firstLsi: FIRST_LSI + index * 4,
})

/** Interrupt sources of messages: [first, first + count). */
export const MSI_SOURCES = { first: 0x1300, count: 0xd00 } as const
/** Messages are writes to this bus address, which stands beside the DMA windows. */
export const MSI_WINDOW_HI = 0x400
export const MSI_WINDOW_LO = 0

export const EVENT_SOURCES = { epow: 0x1000, hotPlug: 0x1001 } as const
/** Interrupt source of the first virtual I/O device. */
export const FIRST_VIO_SOURCE = 0x1100
export const FIRST_VIO_REG = 0x7100_0000

/** Thread interrupt management area of XIVE: pages of 64 KiB, one a privilege level. */
export const XIVE_TIMA_BASE = 0x6_0302_0318_0000
