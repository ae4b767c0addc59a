import { buildMadt, type GenericAddress } from '@dmascope/acpi'
import { localApicRecords } from '../firmware/acpi-tables.ts'
import { qemuHeader } from '../firmware/qemu-header.ts'
import { NO_ADDRESS, reducedFadt } from '../firmware/reduced-fadt.ts'
import { IOAPIC_BASE, IOAPIC_ID } from '../interrupts/ioapic.ts'
import { IO_APIC_PINS, MICROVM } from './memory-map.ts'
import type { MicrovmFacts } from './microvm-facts.ts'

const RESET_REG_SUP = 1 << 10
const RESET_VALUE = 0x42
/** Registers of the generic event device, by byte. */
const eventRegister = (offset: number): GenericAddress => ({
  ...NO_ADDRESS,
  registerBitWidth: 8,
  address: MICROVM.eventRegisters.base + offset,
})

export const microvmFadt = (): Uint8Array =>
  reducedFadt(5, RESET_REG_SUP, {
    RESET_REG: eventRegister(2),
    RESET_VALUE,
    SLEEP_CONTROL_REG: eventRegister(0),
    SLEEP_STATUS_REG: eventRegister(1),
  })

const ACTIVE_HIGH_LEVEL = 0x0d
const ISA_INTERRUPTS = 16

/** Interrupt controllers. The pins of PCI, where they are among the ISA bus's interrupts, are level-triggered. */
export function microvmMadt(facts: MicrovmFacts): Uint8Array {
  const { qemuVersion, ioApics, pcie } = facts
  const { processors, nmi } = localApicRecords(facts)
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
