import type { DmaPort } from '@dmascope/memory'
import { DMA_DISABLED, DMA_OK } from '@dmascope/memory'
import type { DeviceLedger } from '../fabric/ledger.ts'
import type { Worker } from '../fabric/run-queue.ts'
import type { ResidentObservation } from '../observation.ts'

const BYTES = 8

/**
 * Something that firmware left running in a device: a keyboard emulation in a USB controller, a management agent in a
 * card. Whatever drivers make of the device, it goes on counting in memory of its own, a turn whenever the device has
 * one, and stops only where bus mastering is off. Its requests bear the device's ID and go the device's way.
 */
export class ResidentEngine implements Worker {
  readonly #port: DmaPort
  readonly #ledger: DeviceLedger
  readonly #base: number
  readonly #size: number
  readonly #bytes = new Uint8Array(BYTES)
  readonly #count = new DataView(this.#bytes.buffer)
  #turns = 0
  #refused = 0
  #refusedAssigned = 0

  constructor(port: DmaPort, ledger: DeviceLedger, base: number, size: number) {
    this.#port = port
    this.#ledger = ledger
    this.#base = base
    this.#size = size
  }

  /** Counted and recorded as firmware's, whose DMA is not judged. */
  work(): 'idle' {
    const { phase } = this.#ledger
    this.#ledger.phase = 'firmware'
    const next = (this.#count.getUint32(0, true) + 1) >>> 0
    this.#count.setUint32(0, next, true)
    const done = this.#port.write(0, this.#base, this.#bytes)
    this.#ledger.phase = phase
    if (done === DMA_DISABLED) return 'idle'
    this.#turns++
    if (done === DMA_OK) return 'idle'
    if (phase === 'assigned') this.#refusedAssigned++
    else this.#refused++
    return 'idle'
  }

  observe(): ResidentObservation {
    return {
      start: `0x${this.#base.toString(16)}`,
      end: `0x${(this.#base + this.#size - 1).toString(16)}`,
      turns: this.#turns,
      refused: this.#refused,
      refusedAssigned: this.#refusedAssigned,
    }
  }
}
