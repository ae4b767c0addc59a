import type { CpuBus } from '@dmascope/memory/contracts'
import { IO_APIC, IO_APIC_INDEX, IOAPICVER, IOREDTBL } from '../spec/apic.ts'

const { IOREGSEL, IOWIN, EOI } = IO_APIC.registers

/** What an I/O APIC's redirection entry for an interrupt is, as the IOMMU code writes it. */
export type RedirectionEntry = { readonly lo: number; readonly hi: number }

/** One I/O APIC: pins that stand for global system interrupts from `gsiBase` on. */
export class IoApic {
  readonly id: number
  readonly base: number
  readonly gsiBase: number
  /** Pins, from its version register. */
  readonly pins: number
  readonly #bus: CpuBus

  constructor(bus: CpuBus, id: number, base: number, gsiBase: number) {
    this.#bus = bus
    this.id = id
    this.base = base
    this.gsiBase = gsiBase
    const version = this.#read(IO_APIC_INDEX.IOAPICVER)
    // All ones means that nothing answers there.
    this.pins = version === 0xffff_ffff ? 0 : IOAPICVER.fields.MAXIMUM_REDIRECTION_ENTRY.get(version) + 1
  }

  /** Masks every pin: whatever firmware set up has no handler here. */
  maskAll(): void {
    for (let pin = 0; pin < this.pins; pin++) this.mask(pin)
  }

  mask(pin: number): void {
    this.#write(IO_APIC_INDEX.IOREDTBL + pin * 2, IOREDTBL.fields.INTERRUPT_MASK.setLo(0, 1))
  }

  /** High word first: the low one holds the mask bit, and opens the pin. */
  program(pin: number, entry: RedirectionEntry): void {
    this.#write(IO_APIC_INDEX.IOREDTBL + pin * 2 + 1, entry.hi)
    this.#write(IO_APIC_INDEX.IOREDTBL + pin * 2, entry.lo)
  }

  /** Ends the interrupt of every pin whose entry bears this vector. */
  endOfInterrupt(vector: number): void {
    this.#bus.write32(this.base + EOI.offset, vector)
  }

  #read(index: number): number {
    this.#bus.write32(this.base + IOREGSEL.offset, index)
    return this.#bus.read32(this.base + IOWIN.offset)
  }

  #write(index: number, value: number): void {
    this.#bus.write32(this.base + IOREGSEL.offset, index)
    this.#bus.write32(this.base + IOWIN.offset, value)
  }
}
