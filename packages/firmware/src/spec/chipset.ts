import { bits, reg8, reg32, reg64, registers } from '@dmascope/layout'

/** Vendor and device IDs of what SeaBIOS knows by name. */
export const PCI_VENDOR_ID_INTEL = 0x8086
export const PCI_VENDOR_ID_REDHAT = 0x1b36
export const CHIPSET_DEVICE = {
  I440FX: 0x1237,
  PIIX3_ISA: 0x7000,
  PIIX3_IDE: 0x7010,
  PIIX4_PM: 0x7113,
  Q35_MCH: 0x29c0,
  ICH9_LPC: 0x2918,
  ICH9_SMBUS: 0x2930,
  REDHAT_BRIDGE: 0x0001,
  REDHAT_ROOT_PORT: 0x000c,
} as const

/** 00:00.0 of a Q35. */
export const Q35_MCH = registers('Q35 MCH', 'Intel 3 Series Express Chipset datasheet', {
  PCIEXBAR: reg64(0x60, 'rw'),
  PAM0: reg8(0x90, 'rw'),
})

export const PCIEXBAR = bits(64, 'PCIEXBAR', 'Intel 3 Series Express Chipset datasheet', {
  ADDRESS: { range: [35, 28], address: true },
  LENGTH: { range: [2, 1], values: { 0: '256 MiB', 1: '128 MiB', 2: '64 MiB' } },
  PCIEXBAREN: 0,
})

/** Where SeaBIOS puts the memory-mapped configuration space of a Q35: all 256 buses. */
export const Q35_ECAM = { base: 0xb000_0000, size: 0x1000_0000 } as const

/** 00:00.0 of an i440FX. */
export const I440FX = registers('i440FX', 'Intel 440FX datasheet', { PAM0: reg8(0x59, 'rw') })

/** One attribute register of PAM1 to PAM6: two areas of 16 KiB. PAM0 has one, 0xf0000 to 0xfffff, in its high half. */
export const PAM = bits(8, 'PAM', 'Intel 440FX datasheet', { HIGH_WRITE: 5, HIGH_READ: 4, LOW_WRITE: 1, LOW_READ: 0 })

/** 00:1f.0: the ISA side of an ICH9. */
export const ICH9_LPC = registers('ICH9 LPC', 'Intel ICH9 datasheet, LPC interface bridge', {
  PMBASE: reg32(0x40, 'rw'),
  ACPI_CTRL: reg8(0x44, 'rw'),
  PIRQA_ROUT: reg8(0x60, 'rw'),
  PIRQE_ROUT: reg8(0x68, 'rw'),
  RCBA: reg32(0xf0, 'rw'),
})
export const ICH9_ACPI_EN = 0x80

/** Root complex register block: 16 KiB. */
export const ICH9_RCBA = { base: 0xfed1_c000, size: 0x4000 } as const

export const ICH9_SMBUS = registers('ICH9 SMBus', 'Intel ICH9 datasheet, SMBus controller', {
  SMB_BASE: reg32(0x20, 'rw'),
  HOSTC: reg8(0x40, 'rw'),
})

export const PIIX = registers('PIIX3, PIIX4', 'Intel 82371 datasheet', {
  PIRQA_ROUT: reg8(0x60, 'rw'),
})
export const PIIX_IDE = registers('PIIX IDE', 'Intel 82371 datasheet', { IDETIM: reg32(0x40, 'rw') })
export const PIIX4_PM = registers('PIIX4 power management', 'Intel 82371AB datasheet', {
  PMBASE: reg32(0x40, 'rw'),
  PMREGMISC: reg8(0x80, 'rw'),
  SMBBA: reg32(0x90, 'rw'),
  SMBHSTCFG: reg8(0xd2, 'rw'),
})

/** Edge/level control: a set bit makes an ISA interrupt level-triggered. */
export const ELCR_PORTS = [0x4d0, 0x4d1] as const

/** Ports that SeaBIOS gives to ACPI's registers and to the SMBus. */
export const ACPI_PM_BASE = 0x600
export const SMBUS_BASE = 0x700

/** ISA interrupts that SeaBIOS routes PIRQ A to D to, and E to H. */
export const PIRQ_ISA = [10, 10, 11, 11] as const

/** Vendor capability of QEMU's bridges that asks firmware for more room than the devices behind need now. */
export const REDHAT_RESOURCE_RESERVE = registers(
  'QEMU resource reserve capability',
  'QEMU specification of pcie_pci_bridge',
  {
    CAP_ID: reg8(0, 'ro'),
    NEXT_PTR: reg8(1, 'ro'),
    LENGTH: reg8(2, 'ro'),
    TYPE: reg8(3, 'ro'),
    BUS: reg32(4, 'ro'),
    IO: reg64(8, 'ro'),
    MEM: reg32(16, 'ro'),
    PREF_MEM_32: reg32(20, 'ro'),
    PREF_MEM_64: reg64(24, 'ro'),
  },
)
export const REDHAT_CAP_TYPE_RESERVE = 1
