import type { IommuDomain } from '@dmascope/dma'
import type { AmdUnit } from './amd-unit.ts'
import type { DmaTarget } from './device-table.ts'
import type { HostPageTable } from './host-page-table.ts'

/** A domain: its ID, its page table, and the units whose devices are in it. An identity domain has no table. */
export class AmdDomain implements IommuDomain {
  readonly type: 'dma' | 'dma-fq' | 'identity'
  readonly id: number
  readonly apertureEnd: number
  readonly #table: HostPageTable | null
  /** What is not present may be cached: new mappings are announced. */
  readonly #announces: boolean
  readonly #units = new Set<AmdUnit>()

  constructor(
    type: AmdDomain['type'],
    id: number,
    table: HostPageTable | null,
    apertureEnd: number,
    announces: boolean,
  ) {
    this.type = type
    this.id = id
    this.#table = table
    this.apertureEnd = apertureEnd
    this.#announces = announces
  }

  get target(): DmaTarget {
    return { domainId: this.id, levels: this.#table?.levels ?? 0, root: this.#table?.root ?? 0 }
  }

  attach(unit: AmdUnit): void {
    this.#units.add(unit)
  }

  map(iova: number, physical: number, length: number, access: 1 | 2 | 3): boolean {
    if (this.#table === null || iova + length > this.apertureEnd) return false
    if (!this.#table.map(iova, physical, length, access)) return false
    if (this.#announces) this.flush({ iova, length })
    return true
  }

  unmap(iova: number, length: number): void {
    this.#table?.unmap(iova, length)
  }

  /**
   * On a unit that may cache what is not present, which stands for a virtual one, a range goes in aligned pieces, so
   * that nothing else is dropped with it.
   */
  flush(range?: { readonly iova: number; readonly length: number }): void {
    for (const unit of this.#units) {
      if (range === undefined) unit.flushPages(this.id, null)
      else if (!this.#announces) unit.flushPages(this.id, range)
      else for (const piece of alignedPieces(range.iova, range.length)) unit.flushPages(this.id, piece)
      unit.complete()
    }
  }
}

/** The fewest naturally aligned powers of two that make up a range, in order. */
export function alignedPieces(iova: number, length: number): { iova: number; length: number }[] {
  const pieces: { iova: number; length: number }[] = []
  for (let at = iova, left = length; left > 0; ) {
    let size = 4096
    while (size * 2 <= left && at % (size * 2) === 0) size *= 2
    pieces.push({ iova: at, length: size })
    at += size
    left -= size
  }
  return pieces
}
