import { bits, bytes, le16, le32, le64, struct, u8 } from '@dmascope/layout'
import { GENERIC_ADDRESS_STRUCTURE } from './header.ts'

const SOURCE = 'ACPI 6.5 §5.2.9'

/** What ACPI 1.0 defined, up to byte 116: every FADT has these. Field names are the specification's. */
export const FADT_FIELDS_1_0 = {
  FIRMWARE_CTRL: le32,
  DSDT: le32,
  reserved_44: u8,
  Preferred_PM_Profile: u8,
  SCI_INT: le16,
  SMI_CMD: le32,
  ACPI_ENABLE: u8,
  ACPI_DISABLE: u8,
  S4BIOS_REQ: u8,
  PSTATE_CNT: u8,
  PM1a_EVT_BLK: le32,
  PM1b_EVT_BLK: le32,
  PM1a_CNT_BLK: le32,
  PM1b_CNT_BLK: le32,
  PM2_CNT_BLK: le32,
  PM_TMR_BLK: le32,
  GPE0_BLK: le32,
  GPE1_BLK: le32,
  PM1_EVT_LEN: u8,
  PM1_CNT_LEN: u8,
  PM2_CNT_LEN: u8,
  PM_TMR_LEN: u8,
  GPE0_BLK_LEN: u8,
  GPE1_BLK_LEN: u8,
  GPE1_BASE: u8,
  CST_CNT: u8,
  P_LVL2_LAT: le16,
  P_LVL3_LAT: le16,
  FLUSH_SIZE: le16,
  FLUSH_STRIDE: le16,
  DUTY_OFFSET: u8,
  DUTY_WIDTH: u8,
  DAY_ALRM: u8,
  MON_ALRM: u8,
  CENTURY: u8,
  IAPC_BOOT_ARCH: le16,
  reserved_111: u8,
  Flags: le32,
} as const

/** What later versions appended: to byte 244 (revisions 3 and 4), 268 (revision 5) and 276 (revision 6). */
const FADT_FIELDS_LATER = {
  RESET_REG: GENERIC_ADDRESS_STRUCTURE,
  RESET_VALUE: u8,
  ARM_BOOT_ARCH: le16,
  FADT_Minor_Version: u8,
  X_FIRMWARE_CTRL: le64,
  X_DSDT: le64,
  X_PM1a_EVT_BLK: GENERIC_ADDRESS_STRUCTURE,
  X_PM1b_EVT_BLK: GENERIC_ADDRESS_STRUCTURE,
  X_PM1a_CNT_BLK: GENERIC_ADDRESS_STRUCTURE,
  X_PM1b_CNT_BLK: GENERIC_ADDRESS_STRUCTURE,
  X_PM2_CNT_BLK: GENERIC_ADDRESS_STRUCTURE,
  X_PM_TMR_BLK: GENERIC_ADDRESS_STRUCTURE,
  X_GPE0_BLK: GENERIC_ADDRESS_STRUCTURE,
  X_GPE1_BLK: GENERIC_ADDRESS_STRUCTURE,
  SLEEP_CONTROL_REG: GENERIC_ADDRESS_STRUCTURE,
  SLEEP_STATUS_REG: GENERIC_ADDRESS_STRUCTURE,
  Hypervisor_Vendor_Identity: bytes(8),
} as const

/** The body of the FADT, after the 36 bytes of header. */
export const FADT = struct('FADT', SOURCE, { ...FADT_FIELDS_1_0, ...FADT_FIELDS_LATER })

/** Length of the table, header included, by revision. */
export const FADT_LENGTH: Readonly<Record<number, number>> = { 1: 116, 3: 244, 4: 244, 5: 268, 6: 276 }

export const FADT_FLAGS = bits(32, 'Fixed Feature Flags', SOURCE, {
  WBINVD: 0,
  WBINVD_FLUSH: 1,
  PROC_C1: 2,
  P_LVL2_UP: 3,
  PWR_BUTTON: 4,
  SLP_BUTTON: 5,
  FIX_RTC: 6,
  RTC_S4: 7,
  TMR_VAL_EXT: 8,
  DCK_CAP: 9,
  RESET_REG_SUP: 10,
  SEALED_CASE: 11,
  HEADLESS: 12,
  CPU_SW_SLP: 13,
  PCI_EXP_WAK: 14,
  USE_PLATFORM_CLOCK: 15,
  S4_RTC_STS_VALID: 16,
  REMOTE_POWER_ON_CAPABLE: 17,
  FORCE_APIC_CLUSTER_MODEL: 18,
  FORCE_APIC_PHYSICAL_DESTINATION_MODE: 19,
  HW_REDUCED_ACPI: 20,
  LOW_POWER_S0_IDLE_CAPABLE: 21,
})

export const FADT_IAPC_BOOT_ARCH = bits(16, 'IA-PC Boot Architecture Flags', SOURCE, {
  LEGACY_DEVICES: 0,
  '8042': 1,
  VGA_NOT_PRESENT: 2,
  MSI_NOT_SUPPORTED: 3,
  PCIE_ASPM_CONTROLS: 4,
  CMOS_RTC_NOT_PRESENT: 5,
})

export const FADT_ARM_BOOT_ARCH = bits(16, 'Arm Boot Architecture Flags', SOURCE, {
  PSCI_COMPLIANT: 0,
  PSCI_USE_HVC: 1,
})

/** The Firmware ACPI Control Structure: shared memory, without the common header and without a checksum. */
export const FACS = struct('FACS', 'ACPI 6.5 §5.2.10', {
  signature: bytes(4),
  length: le32,
  hardwareSignature: le32,
  firmwareWakingVector: le32,
  globalLock: le32,
  flags: le32,
  xFirmwareWakingVector: le64,
  version: u8,
  reserved_33: bytes(3),
  ospmFlags: le32,
  reserved_40: bytes(24),
})

export const FACS_FLAGS = bits(32, 'Firmware Control Structure Feature Flags', 'ACPI 6.5 §5.2.10', {
  S4BIOS_F: 0,
  '64BIT_WAKE_SUPPORTED_F': 1,
})

/** The values of Preferred_PM_Profile. */
export const FADT_PREFERRED_PM_PROFILE = {
  0: 'Unspecified',
  1: 'Desktop',
  2: 'Mobile',
  3: 'Workstation',
  4: 'Enterprise Server',
  5: 'SOHO Server',
  6: 'Appliance PC',
  7: 'Performance Server',
  8: 'Tablet',
} as const
