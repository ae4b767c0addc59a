/** Where a sun4u has its PCI host bridge, Sabre, for the processor: QEMU's sun4u.c. */
export const SABRE_BASE = 0x1fe_0000_0000
export const SABRE_REGISTERS_SIZE = 0x1_0000
/** Configuration space: bus, device, function and offset in 24 bits. */
export const PCI_CONFIG_BASE = SABRE_BASE + 0x100_0000
export const PCI_CONFIG_SIZE = 0x100_0000
/** Ports, at their numbers. */
export const PCI_IO_BASE = SABRE_BASE + 0x200_0000
export const PCI_IO_SIZE = 0x100_0000
/** Memory of PCI, at its bus addresses. */
export const PCI_MEMORY_BASE = 0x1ff_0000_0000
export const PCI_MEMORY_SIZE = 0x1_0000_0000

/** Interrupts of the bridge bear this in bits 10:6 of their number: its UPA port. */
export const INTERRUPT_GROUP = 0x1f

/** The bridge's registers, as Linux's pci_sabre.c names them. Those of eight bytes are big-endian. */
export const SABRE = {
  IMAP_A_SLOT0: 0x0c00,
  IMAP_OBIO: 0x1000,
  ICLR_A_SLOT0: 0x1400,
  ICLR_OBIO: 0x1800,
  WRSYNC: 0x1c20,
  PCICTRL: 0x2000,
  PIOAFSR: 0x2010,
  PIOAFAR: 0x2018,
  PCIDIAG: 0x2020,
  PCITASR: 0x2028,
} as const

/** Bytes of the mapping and clear registers of pins of slots, and of those of onboard devices. */
export const IMAP_PCI_BYTES = 0x40
export const IMAP_OBIO_BYTES = 0x80
export const ICLR_PCI_BYTES = 0x100
export const ICLR_OBIO_BYTES = 0x80

/** A mapping register's enable bit. */
export const IMAP_VALID = 0x8000_0000

/** Interrupt numbers of pins of slots are below this; onboard devices have those from it on. */
export const FIRST_OBIO_INO = 0x20
export const INTERRUPTS = 0x40
/** Pins of bus B begin here. */
export const FIRST_B_INO = 0x10

/** What is on the board, by its slot on bus A. */
export const ONBOARD_INO: Readonly<Record<number, number>> = { 1: 0x21, 3: 0x20 }
