/** Where QEMU’s ppce500 has what: hw/ppc/e500plat.c and hw/ppc/e500.c. */
export const CCSR = { base: 0xf_e000_0000, size: 0x10_0000 } as const

/** Offsets in CCSR. */
export const CCSR_MPIC = { offset: 0x4_0000, size: 0x4_0000 } as const
export const CCSR_MSI = { offset: 0x4_1600, size: 0x200 } as const
export const CCSR_PCI = { offset: 0x8000, size: 0x1000 } as const

/** Memory of PCI, for the processor and on the bus. */
export const PCI_MEMORY = { base: 0xc_0000_0000, bus: 0xe000_0000, size: 0x2000_0000 } as const
export const PCI_PORTS = { base: 0xf_e100_0000, size: 0x1_0000 } as const

/** Sources of the interrupt controller: those of PCI’s pins, and of the first register of messages. */
export const PCI_PIN_SOURCE = 1
export const MSI_SOURCE = 0xe0
/** Sources before this are pins of the chip; those from here on are internal, and level-triggered. */
export const FIRST_INTERNAL_SOURCE = 12
export const SOURCES = 0x100
/** What FRR tells, on QEMU. */
export const ANNOUNCED_SOURCES = 0xc4

/** The devices that QEMU gives interrupts in its tree: slots 1 to 31. The first is the first that is free. */
export const FIRST_SLOT = 1
export const LAST_SLOT = 31
