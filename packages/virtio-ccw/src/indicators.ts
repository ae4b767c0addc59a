import { DMA_OK, type DmaPort } from '@dmascope/memory'
import type { ChannelInterrupts } from './channel-device.ts'

const CLASSIC_BITS = 64
/** In a summary indicator. */
const SUMMARY = 0x01

/** Where two-stage indicators are: bits of an area that devices may share, and a byte that says that any is set. */
export interface TwoStageIndicators {
  readonly summaryHi: number
  readonly summaryLo: number
  readonly hi: number
  readonly lo: number
  /** The bit of queue 0, counted from the top of the area's first byte. */
  readonly bit: number
  /** The interruption subclass of adapter interruptions. */
  readonly isc: number
}

/** An absolute address. */
export interface IndicatorAddress {
  readonly hi: number
  readonly lo: number
}

/**
 * Bits in the guest's memory by which a device tells what happened, before it interrupts (virtio 1.3 §4.3.2.6, §4.3.3.1).
 * They are absolute addresses, and no part of what VIRTIO_F_ACCESS_PLATFORM is about.
 */
export class Indicators {
  /** Of queues, where they are not two-stage. */
  classic: IndicatorAddress | null = null
  twoStage: TwoStageIndicators | null = null
  /** Of the configuration. */
  configuration: IndicatorAddress | null = null
  readonly #byte = new Uint8Array(1)

  reset(): void {
    this.classic = null
    this.twoStage = null
    this.configuration = null
  }

  /** The queue has used buffers. */
  queue(queue: number, dma: DmaPort, interrupts: ChannelInterrupts): void {
    const { twoStage, classic } = this
    if (twoStage !== null) {
      const bit = twoStage.bit + queue
      const [hi, lo] = plus(twoStage.hi, twoStage.lo, Math.floor(bit / 8))
      if (this.#set(dma, hi, lo, 0x80 >>> (bit % 8)) < 0) return
      // What has told of one interruption stands until software has seen it: no other is needed.
      const before = this.#set(dma, twoStage.summaryHi, twoStage.summaryLo, SUMMARY)
      if (before === 0) interrupts.adapter(twoStage.isc)
    } else if (classic !== null && queue < CLASSIC_BITS) {
      this.#setClassic(classic, queue, dma, interrupts)
    }
  }

  /** The configuration changed. */
  configurationChanged(dma: DmaPort, interrupts: ChannelInterrupts): void {
    if (this.configuration !== null) this.#setClassic(this.configuration, 0, dma, interrupts)
  }

  /** Classic indicators are a word of 8 bytes, the highest first. */
  #setClassic({ hi, lo }: IndicatorAddress, bit: number, dma: DmaPort, interrupts: ChannelInterrupts): void {
    const [atHi, atLo] = plus(hi, lo, 7 - Math.floor(bit / 8))
    if (this.#set(dma, atHi, atLo, 1 << (bit % 8)) >= 0) interrupts.alert()
  }

  /** @returns the byte as it was; -1 where there is none */
  #set(dma: DmaPort, hi: number, lo: number, mask: number): number {
    if (dma.read(hi, lo, this.#byte) !== DMA_OK) return -1
    const before = this.#byte[0]!
    this.#byte[0] = before | mask
    return dma.write(hi, lo, this.#byte) === DMA_OK ? before : -1
  }
}

function plus(hi: number, lo: number, offset: number): readonly [hi: number, lo: number] {
  const sum = lo + offset
  return [(hi + Math.floor(sum / 2 ** 32)) >>> 0, sum >>> 0]
}
