import type { Access } from '@dmascope/memory/contracts'
import type { IommuDomain, MappingUse } from './dma-ops.ts'
import { FlushQueue } from './flush-queue.ts'
import { IovaAllocator } from './iova-allocator.ts'

export interface IovaSpaceOptions {
  readonly domain: IommuDomain
  /** Addresses never to give out: the MSI window, the host bridge's windows, regions that firmware wants identical. */
  readonly reserved?: readonly { readonly start: number; readonly end: number }[]
  readonly order?: 'top-down' | 'bottom-up'
}

/**
 * The addresses of one IOMMU domain, shared by every device in it: allocation, page-table updates, invalidation. In a
 * `dma-fq` domain the invalidation is put off, and with it the reuse of addresses; in any other it is done at once.
 */
export class IovaSpace {
  readonly domain: IommuDomain
  readonly #allocator: IovaAllocator
  readonly #queue: FlushQueue | null

  constructor(options: IovaSpaceOptions) {
    const { domain } = options
    this.domain = domain
    this.#allocator = new IovaAllocator({ end: domain.apertureEnd, order: options.order ?? 'top-down' })
    for (const { start, end } of options.reserved ?? []) this.#allocator.reserve(start, end)
    this.#queue =
      domain.type === 'dma-fq'
        ? new FlushQueue(
            () => domain.flush(),
            (iova, length) => this.#allocator.free(iova, length),
          )
        : null
  }

  /** Ranges unmapped but not yet invalidated. */
  get pendingFlushes(): number {
    return this.#queue?.pending ?? 0
  }

  /** @returns an IOVA for `length` bytes, at most `mask`; null where there is none, not even after a flush */
  allocate(length: number, mask: number): number | null {
    const iova = this.#allocator.allocate(length, mask)
    if (iova !== null || this.pendingFlushes === 0) return iova
    this.flush()
    return this.#allocator.allocate(length, mask)
  }

  /** Gives back an address that nothing was mapped at. */
  release(iova: number, length: number): void {
    this.#allocator.free(iova, length)
  }

  map(iova: number, physical: number, length: number, access: Access, use: MappingUse = 'memory'): boolean {
    return this.domain.map(iova, physical, length, access, use)
  }

  /** Undoes `allocate` and `map`: now, or for a `dma-fq` domain once the queue is flushed. */
  unmap(iova: number, length: number): void {
    this.domain.unmap(iova, length)
    if (this.#queue) {
      this.#queue.push(iova, length)
      return
    }
    this.domain.flush({ iova, length })
    this.#allocator.free(iova, length)
  }

  /** Invalidates what waits; the kernel's timer does this 10 ms after an unmap, so an idle machine has done it. */
  flush(): void {
    this.#queue?.flush()
  }
}
