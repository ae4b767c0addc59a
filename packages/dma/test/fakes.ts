import type { DmaWitness } from '@dmascope/memory'
import type { IommuDomain, MappingUse, PageAllocator } from '../src/index.ts'

/** Pages from the top of [0x100000, end) down. */
export class BumpPages implements PageAllocator {
  readonly live = new Set<number>()
  #next: number

  constructor(end = 0x1000_0000) {
    this.#next = end
  }

  allocate(count: number, limit = Number.POSITIVE_INFINITY): number | null {
    const top = Math.min(this.#next, limit)
    const address = top - count * 4096
    if (address < 0x10_0000) return null
    this.#next = address
    this.live.add(address)
    return address
  }

  free(address: number): void {
    if (!this.live.delete(address)) throw new Error(`0x${address.toString(16)} freed twice`)
  }
}

/** A page table as a plain map, and an IOTLB that keeps what was looked up until it is told to forget. */
export class MapDomain implements IommuDomain {
  readonly table = new Map<number, { physical: number; access: number }>()
  readonly cached = new Map<number, { physical: number; access: number }>()
  /** What each page is for, where that is said. */
  readonly uses = new Map<number, MappingUse>()
  readonly flushes: (string | { iova: number; length: number })[] = []
  /** Pages that may still be mapped before memory runs out. */
  budget = Number.POSITIVE_INFINITY
  readonly type: IommuDomain['type']
  readonly apertureEnd: number

  constructor(type: IommuDomain['type'], apertureEnd = 2 ** 39) {
    this.type = type
    this.apertureEnd = apertureEnd
  }

  map(iova: number, physical: number, length: number, access: 1 | 2 | 3, use: MappingUse = 'memory'): boolean {
    if (length / 4096 > this.budget) return false
    for (let done = 0; done < length; done += 4096) if (this.table.has(iova + done)) return false
    this.budget -= length / 4096
    for (let done = 0; done < length; done += 4096) this.table.set(iova + done, { physical: physical + done, access })
    for (let done = 0; done < length; done += 4096) this.uses.set(iova + done, use)
    return true
  }

  unmap(iova: number, length: number): void {
    for (let done = 0; done < length; done += 4096) this.table.delete(iova + done)
  }

  flush(range?: { readonly iova: number; readonly length: number }): void {
    this.flushes.push(range ?? 'domain')
    if (!range) this.cached.clear()
    else for (let done = 0; done < range.length; done += 4096) this.cached.delete(range.iova + done)
  }

  /** What a device's access meets: the cached entry, else the table's, which is then cached. */
  translate(address: number): number | null {
    const page = Math.floor(address / 4096) * 4096
    const entry = this.cached.get(page) ?? this.table.get(page)
    if (!entry) return null
    this.cached.set(page, entry)
    return entry.physical + (address - page)
  }
}

export class RecordingWitness implements DmaWitness {
  readonly granted = new Map<
    number,
    { owner: string; address: number; length: number; access: number; purpose: string }
  >()
  #next = 1

  grant(owner: string, address: number, length: number, access: number, purpose: string): number {
    this.granted.set(this.#next, { owner, address, length, access, purpose })
    return this.#next++
  }

  revoke(grant: number): void {
    if (!this.granted.delete(grant)) throw new Error(`grant ${grant} revoked twice`)
  }

  phase(): void {}
}
