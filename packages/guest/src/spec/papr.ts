/** Hypervisor calls of XIVE's exploitation mode, as Linux makes them, and QEMU's own for RTAS. */
export const H_INT_GET_SOURCE_INFO = 0x3a8
export const H_INT_SET_SOURCE_CONFIG = 0x3ac
export const H_INT_ESB = 0x3c8
export const H_INT_RESET = 0x3d0
/** End of interrupt, under XICS (LoPAPR §14.5.4.7.2). */
export const H_EOI = 0x64
/** Address of the arguments: what the RTAS code in memory comes down to, on QEMU. */
export const H_RTAS = 0xf000

/** Flag of H_INT_SET_SOURCE_CONFIG: the number that the processor is told stands in the last argument. */
export const SET_EISN = 2
/** Offsets in a source's event state buffer: end of interrupt; and turned off, on. */
export const ESB_LOAD_EOI = 0x000
export const ESB_SET_PQ_00 = 0xc00
export const ESB_SET_PQ_01 = 0xd00
/** The priority that Linux gives all interrupts under XIVE, and under XICS. */
export const XIVE_PRIORITY = 6
export const XICS_PRIORITY = 5

/** `compatible` of the interrupt controllers. */
export const XIVE_COMPATIBLE = 'ibm,power-ivpe'
export const XICS_COMPATIBLE = 'IBM,ppc-xicp'

/** Functions of ibm,change-msi (LoPAPR §7.3.10.5.1). */
export const RTAS_CHANGE_MSI_FN = 3
export const RTAS_CHANGE_MSIX_FN = 4
