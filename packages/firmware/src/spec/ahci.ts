import { bits, reg32, registers } from '@dmascope/layout'

/** Base class and sub-class of a SATA controller; interface 1 is AHCI. */
export const CLASS_STORAGE_SATA = 0x0106
/** The base address register that holds the controller's registers (AHCI 1.3.1 §2.1.11). */
export const AHCI_BAR = 5

export const AHCI_HOST = registers('AHCI host', 'AHCI 1.3.1 §3.1', {
  CAP: reg32(0x00, 'ro'),
  GHC: reg32(0x04, 'rw'),
  IS: reg32(0x08, 'rw1c'),
  PI: reg32(0x0c, 'ro'),
})

/** One port's registers; that of port n begins at 0x100 + n * 0x80. */
export const AHCI_PORT = registers('AHCI port', 'AHCI 1.3.1 §3.3', {
  PxCLB: reg32(0x00, 'rw'),
  PxCLBU: reg32(0x04, 'rw'),
  PxFB: reg32(0x08, 'rw'),
  PxFBU: reg32(0x0c, 'rw'),
  PxIS: reg32(0x10, 'rw1c'),
  PxIE: reg32(0x14, 'rw'),
  PxCMD: reg32(0x18, 'rw'),
})
export const AHCI_PORTS_AT = 0x100
export const AHCI_PORT_BYTES = 0x80
export const AHCI_MAX_PORTS = 32

export const AHCI_PxCMD = bits(32, 'PxCMD', 'AHCI 1.3.1 §3.3.7', { CR: 15, FR: 14, FRE: 4, POD: 2, SUD: 1, ST: 0 })
