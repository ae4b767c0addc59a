/** Where a PowerMac’s U3 has what, as QEMU’s mac99 with a 970 does; and its DART, which QEMU leaves out. */
export const U3_CONFIG_ADDRESS = { base: 0xf080_0000, size: 0x1000 } as const
export const U3_CONFIG_DATA = { base: 0xf0c0_0000, size: 0x1000 } as const
export const PCI_MEMORY = { base: 0x8000_0000, size: 0x7000_0000 } as const
export const PCI_PORTS = { base: 0xf200_0000, size: 0x80_0000 } as const
export const DART = { base: 0xf803_3000, size: 0x7000 } as const

/** On the bus: the first slot that a bridge of Apple’s looks at is 11, by the bit of an address line. */
export const U3_SLOT = 11
export const MAC_IO_SLOT = 12
/** Where OpenBIOS puts mac-io’s registers. */
export const MAC_IO = { base: 0x8000_0000, size: 0x8_0000 } as const
/** In these. */
export const OPEN_PIC = { offset: 0x4_0000, size: 0x4_0000 } as const

/** Interrupt sources of the pins, as they turn by slot. */
export const PIN_SOURCES = [0x1b, 0x1c, 0x1d, 0x1e] as const
export const SOURCES = 64
