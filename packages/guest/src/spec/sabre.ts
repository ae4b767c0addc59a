/** Sabre, the PCI host bridge of an UltraSPARC-IIi, as Linux's pci_sabre.c and prom_irqtrans.c have it. */
export const SABRE_COMPATIBLE = ['pci108e,a000', 'pci108e,a001']

/** From its registers: configuration space, 256 bytes a function. */
export const SABRE_CONFIGSPACE = 0x100_0000

/** Mapping and clear registers of interrupts, 8 bytes each. */
export const SABRE_IMAP_A_SLOT0 = 0x0c00
export const SABRE_OBIO_IMAP_BASE = 0x1000
export const SABRE_ICLR_A_SLOT0 = 0x1400
export const SABRE_ICLR_SCSI = 0x1800
export const SABRE_ONBOARD_IRQ_BASE = 0x20
/** Enable, in a mapping register's lower half; and the interrupt's number with the bridge's group. */
export const IMAP_VALID = 0x8000_0000
export const IMAP_INR = 0x7ff
export const IMAP_INO = 0x3f
/** The state that software writes to a clear register. */
export const ICLR_IDLE = 0

export const SABRE_WRSYNC = 0x1c20
/** PCI control: memory read line, errors, parking, arbitration of four slots. The upper half, then the lower. */
export const SABRE_PCICTRL = 0x2000
export const SABRE_PCICTRL_SETUP = [0x14, 0x20_000f] as const

/** Simba, which has the two buses behind it. */
export const SIMBA_ID = 0x5000_108e

/** `virtual-dma` sizes that Linux takes, and how many entries the TSB has then. */
export const TSB_ENTRIES: ReadonlyMap<number, number> = new Map([
  [0x2000_0000, 0x1_0000],
  [0x4000_0000, 0x2_0000],
  [0x8000_0000, 0x2_0000],
])
