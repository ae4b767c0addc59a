import type { Access, RingView } from '@dmascope/memory'

/** What a view was made from: it may be used for as long as all of this stands. */
export interface ViewOrigin {
  readonly bytes: Uint8Array
  /** Counts the port's wirings. */
  readonly epoch: number
  /** Of the RAM's store, which moves when it grows. */
  readonly generation: number
  /** Where it lies, and what it was asked for: judged again when a grant is taken back. */
  readonly physical: number
  readonly access: Access
  /** Made while firmware ran, whose DMA is not judged. */
  readonly unjudged: boolean
  readonly translated: boolean
  /** Of each page: the translation that it came from, and that one's epoch. Empty where nothing translates. */
  readonly tags: readonly number[]
  readonly tagEpochs: readonly number[]
}

/** A window onto RAM that a fabric's port has given to its device. */
export class FabricView implements RingView {
  readonly bytes: Uint8Array
  readonly epoch: number
  readonly origin: ViewOrigin
  /** Revocations of the device's grants when it was last judged. */
  judgedAt: number
  #data: DataView | null = null

  constructor(origin: ViewOrigin, judgedAt: number) {
    this.bytes = origin.bytes
    this.epoch = origin.epoch
    this.origin = origin
    this.judgedAt = judgedAt
  }

  get data(): DataView {
    this.#data ??= new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.length)
    return this.#data
  }
}
