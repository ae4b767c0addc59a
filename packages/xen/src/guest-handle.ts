import type { CpuBus } from '@dmascope/memory/contracts'
import type { DomainMemory } from './domain-memory.ts'
import { VIRT_BASE_HI, VIRT_BASE_LO } from './spec/start-info.ts'

const PAGE = 4096

/**
 * Memory that a domain names to Xen by virtual addresses.
 *
 * DEVIATION: software on the CPU seam has no page tables, so that the only virtual addresses are those from the
 * kernel's base on, where memory lies in order.
 */
export class GuestHandles {
  readonly #bus: CpuBus
  readonly #memory: DomainMemory

  /** @param bus - the domain's */
  constructor(bus: CpuBus, memory: DomainMemory) {
    this.#bus = bus
    this.#memory = memory
  }

  /** The domain's own address behind a virtual one, where all of its memory is RAM of the domain's; else -1. */
  resolve(hi: number, lo: number, length: number): number {
    if (hi >>> 0 !== VIRT_BASE_HI || lo >>> 0 < VIRT_BASE_LO) return -1
    const address = (lo >>> 0) - VIRT_BASE_LO
    if (address + length > VIRT_BASE_LO) return -1
    const last = Math.floor((address + Math.max(length, 1) - 1) / PAGE)
    for (let page = Math.floor(address / PAGE); page <= last; page++) if (!this.#memory.isOwn(page)) return -1
    return address
  }

  /** A copy of a structure; null where it is not the domain's memory. */
  read(hi: number, lo: number, length: number): DataView | null {
    const address = this.resolve(hi, lo, length)
    if (address < 0) return null
    const bytes = new Uint8Array(length)
    this.#bus.readBytes(address, bytes)
    return new DataView(bytes.buffer)
  }

  /** False where it is not the domain's memory. */
  write(hi: number, lo: number, from: DataView): boolean {
    const address = this.resolve(hi, lo, from.byteLength)
    if (address < 0) return false
    this.#bus.writeBytes(address, new Uint8Array(from.buffer, from.byteOffset, from.byteLength))
    return true
  }
}
