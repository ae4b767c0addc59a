import { type MappingBudget, MappingTable } from './mapping-table.ts'

/** Endpoint IDs are requester IDs: a bus's number, and on it a function's, of as many. */
const BUSES = 0x100
const BUS_SHIFT = 8
const ON_BUS = 0xff
/** What is known of an endpoint; from IN_DOMAIN on, the number of its domain's slot. */
const UNKNOWN = 0
const NO_DOMAIN = 1
const IN_DOMAIN = 2
/** The states of all buses of which no endpoint was named; nobody writes to it. */
const ALL_UNKNOWN = new Uint32Array(ON_BUS + 1)
/** Tag 0 is for what passes without a domain; domains share the others. */
const TAGS = 256
const NO_DOMAIN_TAG = 0

/** An address space: endpoints that are in it, and its mappings. */
export interface Domain {
  readonly id: number
  readonly bypass: boolean
  readonly tag: number
  readonly mappings: MappingTable
  endpoints: number
}

/** Which endpoint is in which domain. A domain lives for as long as it has an endpoint. */
export class Domains {
  /** [tag]: changed when a copy of a translation, or of a decision to let pass, may be wrong. */
  readonly epochs = new Uint32Array(TAGS)
  /** By bus, of each endpoint there. */
  readonly #states: Uint32Array[] = new Array(BUSES).fill(ALL_UNKNOWN)
  readonly #slots: (Domain | undefined)[] = []
  readonly #freeSlots: number[] = []
  readonly #byId = new Map<number, number>()
  readonly #budget: MappingBudget

  constructor(maxMappings: number) {
    this.#budget = { left: maxMappings }
  }

  #stateOf(endpoint: number): number {
    return this.#states[endpoint >>> BUS_SHIFT]![endpoint & ON_BUS]!
  }

  #setState(endpoint: number, state: number): void {
    const bus = endpoint >>> BUS_SHIFT
    if (this.#states[bus] === ALL_UNKNOWN) this.#states[bus] = new Uint32Array(ON_BUS + 1)
    this.#states[bus]![endpoint & ON_BUS] = state
  }

  /** Domains that exist. */
  get count(): number {
    return this.#byId.size
  }

  /** Mappings that all domains may still add. */
  get mappingsLeft(): number {
    return this.#budget.left
  }

  find(id: number): Domain | undefined {
    const slot = this.#byId.get(id)
    return slot === undefined ? undefined : this.#slots[slot]
  }

  /** The endpoint's domain; undefined where it is in none. `endpoint` has 16 bits. */
  of(endpoint: number): Domain | undefined {
    const state = this.#stateOf(endpoint)
    return state < IN_DOMAIN ? undefined : this.#slots[state - IN_DOMAIN]
  }

  /** Whether a request has named the endpoint since the last reset. */
  isKnown(endpoint: number): boolean {
    return this.#stateOf(endpoint) !== UNKNOWN
  }

  learn(endpoint: number): void {
    if (this.#stateOf(endpoint) === UNKNOWN) this.#setState(endpoint, NO_DOMAIN)
  }

  /** Puts an endpoint that is in no domain into one, which may be new. */
  attach(endpoint: number, id: number, bypass: boolean): void {
    let slot = this.#byId.get(id)
    if (slot === undefined) {
      slot = this.#freeSlots.pop() ?? this.#slots.length
      const tag = 1 + (slot % (TAGS - 1))
      this.#slots[slot] = { id, bypass, tag, mappings: new MappingTable(this.#budget), endpoints: 0 }
      this.#byId.set(id, slot)
    }
    this.#slots[slot]!.endpoints++
    this.#setState(endpoint, IN_DOMAIN + slot)
    this.forgetUnattached()
  }

  /** Takes an endpoint out of its domain, which ends with its last one. */
  detach(endpoint: number): void {
    const state = this.#stateOf(endpoint)
    if (state < IN_DOMAIN) return
    const slot = state - IN_DOMAIN
    const domain = this.#slots[slot]!
    this.#setState(endpoint, NO_DOMAIN)
    this.forget(domain)
    if (--domain.endpoints > 0) return
    domain.mappings.clear()
    this.#byId.delete(domain.id)
    this.#slots[slot] = undefined
    this.#freeSlots.push(slot)
  }

  /** Copies of the domain's translations are good no more. */
  forget({ tag }: Domain): void {
    this.epochs[tag]!++
  }

  /** Copies of the decision about endpoints in no domain are good no more. */
  forgetUnattached(): void {
    this.epochs[NO_DOMAIN_TAG]!++
  }

  /** A device reset: no endpoint is known, no domain exists. */
  clear(): void {
    for (const slot of this.#byId.values()) this.#slots[slot]!.mappings.clear()
    for (let tag = 0; tag < TAGS; tag++) this.epochs[tag]!++
    this.#states.fill(ALL_UNKNOWN)
    this.#slots.length = 0
    this.#freeSlots.length = 0
    this.#byId.clear()
  }
}

/** Of decisions about endpoints in no domain. */
export const UNATTACHED_TAG = NO_DOMAIN_TAG
