import { buildFadt, type Fadt, type GenericAddress } from '@dmascope/acpi'
import { qemuHeader } from './qemu-header.ts'

const HW_REDUCED_ACPI = 1 << 20

export const NO_ADDRESS: GenericAddress = {
  addressSpaceId: 0,
  registerBitWidth: 0,
  registerBitOffset: 0,
  accessSize: 0,
  address: 0,
}

/**
 * Fixed tables of a machine without ACPI's fixed hardware (ACPI 6.5 §4.1): every block of registers is left out, and the
 * address of the DSDT is left 0 for the loader.
 *
 * @param flags - beside HW_REDUCED_ACPI
 * @param stated - what the machine says all the same
 */
export const reducedFadt = (revision: number, flags: number, stated: Partial<Fadt>): Uint8Array =>
  buildFadt({
    signature: 'FACP',
    header: qemuHeader(revision),
    FIRMWARE_CTRL: 0,
    DSDT: 0,
    reserved_44: 0,
    Preferred_PM_Profile: 0,
    SCI_INT: 0,
    SMI_CMD: 0,
    ACPI_ENABLE: 0,
    ACPI_DISABLE: 0,
    S4BIOS_REQ: 0,
    PSTATE_CNT: 0,
    PM1a_EVT_BLK: 0,
    PM1b_EVT_BLK: 0,
    PM1a_CNT_BLK: 0,
    PM1b_CNT_BLK: 0,
    PM2_CNT_BLK: 0,
    PM_TMR_BLK: 0,
    GPE0_BLK: 0,
    GPE1_BLK: 0,
    PM1_EVT_LEN: 0,
    PM1_CNT_LEN: 0,
    PM2_CNT_LEN: 0,
    PM_TMR_LEN: 0,
    GPE0_BLK_LEN: 0,
    GPE1_BLK_LEN: 0,
    GPE1_BASE: 0,
    CST_CNT: 0,
    P_LVL2_LAT: 0,
    P_LVL3_LAT: 0,
    FLUSH_SIZE: 0,
    FLUSH_STRIDE: 0,
    DUTY_OFFSET: 0,
    DUTY_WIDTH: 0,
    DAY_ALRM: 0,
    MON_ALRM: 0,
    CENTURY: 0,
    IAPC_BOOT_ARCH: 0,
    Flags: HW_REDUCED_ACPI | flags,
    RESET_REG: NO_ADDRESS,
    RESET_VALUE: 0,
    ARM_BOOT_ARCH: 0,
    FADT_Minor_Version: 0,
    X_FIRMWARE_CTRL: 0,
    X_DSDT: 0,
    X_PM1a_EVT_BLK: NO_ADDRESS,
    X_PM1b_EVT_BLK: NO_ADDRESS,
    X_PM1a_CNT_BLK: NO_ADDRESS,
    X_PM1b_CNT_BLK: NO_ADDRESS,
    X_PM2_CNT_BLK: NO_ADDRESS,
    X_PM_TMR_BLK: NO_ADDRESS,
    X_GPE0_BLK: NO_ADDRESS,
    X_GPE1_BLK: NO_ADDRESS,
    SLEEP_CONTROL_REG: NO_ADDRESS,
    SLEEP_STATUS_REG: NO_ADDRESS,
    ...stated,
  })
