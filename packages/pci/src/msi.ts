import type { InterruptPort } from '@dmascope/memory'
import type { ConfigSpace } from './config-space.ts'
import { registerImage, withOwnMasks } from './register-image.ts'
import { PCI_CAP_ID_MSI } from './spec/capability.ts'
import { MSI_CAPABILITY_32, MSI_CAPABILITY_64, MSI_MESSAGE_CONTROL } from './spec/msi.ts'

export interface MsiOptions {
  /** Messages that the function can send: 1, 2, 4, 8, 16 or 32. Default 1. */
  readonly vectors?: number
  /** Takes 64-bit addresses. Default true. */
  readonly address64?: boolean
  /** Has Mask and Pending registers. Default false. */
  readonly perVectorMasking?: boolean
  /** Where the capability stands; without it, the lowest free place. */
  readonly offset?: number
}

const { MSI_ENABLE, MULTIPLE_MESSAGE_ENABLE } = MSI_MESSAGE_CONTROL.fields

/** A function's Message Signaled Interrupts: the capability, and the sending of messages. */
export class Msi {
  readonly offset: number
  readonly vectors: number
  readonly #config: ConfigSpace
  readonly #dataOffset: number
  readonly #upperOffset: number | null
  readonly #maskOffset: number | null
  #port: InterruptPort | null = null

  /** Adds the capability to `config`. @throws RangeError for an impossible number of vectors */
  constructor(config: ConfigSpace, options: MsiOptions = {}) {
    const { vectors = 1, address64 = true, perVectorMasking = false } = options
    const log2Vectors = Math.log2(vectors)
    if (!Number.isInteger(log2Vectors) || vectors < 1 || vectors > 32) {
      throw new RangeError(`MSI has 1, 2, 4, 8, 16 or 32 vectors, not ${vectors}`)
    }
    const file = address64 ? MSI_CAPABILITY_64 : MSI_CAPABILITY_32
    const control = MSI_MESSAGE_CONTROL.fields
    const dataOffset = file.registers.MESSAGE_DATA.offset
    const messageControl =
      control.MULTIPLE_MESSAGE_CAPABLE.setLo(0, log2Vectors) |
      control.ADDRESS_64_BIT_CAPABLE.setLo(0, address64 ? 1 : 0) |
      control.PER_VECTOR_MASKING_CAPABLE.setLo(0, perVectorMasking ? 1 : 0)
    const size = perVectorMasking ? file.size : dataOffset + 2
    const image = withOwnMasks(registerImage(file, { MESSAGE_CONTROL: messageControl }, size))
    // A message address is a dword's: its two lowest bits read as zero.
    image.writeMask[file.registers.MESSAGE_ADDRESS.offset] = 0xfc
    if (perVectorMasking) {
      const mask = 2 ** vectors - 1
      new DataView(image.writeMask.buffer).setUint32(file.registers.MASK_BITS.offset, mask, true)
    }
    this.#config = config
    this.vectors = vectors
    this.offset = config.addCapability(PCI_CAP_ID_MSI, image, options.offset)
    this.#dataOffset = this.offset + dataOffset
    this.#upperOffset = address64 ? this.offset + MSI_CAPABILITY_64.registers.MESSAGE_UPPER_ADDRESS.offset : null
    this.#maskOffset = perVectorMasking ? this.offset + file.registers.MASK_BITS.offset : null
    config.onWrite(this.offset, image.bytes.length, () => this.#sendPending())
  }

  /** Software turned MSI on; then the function's pin is not used. */
  get enabled(): boolean {
    return MSI_ENABLE.get(this.#control) === 1
  }

  get #control(): number {
    return this.#config.peek(this.offset + 2, 2)
  }

  /**
   * Sends message `vector`, or marks it pending where it is masked. With fewer messages enabled than asked for, the
   * vector is folded into those that software allowed.
   *
   * @returns false where MSI is off: then nothing was sent
   * @throws RangeError outside [0, vectors)
   */
  trigger(vector: number, interrupts: InterruptPort): boolean {
    if (!(vector >= 0 && vector < this.vectors)) throw new RangeError(`MSI vector ${vector} of ${this.vectors}`)
    if (!this.enabled) return false
    this.#port = interrupts
    const sent = vector & (this.#allowed - 1)
    const mask = this.#maskOffset
    if (mask !== null && ((this.#config.peek(mask, 4) >>> sent) & 1) === 1) {
      this.#config.poke(mask + 4, 4, (this.#config.peek(mask + 4, 4) | (1 << sent)) >>> 0)
    } else {
      this.#send(sent, interrupts)
    }
    return true
  }

  /** Messages that software allows: a power of two, at most `vectors`. */
  get #allowed(): number {
    return Math.min(1 << MULTIPLE_MESSAGE_ENABLE.get(this.#control), this.vectors)
  }

  #send(vector: number, interrupts: InterruptPort): void {
    const data = this.#config.peek(this.#dataOffset, 2)
    interrupts.msi(
      this.#upperOffset === null ? 0 : this.#config.peek(this.#upperOffset, 4),
      this.#config.peek(this.offset + 4, 4),
      (data & ~(this.#allowed - 1)) | vector,
    )
  }

  #sendPending(): void {
    if (this.#maskOffset === null || this.#port === null || !this.enabled) return
    const pending = this.#config.peek(this.#maskOffset + 4, 4)
    const due = (pending & ~this.#config.peek(this.#maskOffset, 4)) >>> 0
    if (due === 0) return
    this.#config.poke(this.#maskOffset + 4, 4, (pending & ~due) >>> 0)
    for (let vector = 0; vector < this.vectors; vector++) if ((due >>> vector) & 1) this.#send(vector, this.#port)
  }
}
