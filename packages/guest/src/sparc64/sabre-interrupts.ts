import type { CpuInterruptController } from '../interrupts/vectors.ts'
import {
  ICLR_IDLE,
  IMAP_INO,
  IMAP_INR,
  IMAP_VALID,
  SABRE_ICLR_A_SLOT0,
  SABRE_ICLR_SCSI,
  SABRE_IMAP_A_SLOT0,
  SABRE_OBIO_IMAP_BASE,
  SABRE_ONBOARD_IRQ_BASE,
} from '../spec/sabre.ts'
import type { SabreRegisters } from './sabre-registers.ts'

const ONBOARD_MASK = 0x1f
const PIN_MASK = 3

/** One mapping register for the four pins of a slot, one for each onboard device. */
const imapOf = (ino: number): number =>
  ino < SABRE_ONBOARD_IRQ_BASE ? SABRE_IMAP_A_SLOT0 + (ino >>> 2) * 8 : SABRE_OBIO_IMAP_BASE + (ino & ONBOARD_MASK) * 8

const iclrOf = (ino: number): number =>
  ino < SABRE_ONBOARD_IRQ_BASE ? SABRE_ICLR_A_SLOT0 + ino * 8 : SABRE_ICLR_SCSI + (ino & ONBOARD_MASK) * 8

/** Interrupts of Sabre, as the processor is told of them: by the number in the mapping register, and the pin. */
export class SabreInterrupts implements CpuInterruptController {
  /** Nobody has one to choose: there are no messages. */
  readonly dynamic = { first: 0, last: -1 }
  readonly #registers: SabreRegisters

  constructor(registers: SabreRegisters) {
    this.#registers = registers
  }

  /** What the processor is told where this interrupt comes: Linux's `build_irq`. */
  vectorOf(ino: number): number {
    const number = this.#registers.readLow(imapOf(ino)) & IMAP_INR
    return ino < SABRE_ONBOARD_IRQ_BASE ? number + (ino & PIN_MASK) : number
  }

  /** Lets it through to the first processor. */
  enable(ino: number): void {
    const number = this.#registers.readLow(imapOf(ino)) & IMAP_INR
    this.#registers.write(imapOf(ino), 0, (IMAP_VALID | number) >>> 0)
    this.#registers.write(iclrOf(ino), 0, ICLR_IDLE)
  }

  disable(ino: number): void {
    const map = this.#registers.readLow(imapOf(ino))
    this.#registers.write(imapOf(ino), 0, (map & ~IMAP_VALID) >>> 0)
  }

  take(signalled: number): number {
    return signalled
  }

  endOfInterrupt(vector: number): void {
    this.#registers.write(iclrOf(vector & IMAP_INO), 0, ICLR_IDLE)
  }
}
