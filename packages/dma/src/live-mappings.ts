import type { Access, DmaWitness } from '@dmascope/memory/contracts'
import type { Direction, DmaMapping } from './dma-ops.ts'

/** A piece of CPU memory. */
export interface Segment {
  readonly cpu: number
  readonly length: number
}

/** A mapping that was never given back. */
export interface DmaLeak {
  readonly kind: MappingKind
  readonly purpose: string
  readonly mappings: readonly DmaMapping[]
}

export type MappingKind = 'coherent' | 'streaming' | 'scatter'

/** What must be undone when a mapping is given back. */
export interface LiveMapping {
  readonly kind: MappingKind
  readonly purpose: string
  readonly mappings: readonly DmaMapping[]
  /** Start and bytes of the range on the bus, whole pages; 0 bytes where no address was allocated for it. */
  readonly busStart: number
  readonly busLength: number
  readonly grants: readonly number[]
}

const ACCESS_OF: Readonly<Record<Direction, Access>> = { 'to-device': 1, 'from-device': 2, bidirectional: 3 }

/** Page-table rights for a transfer's direction. */
export const accessOf = (direction: Direction): Access => ACCESS_OF[direction]

/**
 * One device's mappings that stand now: tells the witness of each, finds leaks, and refuses to give back what is not
 * there. Identity of the `DmaMapping` object is what counts: it is the driver's receipt.
 */
export class LiveMappings {
  readonly #owner: string
  readonly #witness: DmaWitness | undefined
  readonly #live = new Map<DmaMapping, LiveMapping>()

  constructor(owner: string, witness: DmaWitness | undefined) {
    this.#owner = owner
    this.#witness = witness
  }

  /** Enters a mapping (one receipt, or a scatter list's) and grants the CPU memory under it to the device. */
  add(
    kind: MappingKind,
    mappings: readonly DmaMapping[],
    segments: readonly Segment[],
    access: Access,
    purpose: string,
    bus: { readonly start: number; readonly length: number },
  ): void {
    const grants: number[] = []
    for (const { cpu, length } of segments) {
      const grant = this.#witness?.grant(this.#owner, cpu, length, access, purpose)
      if (grant !== undefined) grants.push(grant)
    }
    const entry = { kind, purpose, mappings, busStart: bus.start, busLength: bus.length, grants }
    this.#live.set(mappings[0]!, entry)
  }

  /**
   * Takes a mapping out and revokes its grants.
   *
   * @throws RangeError where it is not live (unmapped twice, or never mapped) or was made by another call
   */
  remove(kind: MappingKind, mapping: DmaMapping | undefined): LiveMapping {
    const entry = mapping && this.#live.get(mapping)
    if (mapping === undefined || entry === undefined) {
      throw new RangeError(`${this.#owner} gives back a ${kind} mapping that is not live: ${describe(mapping)}`)
    }
    if (entry.kind !== kind) {
      throw new RangeError(`${this.#owner} gives back a ${entry.kind} mapping as ${kind}: ${describe(mapping)}`)
    }
    this.#live.delete(mapping)
    for (const grant of entry.grants) this.#witness?.revoke(grant)
    return entry
  }

  leaks(): readonly DmaLeak[] {
    return [...this.#live.values()].map(({ kind, purpose, mappings }) => ({ kind, purpose, mappings }))
  }
}

const describe = (mapping: DmaMapping | undefined): string =>
  mapping ? `CPU 0x${mapping.cpu.toString(16)}, ${mapping.length} bytes` : 'an empty list'

/** @throws RangeError where the segment is no piece of an address space of 2^53 bytes */
export function checkSegment(cpu: number, length: number): void {
  if (!(Number.isSafeInteger(cpu) && Number.isSafeInteger(length) && cpu >= 0 && length > 0)) {
    throw new RangeError(`cannot map ${length} bytes at ${cpu}: a whole address and a positive length are needed`)
  }
}

/** @throws RangeError where the part does not lie within the mapping */
export function checkPart({ length: whole }: DmaMapping, offset: number, length: number): void {
  if (
    Number.isSafeInteger(offset) &&
    Number.isSafeInteger(length) &&
    offset >= 0 &&
    length > 0 &&
    offset + length <= whole
  )
    return
  throw new RangeError(`${length} bytes at ${offset} are no part of a mapping of ${whole}`)
}

/** @throws RangeError outside [1, 64] */
export function checkMaskBits(maskBits: number): number {
  if (!Number.isInteger(maskBits) || maskBits < 1 || maskBits > 64) {
    throw new RangeError(`a DMA mask has 1 to 64 bits, got ${maskBits}`)
  }
  return maskBits
}

/** The highest address that so many bits can hold, or the highest that a Number counts exactly. */
export const highestAddress = (maskBits: number): number => 2 ** Math.min(maskBits, 53) - 1
