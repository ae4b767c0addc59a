import type { IommuDomain, PageAllocator } from '@dmascope/dma'
import { invalidateAsid, invalidateRange } from './command-queue.ts'
import type { LongDescriptorTable, PageUse } from './long-descriptor-table.ts'
import type { SmmuDevice } from './smmu-device.ts'

/** A stage 1 domain: a table, and the ASID under which an SMMU caches what it says. */
export class SmmuDomain implements IommuDomain {
  readonly type: 'dma' | 'dma-fq'
  readonly apertureEnd: number
  readonly table: LongDescriptorTable
  readonly asid: number
  readonly smmu: SmmuDevice
  readonly #pages: PageAllocator
  /** Bytes that each cleared descriptor mapped, of what waits for its invalidation. */
  #granule = 0

  constructor(
    type: SmmuDomain['type'],
    table: LongDescriptorTable,
    asid: number,
    smmu: SmmuDevice,
    pages: PageAllocator,
  ) {
    this.type = type
    this.table = table
    this.asid = asid
    this.smmu = smmu
    this.apertureEnd = table.end
    this.#pages = pages
  }

  map(iova: number, physical: number, length: number, access: 1 | 2 | 3, use?: PageUse): boolean {
    return this.table.map(iova, physical, length, access, use)
  }

  unmap(iova: number, length: number): void {
    const { granule, tables } = this.table.unmap(iova, length)
    this.#granule = this.#granule === 0 ? granule : Math.min(this.#granule, granule)
    if (tables.length === 0) return
    // Tables may be in walk caches, and go at once.
    this.#invalidate(iova, length, granule, false)
    for (const table of tables) this.#pages.free(table, 1)
  }

  flush(range?: { readonly iova: number; readonly length: number }): void {
    if (range === undefined) this.smmu.issue(invalidateAsid(this.asid))
    else this.#invalidate(range.iova, range.length, this.#granule === 0 ? 4096 : this.#granule, true)
    this.#granule = 0
  }

  #invalidate(iova: number, length: number, granule: number, leaf: boolean): void {
    const ranges = this.smmu.features.rangeInvalidation
    this.smmu.issue(...invalidateRange(this.asid, iova, length, leaf ? granule : 4096, leaf, ranges))
  }
}
