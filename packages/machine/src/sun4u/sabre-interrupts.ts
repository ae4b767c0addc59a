import type { CpuInterruptSource } from '../cpu-bus.ts'
import {
  FIRST_OBIO_INO,
  ICLR_OBIO_BYTES,
  ICLR_PCI_BYTES,
  IMAP_OBIO_BYTES,
  IMAP_PCI_BYTES,
  IMAP_VALID,
  INTERRUPT_GROUP,
  INTERRUPTS,
  SABRE,
} from './spec/address-map.ts'

const GROUP_SHIFT = 6
const PINS = 4
const IDLE = 0
const SENT = 1

/**
 * The interrupts of Sabre: a line each, a mapping register (IMAP) that lets it through, one for the four pins of a slot,
 * and a clear register (ICLR) by which software says that it has dealt with it. What goes to the processor is the
 * interrupt's number with the bridge's group above it.
 */
export class SabreInterrupts implements CpuInterruptSource {
  readonly #maps = new Uint32Array((IMAP_PCI_BYTES + IMAP_OBIO_BYTES) / 8)
  readonly #levels = new Uint8Array(INTERRUPTS)
  readonly #states = new Uint8Array(INTERRUPTS)
  /** Sent, and not taken by the processor, in order. */
  readonly #waiting: number[] = []

  constructor() {
    for (let index = 0; index < this.#maps.length; index++) {
      const slots = IMAP_PCI_BYTES / 8
      const ino = index < slots ? index * PINS : FIRST_OBIO_INO + index - slots
      this.#maps[index] = (INTERRUPT_GROUP << GROUP_SHIFT) | ino
    }
  }

  get pending(): boolean {
    return this.#waiting.length > 0
  }

  take(): number {
    const ino = this.#waiting.shift()
    return ino === undefined ? -1 : (INTERRUPT_GROUP << GROUP_SHIFT) | ino
  }

  setLevel(ino: number, asserted: boolean): void {
    this.#levels[ino] = asserted ? 1 : 0
    if (asserted) this.#send(ino)
  }

  /** The word at an offset of the bridge's registers; null where it is none of an interrupt's. */
  readWord(offset: number): number | null {
    const map = mapAt(offset & ~7)
    if (map !== null) return (offset & 4) === 0 ? 0 : this.#maps[map]!
    return clearedAt(offset & ~7) === null ? null : 0
  }

  /** False where there is no register of an interrupt's. Of mapping registers, VALID alone can be written. */
  writeWord(offset: number, value: number): boolean {
    const map = mapAt(offset & ~7)
    const cleared = map === null ? clearedAt(offset & ~7) : null
    if (map === null && cleared === null) return false
    // What counts is in the lower half.
    if ((offset & 4) === 0) return true
    if (map !== null) this.#setMap(map, value)
    if (cleared !== null) this.#clear(cleared, value & 3)
    return true
  }

  #setMap(map: number, value: number): void {
    this.#maps[map] = ((this.#maps[map]! & ~IMAP_VALID) | (value & IMAP_VALID)) >>> 0
    for (let ino = 0; ino < INTERRUPTS; ino++) if (mapOf(ino) === map) this.#send(ino)
  }

  /** DEVIATION: states other than idle are not set by software. */
  #clear(ino: number, state: number): void {
    if (state !== IDLE || this.#states[ino] === IDLE) return
    this.#states[ino] = IDLE
    this.#send(ino)
  }

  #send(ino: number): void {
    const map = mapOf(ino)
    if (map === null || this.#levels[ino] === 0 || this.#states[ino] !== IDLE) return
    if ((this.#maps[map]! & IMAP_VALID) === 0) return
    this.#states[ino] = SENT
    this.#waiting.push(ino)
  }
}

/** Index of an interrupt's mapping register; null for one that has none. */
function mapOf(ino: number): number | null {
  if (ino < FIRST_OBIO_INO) return ino >>> 2
  const onboard = ino - FIRST_OBIO_INO
  return onboard < IMAP_OBIO_BYTES / 8 ? IMAP_PCI_BYTES / 8 + onboard : null
}

function mapAt(offset: number): number | null {
  const { IMAP_A_SLOT0, IMAP_OBIO } = SABRE
  if (offset >= IMAP_A_SLOT0 && offset < IMAP_A_SLOT0 + IMAP_PCI_BYTES) return (offset - IMAP_A_SLOT0) / 8
  if (offset >= IMAP_OBIO && offset < IMAP_OBIO + IMAP_OBIO_BYTES) {
    return IMAP_PCI_BYTES / 8 + (offset - IMAP_OBIO) / 8
  }
  return null
}

function clearedAt(offset: number): number | null {
  const { ICLR_A_SLOT0, ICLR_OBIO } = SABRE
  if (offset >= ICLR_A_SLOT0 && offset < ICLR_A_SLOT0 + ICLR_PCI_BYTES) return (offset - ICLR_A_SLOT0) / 8
  if (offset >= ICLR_OBIO && offset < ICLR_OBIO + ICLR_OBIO_BYTES) return FIRST_OBIO_INO + (offset - ICLR_OBIO) / 8
  return null
}
