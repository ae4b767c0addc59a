import type { Direction, DmaMapping, DmaOps, PageAllocator } from '@dmascope/dma'
import { highWord, lowWord } from '@dmascope/layout'
import type { DmaWitness } from '@dmascope/memory/contracts'

/**
 * How a virtio driver comes by the addresses that it gives its device: a part of the DMA API, or physical addresses
 * where the kernel's rule skips that.
 */
export interface DmaPath extends Pick<DmaOps, 'allocCoherent' | 'freeCoherent' | 'map' | 'unmap' | 'syncForDevice'> {
  readonly kind: DmaOps['kind'] | 'physical'
}

const PAGE = 4096
const ACCESS = { 'to-device': 1, 'from-device': 2, bidirectional: 3 } as const

/**
 * Guest-physical addresses, raw: what Linux does with a virtio device that did not negotiate VIRTIO_F_ACCESS_PLATFORM.
 * Nothing is mapped; that the device may now go there is told to the witness alone.
 */
export class PhysicalPath implements DmaPath {
  readonly kind = 'physical'
  readonly #owner: string
  readonly #pages: PageAllocator
  readonly #witness: DmaWitness
  readonly #limit: number
  readonly #grants = new Map<DmaMapping, number>()

  /**
   * @param owner - the device, as the witness is to know it
   * @param addressBits - address bits that a ring's place may have
   */
  constructor(owner: string, pages: PageAllocator, witness: DmaWitness, addressBits: number) {
    this.#owner = owner
    this.#pages = pages
    this.#witness = witness
    this.#limit = Math.min(2 ** addressBits, 2 ** 53)
  }

  allocCoherent(length: number, purpose: string): DmaMapping | null {
    const cpu = this.#pages.allocate(Math.ceil(length / PAGE), this.#limit)
    return cpu === null ? null : this.#grant(cpu, length, 'bidirectional', purpose)
  }

  freeCoherent(mapping: DmaMapping): void {
    this.unmap(mapping)
    this.#pages.free(mapping.cpu, Math.ceil(mapping.length / PAGE))
  }

  map(cpu: number, length: number, direction: Direction, purpose: string): DmaMapping | null {
    return this.#grant(cpu, length, direction, purpose)
  }

  /** @throws RangeError where this is no mapping that stands */
  unmap(mapping: DmaMapping): void {
    const grant = this.#grants.get(mapping)
    if (grant === undefined) throw new RangeError(`0x${mapping.cpu.toString(16)} is not mapped`)
    this.#grants.delete(mapping)
    this.#witness.revoke(grant)
  }

  /** Nothing stands between memory and the device that this would know of. */
  syncForDevice(): void {}

  #grant(cpu: number, length: number, direction: Direction, purpose: string): DmaMapping {
    const mapping = { cpu, hi: highWord(cpu), lo: lowWord(cpu), length }
    this.#grants.set(mapping, this.#witness.grant(this.#owner, cpu, length, ACCESS[direction], purpose))
    return mapping
  }
}
