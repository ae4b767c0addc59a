import type { IommuDomain, PageAllocator } from '@dmascope/dma'
import type { PageTable } from './page-table.ts'
import type { RemappingUnit } from './remapping-unit.ts'

const PAGE = 4096

/** What Linux writes into RID_PASID of every context entry. */
export const RID_PASID = 0

/** A page table, and the units that use it, each under a domain ID of its own. */
export class VtdDomain implements IommuDomain {
  readonly type: 'dma' | 'dma-fq' | 'identity'
  readonly apertureEnd: number
  readonly table: PageTable
  readonly #pages: PageAllocator
  readonly #units = new Map<RemappingUnit, number>()
  #unlinked: number[] = []

  constructor(type: VtdDomain['type'], table: PageTable, apertureEnd: number, pages: PageAllocator) {
    this.type = type
    this.table = table
    this.apertureEnd = apertureEnd
    this.#pages = pages
  }

  /** Attaches a unit, once. */
  attach(unit: RemappingUnit, domainId: number): void {
    this.#units.set(unit, domainId)
  }

  idOn(unit: RemappingUnit): number | null {
    return this.#units.get(unit) ?? null
  }

  map(iova: number, physical: number, length: number, access: 1 | 2 | 3): boolean {
    if (iova + length > this.apertureEnd || !this.table.map(iova, physical, length, access)) return false
    for (const [unit, domainId] of this.#units) {
      // Caching mode: absent entries may be cached too, so that new ones must be announced (VT-d 4.1 §6.1).
      // Linux leaves first-stage entries unannounced in caching mode: what is not present is not cached there.
      if (unit.capabilities.cachingMode && this.table.stage === 'second')
        this.#invalidate(unit, domainId, { iova, length })
      else unit.flushWriteBuffer()
    }
    return true
  }

  unmap(iova: number, length: number): void {
    this.#unlinked.push(...this.table.unmap(iova, length))
  }

  flush(range?: { readonly iova: number; readonly length: number }): void {
    for (const [unit, domainId] of this.#units) this.#invalidate(unit, domainId, range)
    for (const table of this.#unlinked) this.#pages.free(table, 1)
    this.#unlinked = []
  }

  /** First-stage mappings are those of a PASID: of RID_PASID, for requests that have none. */
  #invalidate(
    unit: RemappingUnit,
    domainId: number,
    range: { readonly iova: number; readonly length: number } | undefined,
  ): void {
    const { pageSelective, maxAddressMask } = unit.capabilities
    const first = this.table.stage === 'first'
    const mask = range && (pageSelective || first) ? addressMask(range.iova, range.length) : Number.POSITIVE_INFINITY
    const span = PAGE * 2 ** mask
    const page = range && mask <= maxAddressMask ? { iova: Math.floor(range.iova / span) * span, mask } : undefined
    const scope = page === undefined ? { domainId } : { domainId, page }
    if (first) unit.invalidatePasidIotlb({ ...scope, pasid: RID_PASID })
    else unit.invalidateIotlb(scope)
  }
}

/** log2 of the pages of the smallest aligned block that holds the range. */
export function addressMask(iova: number, length: number): number {
  let first = Math.floor(iova / PAGE)
  let last = Math.floor((iova + length - 1) / PAGE)
  let mask = 0
  while (first !== last) {
    first = Math.floor(first / 2)
    last = Math.floor(last / 2)
    mask++
  }
  return mask
}
