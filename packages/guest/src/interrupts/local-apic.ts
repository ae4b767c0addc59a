import type { CpuBus } from '@dmascope/memory/contracts'
import { LOCAL_APIC, LVT_ENTRY, SPURIOUS_INTERRUPT_VECTOR } from '../spec/apic.ts'
import type { CpuInterruptController } from './vectors.ts'

const { EOI, SVR, TPR, LVT_LINT0, LVT_LINT1, LVT_ERROR, ID } = LOCAL_APIC.registers

/** Linux's SPURIOUS_APIC_VECTOR. */
const SPURIOUS_VECTOR = 0xff

/** Below the first are exceptions and the vector that Linux keeps for moving interrupts; above the last, its system vectors. */
const DYNAMIC = { first: 0x21, last: 0xeb } as const

/** The interrupt controller of the one CPU that this kernel runs on. */
export class LocalApic implements CpuInterruptController {
  readonly dynamic = DYNAMIC
  readonly base: number
  readonly #bus: CpuBus

  constructor(bus: CpuBus, base: number) {
    this.#bus = bus
    this.base = base
  }

  /** Physical destination that interrupts for this CPU are sent to. */
  get id(): number {
    return this.#bus.read32(this.base + ID.offset) >>> 24
  }

  /** Opens the APIC for every vector and masks the local sources that this kernel has no use for. */
  enable(): void {
    const masked = LVT_ENTRY.fields.MASK.setLo(0, 1)
    this.#write(TPR.offset, 0)
    this.#write(LVT_LINT0.offset, masked)
    this.#write(LVT_LINT1.offset, masked)
    this.#write(LVT_ERROR.offset, masked)
    const { APIC_SOFTWARE_ENABLE, SPURIOUS_VECTOR: VECTOR } = SPURIOUS_INTERRUPT_VECTOR.fields
    this.#write(SVR.offset, APIC_SOFTWARE_ENABLE.setLo(VECTOR.setLo(0, SPURIOUS_VECTOR), 1))
  }

  /** The vector is what the CPU was told. */
  take(signalled: number): number {
    return signalled & 0xff
  }

  endOfInterrupt(): void {
    this.#write(EOI.offset, 0)
  }

  #write(offset: number, value: number): void {
    this.#bus.write32(this.base + offset, value)
  }
}
