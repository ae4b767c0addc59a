import type { Access, GuestRam } from '@dmascope/memory'
import { passMessage } from '../pass-message.ts'
import { SeenFaults } from '../seen-faults.ts'
import type { Fault, Msi, RequesterId, Translation, Translator } from '../translator.ts'
import { UNSUPPORTED_REQUEST } from '../translator.ts'
import { faultText, IODA_FAULTS } from './faults.ts'
import { completeFeatures, type IodaFeatures, type IodaOptions, type SeenFault } from './options.ts'
import { SECOND_WINDOW_HI } from './spec/tve.ts'
import { walkTces } from './tce-walk.ts'

/** Copies share these, by page and endpoint: one that is killed ends copies of a few others too. */
const EPOCHS = 4096
const REQUESTERS = 0x1_0000
/** An untranslated window begins and ends at a multiple of this. */
const GRANULE_LOG2 = 24
/** Real addresses have 50 bits: what is above them in a bus address is dropped. */
const REAL_HI = 0x3_ffff

const BYPASS: Translation['route'] = 'bypass'

class Faults extends SeenFaults<SeenFault> {
  tell(
    requester: RequesterId,
    endpoint: number,
    hi: number,
    lo: number,
    access: Access,
    reason: number,
    text: string,
  ): void {
    if (!this.countFault()) return
    const kind = (access & 2) !== 0 ? 'write' : 'read'
    this.tellFault({ requester, endpoint, access: kind, hi: hi >>> 0, lo: lo >>> 0, reason, text })
  }
}

/**
 * The I/O device architecture of one PCI host bridge of a POWER machine, version 2 and 3: requester IDs belong to
 * partitionable endpoints, and each endpoint has two windows, chosen by bit 59 of the address, that TCE tables in memory
 * translate or that let addresses through. Software writes the tables, and kills what the bridge keeps of them.
 *
 * DEVIATION: a frozen endpoint's DMA is refused; its registers still answer, where the hardware would answer all ones.
 */
export class IodaUnit implements Translator {
  readonly features: IodaFeatures
  readonly epochs = new Uint32Array(EPOCHS)
  readonly #ram: GuestRam
  readonly #faults: Faults
  /** The requester translation table: endpoints by requester ID. */
  readonly #rtt = new Uint16Array(REQUESTERS)
  /** The translation validation table: two entries an endpoint, each an upper and a lower word. */
  readonly #tvt: Uint32Array
  readonly #frozen: Uint8Array

  constructor(options: IodaOptions) {
    this.features = completeFeatures(options)
    this.#ram = options.ram
    this.#faults = new Faults(options.onFault)
    this.#tvt = new Uint32Array(this.features.endpoints * 4)
    this.#frozen = new Uint8Array(this.features.endpoints)
    this.reset()
  }

  /** The first faults since reset, in order; at most 1024. */
  get faultsSeen(): readonly SeenFault[] {
    return this.#faults.seen
  }

  /** All faults since reset. */
  get faultCount(): number {
    return this.#faults.count
  }

  /** The endpoint of requesters that firmware leaves in no other: the last. */
  get reservedEndpoint(): number {
    return this.features.endpoints - 1
  }

  /** As firmware leaves it: all requesters in the reserved endpoint, no windows, nothing frozen. */
  reset(): void {
    this.#rtt.fill(this.reservedEndpoint)
    this.#tvt.fill(0)
    this.#frozen.fill(0)
    this.#faults.reset()
    this.killAll()
  }

  translate(
    requester: RequesterId,
    _pasid: number,
    kind: 'untranslated' | 'translated' | 'translation-request',
    hi: number,
    lo: number,
    access: Access,
    out: Translation,
  ): Fault {
    const endpoint = this.#rtt[requester & 0xffff]!
    if (kind !== 'untranslated') {
      const text = 'address translation services, which the bridge does not have'
      this.#faults.tell(requester, endpoint, hi, lo, access, UNSUPPORTED_REQUEST, text)
      return UNSUPPORTED_REQUEST
    }
    const reason = this.#translate(endpoint, hi >>> 0, lo >>> 0, access, out)
    if (reason !== 0) {
      this.#faults.tell(requester, endpoint, hi, lo, access, reason, faultText(reason))
      if (this.features.freezes) this.freeze(endpoint)
    }
    return reason
  }

  #translate(endpoint: number, hi: number, lo: number, access: Access, out: Translation): number {
    if (this.#frozen[endpoint] === 1) return IODA_FAULTS.frozen.value
    if (hi >>> 28 !== 0) return IODA_FAULTS.unsupportedAddress.value
    const word = endpoint * 4 + ((hi & SECOND_WINDOW_HI) === 0 ? 0 : 2)
    const tveHi = this.#tvt[word]!
    const tveLo = this.#tvt[word + 1]!
    if (((tveLo >>> 8) & 0x1f) === 0) return IODA_FAULTS.noWindow.value
    if ((tveLo & 0x1f) !== 0) {
      const fault = walkTces(this.#ram, tveHi, tveLo, hi, lo, access, out)
      if (fault !== 0) return fault
      out.tag = tagOf(endpoint, hi, lo, out.log2Size)
      return 0
    }
    const granule = ((hi & REAL_HI) << (32 - GRANULE_LOG2)) | (lo >>> GRANULE_LOG2)
    if (this.features.checksUntranslated) {
      // Bits 49:24 of both ends, of which the upper two stand apart; what is above bit 49 has to be none.
      const start = (((tveLo >>> 10) & 3) << 24) | (tveHi >>> 8)
      const end = (((tveLo >>> 8) & 3) << 24) | ((tveHi & 0xff) << 16) | (tveLo >>> 16)
      const above = (hi & ~SECOND_WINDOW_HI) >>> 18
      if (granule < start || granule >= end || above !== 0) return IODA_FAULTS.outsideWindow.value
    }
    out.hi = hi & REAL_HI
    out.lo = lo
    out.log2Size = GRANULE_LOG2
    out.rights = 3
    out.route = BYPASS
    out.tag = tagOf(endpoint, hi, lo, GRANULE_LOG2)
    return 0
  }

  /** Messages go to a window of their own, which no TCE reaches. */
  remapInterrupt(_source: RequesterId, hi: number, lo: number, data: number, out: Msi): Fault {
    return passMessage(hi, lo, data, out)
  }

  endpointOf(requester: RequesterId): number {
    return this.#rtt[requester & 0xffff]!
  }

  /** Puts a requester into an endpoint. @throws RangeError where there is none of the number */
  assign(requester: RequesterId, endpoint: number): void {
    this.#check(endpoint)
    if (this.#rtt[requester & 0xffff] === endpoint) return
    this.#rtt[requester & 0xffff] = endpoint
    this.killAll()
  }

  /** Writes an entry of the translation validation table: window 0 or 1 of an endpoint. Kills nothing. */
  setTve(endpoint: number, window: number, hi: number, lo: number): void {
    this.#check(endpoint)
    this.#tvt[endpoint * 4 + (window & 1) * 2] = hi
    this.#tvt[endpoint * 4 + (window & 1) * 2 + 1] = lo
  }

  tveOf(endpoint: number, window: number): readonly [hi: number, lo: number] {
    this.#check(endpoint)
    const word = endpoint * 4 + (window & 1) * 2
    return [this.#tvt[word]!, this.#tvt[word + 1]!]
  }

  freeze(endpoint: number): void {
    this.#check(endpoint)
    if (this.#frozen[endpoint] === 1) return
    this.#frozen[endpoint] = 1
    this.killAll()
  }

  thaw(endpoint: number): void {
    this.#check(endpoint)
    this.#frozen[endpoint] = 0
  }

  isFrozen(endpoint: number): boolean {
    return this.#frozen[endpoint] === 1
  }

  /** Forgets `count` pages of an endpoint from a bus address on. */
  killPages(endpoint: number, hi: number, lo: number, pageShift: number, count: number): void {
    if (count >= EPOCHS) {
      this.killAll()
      return
    }
    const first = tagOf(endpoint, hi >>> 0, lo >>> 0, pageShift)
    for (let page = 0; page < count; page++) {
      const tag = (first + page) & (EPOCHS - 1)
      this.epochs[tag] = this.epochs[tag]! + 1
    }
  }

  /** Forgets everything; of one endpoint alone nothing can be forgotten sooner. */
  killAll(): void {
    const epochs = this.epochs
    for (let tag = 0; tag < EPOCHS; tag++) epochs[tag] = epochs[tag]! + 1
  }

  #check(endpoint: number): void {
    if (Number.isInteger(endpoint) && endpoint >= 0 && endpoint < this.features.endpoints) return
    throw new RangeError(`the bridge has endpoints 0 to ${this.features.endpoints - 1}, got ${endpoint}`)
  }
}

/** Consecutive pages have consecutive tags. */
function tagOf(endpoint: number, hi: number, lo: number, pageShift: number): number {
  const page = pageShift < 32 ? (lo >>> pageShift) | (hi << (32 - pageShift)) : hi >>> (pageShift - 32)
  return (page + endpoint * 67) & (EPOCHS - 1)
}
