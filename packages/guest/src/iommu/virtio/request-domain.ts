import type { IommuDomain } from '@dmascope/dma'
import type { RequestIommu } from '../pci-iommu.ts'

interface Mapping {
  readonly iova: number
  readonly physical: number
  readonly length: number
  readonly access: 1 | 2 | 3
}

/**
 * A domain of an IOMMU that is told of mappings by requests. The kernel keeps the list of what it mapped: while no
 * endpoint is in the domain the device has forgotten it, and hears of all of it with the first.
 */
export class RequestDomain implements IommuDomain {
  readonly type: 'dma' | 'dma-fq' | 'identity'
  readonly apertureEnd: number
  readonly id: number
  readonly bypass: boolean
  readonly #unit: RequestIommu
  readonly #log: (line: string) => void
  readonly #mappings = new Map<number, Mapping>()
  #endpoints = 0

  constructor(
    unit: RequestIommu,
    options: {
      readonly type: RequestDomain['type']
      readonly id: number
      readonly bypass: boolean
      readonly log: (line: string) => void
    },
  ) {
    this.#unit = unit
    this.type = options.type
    this.id = options.id
    this.bypass = options.bypass
    this.apertureEnd = unit.inputEnd
    this.#log = options.log
  }

  /** Puts an endpoint into it. Answers why not. */
  attach(endpoint: number): string | null {
    const refused = this.#unit.attach(this.id, endpoint, this.bypass)
    if (refused !== null) return refused
    if (this.#endpoints++ === 0) {
      for (const { iova, physical, length, access } of this.#mappings.values()) {
        const failed = this.#unit.map(this.id, iova, physical, length, access, true)
        if (failed !== null) return failed
      }
    }
    return null
  }

  /** An endpoint has gone to another domain, which takes it out of this one. */
  leave(): void {
    this.#endpoints = Math.max(0, this.#endpoints - 1)
  }

  map(iova: number, physical: number, length: number, access: 1 | 2 | 3): boolean {
    if (iova + length > this.apertureEnd) return false
    if (this.#endpoints > 0) {
      const refused = this.#unit.map(this.id, iova, physical, length, access, false)
      if (refused !== null) {
        this.#log(`iommu: domain ${this.id}: 0x${iova.toString(16)} cannot be mapped: ${refused}`)
        return false
      }
      this.#unit.sync()
    }
    this.#mappings.set(iova, { iova, physical, length, access })
    return true
  }

  unmap(iova: number, length: number): void {
    // One request takes back what one or several asked for, as long as it splits none.
    let start = iova
    for (const end = iova + length; start < end; ) {
      const mapping = this.#mappings.get(start)
      if (mapping === undefined) break
      this.#mappings.delete(start)
      start += mapping.length
    }
    if (start > iova && this.#endpoints > 0) this.#unit.unmap(this.id, iova, start - iova)
  }

  /** There is no cache to invalidate: it waits until the device has taken the mappings back. */
  flush(): void {
    this.#unit.sync()
  }
}
