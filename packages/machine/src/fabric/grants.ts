import type { Access } from '@dmascope/memory'

/** Memory that the guest gave to one device, in guest-physical addresses. */
export interface Grant {
  readonly address: number
  readonly end: number
  readonly access: Access
  readonly purpose: string
}

/** Grants that are remembered after they were revoked. A power of two. */
const REMEMBERED = 16

/**
 * One device's grants. A device may hold thousands (a network card's receive buffers), and every DMA asks here, so they
 * are kept sorted by address; the one that answered last is tried first.
 */
export class Grants {
  #sorted: Grant[] = []
  #last: Grant | null = null
  /** Longest grant so far: bounds how far back a covering one may start. */
  #longest = 0
  /** Changed by each revocation: a view that was judged before must be judged again. */
  revocations = 0
  readonly #revoked: Grant[] = []

  add(grant: Grant): void {
    this.#sorted.splice(this.#after(grant.address), 0, grant)
    this.#longest = Math.max(this.#longest, grant.end - grant.address)
  }

  remove(grant: Grant): void {
    const index = this.#sorted.indexOf(grant, Math.max(this.#firstAt(grant.address), 0))
    if (index < 0) return
    this.#sorted.splice(index, 1)
    if (this.#last === grant) this.#last = null
    this.#revoked[this.revocations & (REMEMBERED - 1)] = grant
    this.revocations++
  }

  /** The grant that allows all of [address, address + length); null where none does. */
  covering(address: number, length: number, access: Access): Grant | null {
    const last = this.#last
    const end = address + length
    if (last !== null && address >= last.address && end <= last.end && (access & ~last.access) === 0) return last
    for (let index = this.#after(address) - 1; index >= 0; index--) {
      const grant = this.#sorted[index]!
      if (grant.address + this.#longest < end) break
      if (address >= grant.address && end <= grant.end && (access & ~grant.access) === 0) {
        this.#last = grant
        return grant
      }
    }
    return null
  }

  /** Whether one of the last grants that were revoked allowed it. */
  wasCovered(address: number, length: number, access: Access): boolean {
    return this.#revoked.some(
      (grant) => address >= grant.address && address + length <= grant.end && (access & ~grant.access) === 0,
    )
  }

  get size(): number {
    return this.#sorted.length
  }

  /** Index of the first grant that starts above `address`. */
  #after(address: number): number {
    let low = 0
    let high = this.#sorted.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#sorted[middle]!.address <= address) low = middle + 1
      else high = middle
    }
    return low
  }

  #firstAt(address: number): number {
    let low = 0
    let high = this.#sorted.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#sorted[middle]!.address < address) low = middle + 1
      else high = middle
    }
    return low
  }
}
