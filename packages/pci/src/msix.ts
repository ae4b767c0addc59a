import type { InterruptPort } from '@dmascope/memory'
import type { ConfigSpace } from './config-space.ts'
import { registerImage } from './register-image.ts'
import { PCI_CAP_ID_MSIX } from './spec/capability.ts'
import { MSIX_BAR_OFFSET, MSIX_CAPABILITY, MSIX_MESSAGE_CONTROL, MSIX_TABLE_ENTRY } from './spec/msi.ts'

export interface MsixOptions {
  /** 1 to 2048. */
  readonly vectors: number
  /** BAR that holds the table. */
  readonly tableBar: number
  /** A multiple of 8. Default 0. */
  readonly tableOffset?: number
  /** BAR that holds the pending bits. Default: the table's. */
  readonly pbaBar?: number
  /** A multiple of 8. Default 0x800, or behind the table where that is longer. */
  readonly pbaOffset?: number
  /** Where the capability stands; without it, the lowest free place. */
  readonly offset?: number
}

const ENTRY_SIZE = MSIX_TABLE_ENTRY.size
const VECTOR_CONTROL = MSIX_TABLE_ENTRY.registers.VECTOR_CONTROL.offset
const { MSIX_ENABLE, FUNCTION_MASK, TABLE_SIZE } = MSIX_MESSAGE_CONTROL.fields

/**
 * A function's MSI-X: capability, table and pending bits, and the sending of messages. The function routes the accesses
 * to its BARs that `containsTable` or `containsPba` claims to `read` and `write`.
 */
export class Msix {
  readonly offset: number
  readonly vectors: number
  readonly tableBar: number
  readonly tableOffset: number
  readonly pbaBar: number
  readonly pbaOffset: number
  readonly #config: ConfigSpace
  readonly #table: DataView
  readonly #pending: DataView
  #port: InterruptPort | null = null

  /** Adds the capability to `config`. @throws RangeError for an impossible number of vectors or place */
  constructor(config: ConfigSpace, options: MsixOptions) {
    const { vectors, tableBar, tableOffset = 0 } = options
    if (!Number.isInteger(vectors) || vectors < 1 || vectors > 2048) {
      throw new RangeError(`MSI-X has 1 to 2048 vectors, not ${vectors}`)
    }
    this.#config = config
    this.vectors = vectors
    this.tableBar = tableBar
    this.tableOffset = tableOffset
    this.pbaBar = options.pbaBar ?? tableBar
    const tableEnd = tableOffset + vectors * ENTRY_SIZE
    this.pbaOffset = options.pbaOffset ?? Math.max(tableOffset + 0x800, tableEnd)
    if (tableOffset % 8 !== 0 || this.pbaOffset % 8 !== 0) {
      throw new RangeError(`MSI-X table at ${tableOffset} and PBA at ${this.pbaOffset}: multiples of 8 are needed`)
    }
    const pbaSize = Math.ceil(vectors / 64) * 8
    if (this.pbaBar === tableBar && this.pbaOffset < tableEnd && this.pbaOffset + pbaSize > tableOffset) {
      throw new RangeError('the MSI-X table and its pending bits overlap')
    }
    this.#table = new DataView(new ArrayBuffer(vectors * ENTRY_SIZE))
    this.#pending = new DataView(new ArrayBuffer(pbaSize))
    this.offset = config.addCapability(
      PCI_CAP_ID_MSIX,
      registerImage(MSIX_CAPABILITY, {
        MESSAGE_CONTROL: TABLE_SIZE.setLo(0, vectors - 1),
        TABLE_OFFSET: MSIX_BAR_OFFSET.fields.BIR.setLo(tableOffset, tableBar),
        PBA_OFFSET: MSIX_BAR_OFFSET.fields.BIR.setLo(this.pbaOffset, this.pbaBar),
      }),
      options.offset,
    )
    config.onWrite(this.offset + 2, 2, () => this.#sendPending(0, this.vectors))
    this.reset()
  }

  /** Software turned MSI-X on; then the function's pin is not used. */
  get enabled(): boolean {
    return MSIX_ENABLE.get(this.#control) === 1
  }

  get #control(): number {
    return this.#config.peek(this.offset + 2, 2)
  }

  /** Whether a BAR's offset lies in the table. */
  containsTable(bar: number, offset: number): boolean {
    return bar === this.tableBar && offset >= this.tableOffset && offset < this.tableOffset + this.#table.byteLength
  }

  /** Whether a BAR's offset lies in the pending bits. */
  containsPba(bar: number, offset: number): boolean {
    return bar === this.pbaBar && offset >= this.pbaOffset && offset < this.pbaOffset + this.#pending.byteLength
  }

  /** `offset` counts from the start of the BAR; `bar` matters only where table and pending bits have one each. */
  read(offset: number, width: 1 | 2 | 4, bar: number = this.tableBar): number {
    if (this.containsTable(bar, offset)) return readBytes(this.#table, offset - this.tableOffset, width)
    if (this.containsPba(bar, offset)) return readBytes(this.#pending, offset - this.pbaOffset, width)
    return 0
  }

  /** Pending bits are read-only. Unmasking a vector that is pending sends its message. */
  write(offset: number, width: 1 | 2 | 4, value: number, bar: number = this.tableBar): void {
    if (!this.containsTable(bar, offset)) return
    const at = offset - this.tableOffset
    for (let byte = 0; byte < width && at + byte < this.#table.byteLength; byte++) {
      const inEntry = (at + byte) % ENTRY_SIZE
      const rule = inEntry === 0 ? 0xfc : inEntry < VECTOR_CONTROL ? 0xff : inEntry === VECTOR_CONTROL ? 1 : 0
      this.#table.setUint8(at + byte, (value >>> (8 * byte)) & rule)
    }
    const vector = Math.floor(at / ENTRY_SIZE)
    this.#sendPending(vector, vector + 1)
  }

  /**
   * Sends the vector's message, or marks it pending where the vector or the function is masked.
   *
   * @returns false where MSI-X is off: then nothing was sent or marked
   * @throws RangeError outside [0, vectors)
   */
  trigger(vector: number, interrupts: InterruptPort): boolean {
    if (!(vector >= 0 && vector < this.vectors)) throw new RangeError(`MSI-X vector ${vector} of ${this.vectors}`)
    if (!this.enabled) return false
    this.#port = interrupts
    if (this.#isMasked(vector)) this.#setPending(vector, true)
    else this.#send(vector, interrupts)
    return true
  }

  /** Whether the vector waits, masked, to be sent. */
  isPending(vector: number): boolean {
    return ((this.#pending.getUint8(vector >>> 3) >>> (vector & 7)) & 1) === 1
  }

  /** Every vector masked, nothing pending, addresses and data zero. The capability is the configuration space's. */
  reset(): void {
    for (let vector = 0; vector < this.vectors; vector++) {
      const at = vector * ENTRY_SIZE
      for (let word = 0; word < VECTOR_CONTROL; word += 4) this.#table.setUint32(at + word, 0, true)
      this.#table.setUint32(at + VECTOR_CONTROL, MSIX_TABLE_ENTRY.registers.VECTOR_CONTROL.resetLo, true)
    }
    for (let at = 0; at < this.#pending.byteLength; at++) this.#pending.setUint8(at, 0)
  }

  #isMasked(vector: number): boolean {
    if (FUNCTION_MASK.get(this.#control) === 1) return true
    return (this.#table.getUint32(vector * ENTRY_SIZE + VECTOR_CONTROL, true) & 1) === 1
  }

  #setPending(vector: number, pending: boolean): void {
    const bit = 1 << (vector & 7)
    const old = this.#pending.getUint8(vector >>> 3)
    this.#pending.setUint8(vector >>> 3, pending ? old | bit : old & ~bit)
  }

  #send(vector: number, interrupts: InterruptPort): void {
    const at = vector * ENTRY_SIZE
    interrupts.msi(
      this.#table.getUint32(at + 4, true),
      this.#table.getUint32(at, true),
      this.#table.getUint32(at + 8, true),
    )
  }

  #sendPending(first: number, end: number): void {
    const port = this.#port
    if (port === null || !this.enabled || FUNCTION_MASK.get(this.#control) === 1) return
    for (let vector = first; vector < end && vector < this.vectors; vector++) {
      if (!this.isPending(vector) || this.#isMasked(vector)) continue
      this.#setPending(vector, false)
      this.#send(vector, port)
    }
  }
}

/** Bytes past the view's end read as zero. */
function readBytes(view: DataView, offset: number, width: number): number {
  let value = 0
  for (let byte = 0; byte < width && offset + byte < view.byteLength; byte++) {
    value += view.getUint8(offset + byte) * 2 ** (8 * byte)
  }
  return value
}
