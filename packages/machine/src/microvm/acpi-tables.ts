import { buildFadt, buildMadt, type GenericAddress } from '@dmascope/acpi'
import { localApicRecords } from '../firmware/acpi-tables.ts'
import { qemuHeader } from '../firmware/qemu-header.ts'
import { IOAPIC_BASE, IOAPIC_ID } from '../interrupts/ioapic.ts'
import { IO_APIC_PINS, MICROVM } from './memory-map.ts'
import type { MicrovmFacts } from './microvm-facts.ts'

const RESET_REG_SUP = 1 << 10
const HW_REDUCED_ACPI = 1 << 20
const RESET_VALUE = 0x42
const NO_ADDRESS: GenericAddress = {
  addressSpaceId: 0,
  registerBitWidth: 0,
  registerBitOffset: 0,
  accessSize: 0,
  address: 0,
}
/** Registers of the generic event device, by byte. */
const eventRegister = (offset: number): GenericAddress => ({
  ...NO_ADDRESS,
  registerBitWidth: 8,
  address: MICROVM.eventRegisters.base + offset,
})

/** Fixed tables of a hardware-reduced machine; the address of the DSDT is left 0 for the loader. */
export const microvmFadt = (): Uint8Array =>
  buildFadt({
    signature: 'FACP',
    header: qemuHeader(5),
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
    Flags: HW_REDUCED_ACPI | RESET_REG_SUP,
    RESET_REG: eventRegister(2),
    RESET_VALUE,
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
    SLEEP_CONTROL_REG: eventRegister(0),
    SLEEP_STATUS_REG: eventRegister(1),
  })

const ACTIVE_HIGH_LEVEL = 0x0d
const ISA_INTERRUPTS = 16

/** Interrupt controllers. The pins of PCI, where they are among the ISA bus's interrupts, are level-triggered. */
export function microvmMadt({ qemuVersion, cpus, ioApics, pcie }: MicrovmFacts): Uint8Array {
  const { processors, nmi } = localApicRecords(cpus)
  const shared =
    pcie === null ? [] : [0, 1, 2, 3].map((pin) => pcie.firstGsi + pin).filter((gsi) => gsi < ISA_INTERRUPTS)
  return buildMadt({
    signature: 'APIC',
    header: qemuHeader(qemuVersion === '7.2' ? 1 : 3),
    localInterruptControllerAddress: 0xfee0_0000,
    flags: 1,
    records: [
      ...processors,
      { kind: 'io-apic', ioApicId: IOAPIC_ID, ioApicAddress: IOAPIC_BASE, globalSystemInterruptBase: 0 },
      ...(ioApics === 1
        ? []
        : [
            {
              kind: 'io-apic' as const,
              ioApicId: IOAPIC_ID + 1,
              ioApicAddress: MICROVM.secondIoApic.base,
              globalSystemInterruptBase: IO_APIC_PINS,
            },
          ]),
      ...shared.map((gsi) => ({
        kind: 'interrupt-source-override' as const,
        bus: 0,
        source: gsi,
        globalSystemInterrupt: gsi,
        flags: ACTIVE_HIGH_LEVEL,
      })),
      nmi,
    ],
  })
}
