/** A PCI function of a machine, as `lspci` or a boot report has it. Null where that does not say. */
export interface TopologyFunction {
  readonly segment: number
  readonly bus: number
  readonly device: number
  readonly function: number
  /** 0 for devices, 1 for bridges, 2 for CardBus bridges; without the multi-function bit. */
  readonly headerType: number | null
  /** Base class and subclass: 0x0604 for a bridge. */
  readonly classCode: number | null
  /** Of a bridge. */
  readonly secondaryBus: number | null
  readonly vendorId: number | null
  readonly deviceId: number | null
  /** Of a function with SR-IOV: how many virtual ones there can be, and where, by requester ID from its own. */
  readonly virtual?: { readonly total: number; readonly offset: number; readonly stride: number }
}

/** The PCI functions that a machine has. */
export interface PciTopology {
  readonly functions: readonly TopologyFunction[]
}

/** Where a path leads: to a function, to nothing, or further than the topology tells. */
export type PathEnd =
  | { readonly kind: 'function'; readonly at: TopologyFunction }
  | { readonly kind: 'nothing'; readonly step: number; readonly address: string }
  | { readonly kind: 'unknown' }

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0')

/** `00:1f.3`, with the segment before it where that is not 0. */
export const functionName = (segment: number, bus: number, device: number, fn: number): string =>
  `${segment === 0 ? '' : `${hex(segment, 4)}:`}${hex(bus, 2)}:${hex(device, 2)}.${fn.toString(16)}`

export const nameOf = (one: TopologyFunction): string => functionName(one.segment, one.bus, one.device, one.function)

/** `00:1f.3` of a requester ID. */
export const idName = (segment: number, id: number): string =>
  functionName(segment, (id >> 8) & 0xff, (id >> 3) & 0x1f, id & 7)

export const requesterId = ({ bus, device, function: fn }: TopologyFunction): number => (bus << 8) | (device << 3) | fn

/** Requester IDs of a segment, by which ranges of them are asked for in one step. */
export class SegmentIds {
  /** At each ID, how many functions have a lower one. */
  readonly #below = new Uint32Array(0x1_0001)

  constructor(functions: readonly TopologyFunction[]) {
    for (const one of functions) this.#below[requesterId(one) + 1]!++
    for (let id = 1; id <= 0x1_0000; id++) this.#below[id]! += this.#below[id - 1]!
  }

  /** Whether a function has an ID from the first to the last. */
  hasAny(first: number, last: number): boolean {
    return last >= first && this.#below[last + 1]! > this.#below[first]!
  }
}

/** What tables can name. Linux numbers the buses behind a VMD above it, and takes their functions for the VMD's. */
const LAST_SEGMENT = 0xffff

/** A topology, to be asked. */
export class TopologyIndex {
  readonly functions: readonly TopologyFunction[]
  readonly #at = new Map<string, TopologyFunction>()
  readonly #bridges = new Map<string, TopologyFunction>()
  readonly #physical: TopologyFunction[] = []
  /** Whether each bridge says which bus is below it. */
  readonly #hasAllBuses: boolean

  constructor({ functions }: PciTopology) {
    this.functions = functions.filter(({ segment }) => segment <= LAST_SEGMENT)
    let hasAllBuses = true
    for (const one of this.functions) {
      this.#at.set(nameOf(one), one)
      if (one.virtual !== undefined) this.#physical.push(one)
      if (one.secondaryBus !== null) this.#bridges.set(`${one.segment}:${one.secondaryBus}`, one)
      else if (one.headerType === null || one.headerType === 1) hasAllBuses = false
    }
    this.#hasAllBuses = hasAllBuses
  }

  at(segment: number, bus: number, device: number, fn: number): TopologyFunction | undefined {
    return this.#at.get(functionName(segment, bus, device, fn))
  }

  byId(segment: number, id: number): TopologyFunction | undefined {
    return this.#at.get(idName(segment, id))
  }

  /** The function that has, or can have, a virtual function at this requester ID. */
  physicalAt(segment: number, id: number): TopologyFunction | undefined {
    return this.#physical.find((one) => {
      const { total = 0, offset = 0, stride = 0 } = one.virtual ?? {}
      const distance = id - requesterId(one) - offset
      if (one.segment !== segment || distance < 0) return false
      return stride === 0 ? distance === 0 && total > 0 : distance % stride === 0 && distance / stride < total
    })
  }

  /** By segment. */
  bySegment(): ReadonlyMap<number, readonly TopologyFunction[]> {
    const segments = new Map<number, TopologyFunction[]>()
    for (const one of this.functions) {
      const same = segments.get(one.segment)
      if (same === undefined) segments.set(one.segment, [one])
      else same.push(one)
    }
    return segments
  }

  /** The bridge above a function's bus: null on a root bus, undefined where nobody says. */
  bridgeAbove({ segment, bus }: TopologyFunction): TopologyFunction | null | undefined {
    const above = this.#bridges.get(`${segment}:${bus}`)
    if (above !== undefined) return above
    return this.#hasAllBuses || bus === 0 ? null : undefined
  }

  /** Whether a bus is behind no bridge; undefined where nobody says. */
  isRootBus(segment: number, bus: number): boolean | undefined {
    if (this.#bridges.has(`${segment}:${bus}`)) return false
    return this.#hasAllBuses || bus === 0 ? true : undefined
  }

  /** Follows a path of devices and functions from a bus. */
  follow(
    segment: number,
    startBus: number,
    path: readonly { readonly device: number; readonly function: number }[],
  ): PathEnd {
    let bus = startBus
    for (const [step, { device, function: fn }] of path.entries()) {
      const found = this.at(segment, bus, device, fn)
      if (found === undefined) return { kind: 'nothing', step, address: functionName(segment, bus, device, fn) }
      if (step === path.length - 1) return { kind: 'function', at: found }
      if (found.secondaryBus === null) {
        if (found.headerType === null || found.headerType === 1) return { kind: 'unknown' }
        return { kind: 'nothing', step, address: `below ${nameOf(found)}, which is no bridge` }
      }
      bus = found.secondaryBus
    }
    return { kind: 'unknown' }
  }
}
