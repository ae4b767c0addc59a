import type { BusView, ClosedMemory } from '@dmascope/dma'
import type { CpuBus } from '@dmascope/memory/contracts'

const PAGE = 4096

/** How a platform opens memory to devices, and closes it again. Whole pages; their content is lost. */
export interface PageSharing {
  /** False where the hypervisor does not. */
  share(start: number, length: number): boolean
  unshare(start: number, length: number): boolean
}

/** The memory of a guest that is closed to devices, but for the pages that it shares. */
export class SharedMemory implements ClosedMemory {
  readonly #bus: CpuBus
  readonly #sharing: PageSharing
  /** Numbers of the pages that are shared now. */
  readonly #shared = new Set<number>()

  constructor(bus: CpuBus, sharing: PageSharing) {
    this.#bus = bus
    this.#sharing = sharing
  }

  /** Whether devices reach all of [cpu, cpu + length). */
  covers(cpu: number, length: number): boolean {
    const end = cpu + Math.max(length, 1)
    for (let page = Math.floor(cpu / PAGE); page * PAGE < end; page++) if (!this.#shared.has(page)) return false
    return true
  }

  /** Opens pages as they are: for memory that is written before anybody reads it. */
  share(cpu: number, length: number): boolean {
    if (!this.#sharing.share(cpu, length)) return false
    for (let at = cpu; at < cpu + length; at += PAGE) this.#shared.add(at / PAGE)
    return true
  }

  /** Opens pages, and clears them: their content is lost, as it was read with another key. */
  open(cpu: number, length: number): boolean {
    if (!this.share(cpu, length)) return false
    this.#bus.writeBytes(cpu, new Uint8Array(length))
    return true
  }

  close(cpu: number, length: number): void {
    this.#sharing.unshare(cpu, length)
    for (let at = cpu; at < cpu + length; at += PAGE) this.#shared.delete(at / PAGE)
  }
}

/**
 * Bus addresses where page tables have a bit for encryption: an address carries it as the processor's would, but for
 * shared memory (Linux's `phys_to_dma` and `phys_to_dma_unencrypted`).
 */
export class EncryptedView implements BusView {
  readonly kind = 'direct'
  readonly #shared: SharedMemory
  readonly #encrypted: number

  /** @param bit - of an address; below 53 */
  constructor(shared: SharedMemory, bit: number) {
    this.#shared = shared
    this.#encrypted = 2 ** bit
  }

  toBus(cpu: number, length: number): number {
    return this.#shared.covers(cpu, length) ? cpu : cpu + this.#encrypted
  }

  cpuEnd(busEnd: number): number {
    return busEnd
  }
}
