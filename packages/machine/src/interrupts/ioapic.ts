import { bits, field, reg32, registers } from '@dmascope/layout'
import type { MmioHandler } from '@dmascope/memory'

/** Memory-mapped window of an IOAPIC (82093AA §3.1); EOI since version 0x20. */
export const IOAPIC = registers('IOAPIC', '82093AA §3.1', {
  IOREGSEL: reg32(0x00, 'rw'),
  IOWIN: reg32(0x10, 'rw'),
  EOI: reg32(0x40, 'wo'),
})

/** A redirection entry in compatibility format (82093AA §3.2.4). */
const IOREDTBL = bits(64, 'IOREDTBL', '82093AA §3.2.4', {
  INTVEC: field([7, 0], 'rw'),
  DELMOD: field([10, 8], 'rw', { 0: 'fixed', 1: 'lowest priority', 2: 'SMI', 4: 'NMI', 5: 'INIT', 7: 'ExtINT' }),
  DESTMOD: field(11, 'rw', { 0: 'physical', 1: 'logical' }),
  DELIVS: field(12, 'ro'),
  INTPOL: field(13, 'rw', { 0: 'active high', 1: 'active low' }),
  RIRR: field(14, 'ro'),
  TRIGMOD: field(15, 'rw', { 0: 'edge', 1: 'level' }),
  MASK: field(16, 'rw'),
  DEST: field([63, 56], 'rw'),
})

/** The I/O APIC of a PC: its identifier in the MADT and in the tables of IOMMUs, and where it is. */
export const IOAPIC_ID = 0
export const IOAPIC_BASE = 0xfec0_0000

const PINS = 24
const VERSION = 0x0017_0020
const MASKED = IOREDTBL.fields.MASK.loMask
const LEVEL = IOREDTBL.fields.TRIGMOD.loMask
const REMOTE_IRR = IOREDTBL.fields.RIRR.loMask
const READ_ONLY = REMOTE_IRR | IOREDTBL.fields.DELIVS.loMask

/**
 * An IOAPIC of 24 pins. It raises interrupts as messages, so that an IOMMU can remap them: the upper half of an entry
 * becomes the address, the lower half the data, which serves entries in remappable format too (VT-d 4.1 §5.1.5.1).
 */
export class IoApic implements MmioHandler {
  static readonly size = 0x1000
  readonly #low = new Uint32Array(PINS).fill(MASKED)
  readonly #high = new Uint32Array(PINS)
  readonly #line = new Uint8Array(PINS)
  #select = 0
  #id: number
  readonly #send: (addressLo: number, data: number, level: boolean) => void

  constructor(id: number, send: (addressLo: number, data: number, level: boolean) => void) {
    this.#id = id
    this.#send = send
  }

  /** Drives a pin; devices that share it are or-ed by the caller. */
  setPin(pin: number, asserted: boolean): void {
    const was = this.#line[pin]
    this.#line[pin] = asserted ? 1 : 0
    if (asserted && !(was === 1 && (this.#low[pin]! & LEVEL) === 0)) this.#evaluate(pin)
  }

  /** The processor finished `vector`: level-triggered pins that are still asserted fire again. */
  endOfInterrupt(vector: number): void {
    for (let pin = 0; pin < PINS; pin++) {
      const low = this.#low[pin]!
      if ((low & 0xff) !== vector || (low & LEVEL) === 0) continue
      this.#low[pin] = low & ~REMOTE_IRR
      if (this.#line[pin] === 1) this.#evaluate(pin)
    }
  }

  #evaluate(pin: number): void {
    const low = this.#low[pin]!
    const level = (low & LEVEL) !== 0
    if ((low & MASKED) !== 0 || (level && (low & REMOTE_IRR) !== 0)) return
    if (level) this.#low[pin] = low | REMOTE_IRR
    const addressLo = (0xfee0_0000 | ((this.#high[pin]! >>> 16) << 4) | (((low >>> 11) & 1) << 2)) >>> 0
    this.#send(addressLo, (low & 0x7ff) | (low & LEVEL), level)
  }

  /** Through the window go words alone. */
  read(offset: number, width: 1 | 2 | 4): number {
    if (offset === IOAPIC.registers.IOREGSEL.offset) return this.#select
    if (offset !== IOAPIC.registers.IOWIN.offset || width !== 4) return 0
    if (this.#select === 0) return (this.#id & 0xf) << 24
    if (this.#select === 1) return VERSION
    const index = this.#select - 0x10
    if (index < 0 || index >= PINS * 2) return 0
    return (index & 1) === 0 ? this.#low[index >> 1]! : this.#high[index >> 1]!
  }

  write(offset: number, width: 1 | 2 | 4, value: number): void {
    if (offset === IOAPIC.registers.IOREGSEL.offset) this.#select = value & 0xff
    else if (offset === IOAPIC.registers.EOI.offset) this.endOfInterrupt(value & 0xff)
    else if (offset === IOAPIC.registers.IOWIN.offset && width === 4) this.#writeSelected(value)
  }

  #writeSelected(value: number): void {
    if (this.#select === 0) this.#id = (value >>> 24) & 0xf
    const index = this.#select - 0x10
    if (index < 0 || index >= PINS * 2) return
    const pin = index >> 1
    if ((index & 1) === 1) {
      this.#high[pin] = value
      return
    }
    let low = (value & ~READ_ONLY) | (this.#low[pin]! & READ_ONLY)
    if ((low & LEVEL) === 0) low &= ~REMOTE_IRR
    this.#low[pin] = low
    if (this.#line[pin] === 1 && (low & LEVEL) !== 0) this.#evaluate(pin)
  }
}
