/** Where OpenBIOS for sun4u finds things: its hwdefs, and QEMU's sun4u.c. */
export const SABRE_BASE = 0x1fe_0000_0000
export const SABRE_REGISTERS_SIZE = 0x1_0000
export const PCI_CONFIG_BASE = SABRE_BASE + 0x100_0000
export const PCI_CONFIG_SIZE = 0x100_0000
export const PCI_IO_BASE = SABRE_BASE + 0x200_0000
export const PCI_IO_SIZE = 0x100_0000
export const PCI_MEMORY_BASE = 0x1ff_0000_0000
export const PCI_MEMORY_SIZE = 0xf000_0000

/** The bridge's target address space register: which eighths of the 32-bit space devices reach memory through. */
export const SABRE_PCITASR = 0x2028
/** The eighth of 0xc0000000. */
export const DVMA_TARGETS = 0x40
/** Where it tells a kernel to have devices' addresses: `virtual-dma`. */
export const DVMA = { base: 0xc000_0000, size: 0x2000_0000 } as const

/** What OpenBIOS keeps of memory, at its upper end. */
export const OPENBIOS_BYTES = 0x18_0000
/** Of that, how far below the end of memory the tree for the kernel is. */
export const TREE_ROOM = 0x10_0000

/** The buses behind the two functions of Simba: memory and ports of each begin here. */
export const SIMBA_BUSES = [
  { fn: 1, memory: 0x2000_0000, io: 0 },
  { fn: 0, memory: 0x6000_0000, io: 0x80_0000 },
] as const
export const SIMBA_DEVICE = 1
