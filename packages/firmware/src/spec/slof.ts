/** QEMU's own hypervisor calls: RTAS, and a tree that fits what a kernel asks for. */
export const H_RTAS = 0xf000
export const H_CAS = 0xf002

/**
 * The RTAS code that SLOF puts into memory: r3, the address of the arguments, becomes the first argument of H_RTAS.
 * mr r4,r3; lis r3,0; ori r3,r3,0xf000; sc 1; blr.
 */
export const RTAS_CODE: readonly number[] = [0x7c64_1b78, 0x3c60_0000, 0x6063_f000, 0x4400_0022, 0x4e80_0020]

/** Option vector 5, byte 23: XIVE's exploitation mode; and what a platform says of it in the same bits. */
export const XIVE_EXPLOITATION = 0x40
export const XIVE_ON_OFFER = 0xc0

/** Spaces of phys.hi, and the bit that says that an address is assigned (PCI Bus Binding §2.2.1.1). */
export const SPACE_IO = 0x0100_0000
export const SPACE_MEM32 = 0x0200_0000
export const SPACE_MEM64 = 0x0300_0000
export const SPACE_MASK = 0x0300_0000
export const ASSIGNED = 0x8000_0000
export const PREFETCHABLE = 0x4000_0000
