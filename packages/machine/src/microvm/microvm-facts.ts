import { isOff, isOn } from '../build/switches.ts'
import type { MachineDescription, ProcessorTopology, QemuVersion } from '../description.ts'
import { type AddressBlock, highWindow, IO_APIC_PINS } from './memory-map.ts'

/** What a `microvm` machine comes with, by its properties. */
export interface MicrovmFacts {
  readonly qemuVersion: QemuVersion
  readonly cpus: number
  readonly maxCpus: number
  readonly topology: ProcessorTopology | null
  readonly acpi: boolean
  readonly ioApics: 1 | 2
  /** Null without PCI. */
  readonly pcie: {
    /** Global system interrupt of the first of four pins. */
    readonly firstGsi: number
    readonly highWindow: AddressBlock
  } | null
  /** Transports for virtio devices, and the interrupt of the first of them. */
  readonly transports: { readonly count: number; readonly firstGsi: number }
  /** Devices on the ISA bus that the namespace names. */
  readonly serial: boolean
  readonly clock: boolean
}

/** Bits of physical address of a processor that QEMU emulates. */
const TCG_ADDRESS_BITS = 40

/**
 * What QEMU's `microvm_devices_init` makes of the properties. Without ACPI there is neither a second I/O APIC nor PCI.
 *
 * DEVIATION: with KVM the processor's address bits are the host's, and with them the window above 4 GiB; here they are
 * always 40.
 */
export function microvmFacts({
  qemuVersion,
  cpus,
  maxCpus = cpus,
  topology,
  machineProperties: given,
}: Pick<MachineDescription, 'qemuVersion' | 'cpus' | 'maxCpus' | 'topology' | 'machineProperties'>): MicrovmFacts {
  const acpi = !isOff(given.acpi)
  const two = acpi && !isOff(given.ioapic2)
  return {
    qemuVersion,
    cpus,
    maxCpus,
    topology: topology ?? null,
    acpi,
    ioApics: two ? 2 : 1,
    pcie: acpi && isOn(given.pcie) ? { firstGsi: two ? 16 : 12, highWindow: highWindow(TCG_ADDRESS_BITS) } : null,
    transports: two ? { count: IO_APIC_PINS, firstGsi: IO_APIC_PINS } : { count: 8, firstGsi: acpi ? 16 : 5 },
    serial: !isOff(given['isa-serial']),
    clock: isOn(given.rtc) || (!isOff(given.rtc) && given.accel !== 'kvm'),
  }
}
