import { buildMpConfiguration, buildMpFloatingPointer, type MpEntry } from '@dmascope/acpi'
import type { CpuBus } from '@dmascope/memory/contracts'

/** Where the EBDA would be: the pointer, and the table behind it. */
const PLACE = 0x9_fc00
/** Bytes from there to video memory. */
const ROOM = 0x400
const POINTER_BYTES = 16
const LOCAL_APIC = 0xfee0_0000
const IO_APIC = 0xfec0_0000
const APIC_VERSION = 0x14
const ISA_INTERRUPTS = 16
/** The timer's interrupt 0 is at this input. */
const TIMER_INPUT = 2

/**
 * The MP table as qboot writes it: an I/O APIC with an identifier behind those of processors, and the ISA interrupts on
 * its inputs. One with more processors than there is room for runs over what follows; here it is cut short.
 *
 * @param signature - the processor's, and its features: CPUID leaf 1, EAX and EDX
 */
export function writeMpTable(bus: CpuBus, cpus: number, signature: { eax: number; edx: number }): void {
  const ioApic = (cpus + 1) & 0xff
  const isa = Array.from({ length: ISA_INTERRUPTS }, (_, irq) => irq).filter((irq) => irq !== TIMER_INPUT)
  const entries: MpEntry[] = [
    ...Array.from(
      { length: cpus },
      (_, index): MpEntry => ({
        kind: 'processor',
        apicId: index & 0xff,
        apicVersion: APIC_VERSION,
        usable: true,
        boots: index === 0,
        signature: signature.eax,
        features: signature.edx,
      }),
    ),
    { kind: 'bus', id: 0, type: 'ISA' },
    { kind: 'io-apic', id: ioApic, version: APIC_VERSION, usable: true, address: IO_APIC },
    ...isa.map(
      (irq): MpEntry => ({
        kind: 'io-interrupt',
        type: 'vectored',
        flags: 0,
        bus: 0,
        irq,
        apicId: ioApic,
        input: irq === 0 ? TIMER_INPUT : irq,
      }),
    ),
    { kind: 'local-interrupt', type: 'external', flags: 0, bus: 0, irq: 0, apicId: 0, input: 0 },
    { kind: 'local-interrupt', type: 'nmi', flags: 0, bus: 0, irq: 0, apicId: 0xff, input: 1 },
  ]
  const table = buildMpConfiguration({ oemId: 'QBOOT', productId: '000000000000', localApic: LOCAL_APIC, entries })
  bus.writeBytes(PLACE, buildMpFloatingPointer(PLACE + POINTER_BYTES))
  bus.writeBytes(PLACE + POINTER_BYTES, table.subarray(0, ROOM - POINTER_BYTES))
}
