import type { CpuBus, DmaWitness } from '@dmascope/memory/contracts'
import type { Vectors } from '../interrupts/vectors.ts'
import type { AdapterArea, AdapterBits } from './channel-site.ts'
import { adapterVector, IO_SCH_ISC } from './io-interruptions.ts'

/** Linux's VIRTIO_IV_BITS: those of a cache line. */
const AREA_BYTES = 256
const SUMMARY_OFFSET = AREA_BYTES
const READ_AND_WRITE = 3

/** Linux's `airq_info` of virtio-ccw: an area of bits, and a summary of them; one of each. */
export class AdapterIndicators implements AdapterBits {
  readonly #bus: CpuBus
  readonly #witness: DmaWitness
  readonly #base: number
  readonly #handlers: (() => void)[] = []

  /** @param base - a page below 2 GiB, cleared, and open to devices */
  constructor(bus: CpuBus, witness: DmaWitness, vectors: Vectors, base: number) {
    this.#bus = bus
    this.#witness = witness
    this.#base = base
    vectors.claim(adapterVector(IO_SCH_ISC), 'edge')?.handlers.push(() => this.#interrupt())
  }

  allocate(owner: string, handlers: readonly (() => void)[]): AdapterArea | null {
    const firstBit = this.#handlers.length
    if (handlers.length === 0 || firstBit + handlers.length > AREA_BYTES * 8) return null
    this.#handlers.push(...handlers)
    const summary = this.#base + SUMMARY_OFFSET
    const first = Math.floor(firstBit / 8)
    const last = Math.floor((firstBit + handlers.length - 1) / 8)
    this.#witness.grant(owner, this.#base + first, last - first + 1, READ_AND_WRITE, 'adapter indicators')
    this.#witness.grant(owner, summary, 1, READ_AND_WRITE, 'summary indicator')
    return { indicators: this.#base, summary, firstBit, isc: IO_SCH_ISC }
  }

  /** `virtio_airq_handler`: what is set while the summary stands, and what came until it was cleared. */
  #interrupt(): boolean {
    const summary = this.#base + SUMMARY_OFFSET
    if (this.#bus.read8(summary) === 0) return false
    this.#scan()
    this.#bus.write8(summary, 0)
    this.#scan()
    return true
  }

  #scan(): void {
    for (let first = 0; first < this.#handlers.length; first += 8) {
      const at = this.#base + first / 8
      const bits = this.#bus.read8(at)
      if (bits === 0) continue
      this.#bus.write8(at, 0)
      for (let bit = 0; bit < 8; bit++) if ((bits & (0x80 >>> bit)) !== 0) this.#handlers[first + bit]?.()
    }
  }
}
