import type { Access } from '@dmascope/memory'
import { type Fault, NO_PASID, type RequesterId, type Translation, type Translator } from './translator.ts'

/** Entries of one port. Each stands for 4 KiB of a larger page too. */
const LINES = 128
const STRIDE = 8
const KEY_LO = 0
const KEY_HI = 1
const OUT_LO = 2
const OUT_HI = 3
const RIGHTS = 4
const TAG = 5
const EPOCH = 6
const LOG2_SIZE = 7
/** From this size on a translation is kept apart: it is no translation, and holds for the port's whole space. */
const WHOLE_LOG2_SIZE = 39

/**
 * One port's copies of the translations that it uses, in front of the translator that all ports share. A copy is good
 * while its epoch stands, so that a hit costs no call. `lookup` fills `hi`, `lo`, `log2Size` and `route`.
 *
 * It serves requests without PASID. Writes to the interrupt range are no concern of it: the port tells them apart
 * first.
 */
export class PortTlb {
  /** Output address of the byte asked for: unsigned halves, valid after a lookup that answered 0. */
  hi = 0
  lo = 0
  /** The answer holds for the aligned 2^log2Size bytes around the address; 64 for all of the address space. */
  log2Size = 12
  route: 'bypass' | 'translated' = 'translated'

  readonly #translator: Translator
  readonly #epochs: Uint32Array
  readonly #translation: Translation = { hi: 0, lo: 0, log2Size: 12, rights: 0, tag: 0, route: 'bypass' }
  readonly #askRequester: (() => RequesterId) | null
  #requester: RequesterId
  /** Allocated at the first translated lookup: most ports of a large machine never make one. */
  #lines: Int32Array | null = null
  #wholeTag = 0
  #wholeEpoch = 0
  /** The whole-space copy answers addresses whose upper half is at most this; -1: there is no such copy. */
  #wholeHighest = -1
  #wholeRights = 0
  #wholeLog2Size = 0

  /**
   * @param requester - the ID that the port's transactions carry; a function is asked at each miss, and a change that
   *   it tells then drops all copies. Call `clear` when the ID changes, or set `requester`.
   */
  constructor(translator: Translator, requester: RequesterId | (() => RequesterId)) {
    this.#translator = translator
    this.#epochs = translator.epochs
    this.#askRequester = typeof requester === 'function' ? requester : null
    this.#requester = typeof requester === 'function' ? requester() : requester
  }

  get requester(): RequesterId {
    return this.#requester
  }

  set requester(value: RequesterId) {
    if (value === this.#requester) return
    this.#requester = value
    this.clear()
  }

  /** Drops all copies. */
  clear(): void {
    this.#wholeHighest = -1
    this.#lines?.fill(0)
  }

  /** Bytes from the address of the last lookup to the end of what its answer holds for. At most 2^52. */
  get span(): number {
    if (this.log2Size >= 52) return 2 ** 52
    const size = 2 ** this.log2Size
    return size - (((this.hi >>> 0) * 0x1_0000_0000 + this.lo) % size)
  }

  /** Translates one address for an access within its page. 0, or the translator's fault. */
  lookup(hi: number, lo: number, access: Access): Fault {
    if (hi <= this.#wholeHighest && this.#epochs[this.#wholeTag] === this.#wholeEpoch) {
      if ((this.#wholeRights & access) === access) {
        this.hi = hi
        this.lo = lo
        this.log2Size = this.#wholeLog2Size
        this.route = 'bypass'
        return 0
      }
    } else {
      const lines = this.#lines
      if (lines !== null) {
        const line = lineOf(hi, lo)
        if (
          lines[line + KEY_LO] === (lo & -4096) + 1 &&
          lines[line + KEY_HI] === (hi | 0) &&
          (lines[line + RIGHTS]! & access) === access &&
          this.#epochs[lines[line + TAG]!]! >> 0 === lines[line + EPOCH]
        ) {
          this.hi = lines[line + OUT_HI]!
          this.lo = (lines[line + OUT_LO]! | (lo & 4095)) >>> 0
          this.log2Size = lines[line + LOG2_SIZE]!
          this.route = 'translated'
          return 0
        }
      }
    }
    return this.#miss(hi, lo, access)
  }

  /**
   * Index into the translator's epochs of the copy that answers for this address; -1 where there is none. For those who
   * hold on to an answer: it is good while that epoch stands.
   */
  tagAt(hi: number, lo: number): number {
    if (hi <= this.#wholeHighest) return this.#wholeTag
    const line = lineOf(hi, lo)
    const lines = this.#lines
    return lines !== null && lines[line + KEY_LO] === (lo & -4096) + 1 && lines[line + KEY_HI] === (hi | 0)
      ? lines[line + TAG]!
      : -1
  }

  epochOf(tag: number): number {
    return this.#epochs[tag]!
  }

  #miss(hi: number, lo: number, access: Access): Fault {
    if (this.#askRequester !== null) this.requester = this.#askRequester()
    const out = this.#translation
    const fault = this.#translator.translate(this.#requester, NO_PASID, 'untranslated', hi, lo, access, out)
    if (fault !== 0) return fault
    this.hi = out.hi
    this.lo = out.lo
    this.route = out.route
    this.log2Size = out.log2Size
    if (out.tag >= 0) this.#keep(hi, lo, out)
    return 0
  }

  #keep(hi: number, lo: number, out: Translation): void {
    if (out.log2Size >= WHOLE_LOG2_SIZE) {
      if (out.route !== 'bypass') return
      this.#wholeTag = out.tag
      this.#wholeEpoch = this.#epochs[out.tag]!
      this.#wholeHighest = out.log2Size >= 64 ? 0xffff_ffff : 2 ** (out.log2Size - 32) - 1
      this.#wholeRights = out.rights
      this.#wholeLog2Size = out.log2Size
      return
    }
    if (out.route === 'bypass' || out.log2Size < 12) return
    this.#lines ??= new Int32Array(LINES * STRIDE)
    const lines = this.#lines
    const line = lineOf(hi, lo)
    // One is added so that a line of zeros matches no address.
    lines[line + KEY_LO] = (lo & -4096) + 1
    lines[line + KEY_HI] = hi
    lines[line + OUT_LO] = out.lo & -4096
    lines[line + OUT_HI] = out.hi
    lines[line + RIGHTS] = out.rights
    lines[line + TAG] = out.tag
    lines[line + EPOCH] = this.#epochs[out.tag]!
    lines[line + LOG2_SIZE] = out.log2Size
  }
}

const lineOf = (hi: number, lo: number): number => {
  const page = lo >>> 12
  return ((page ^ (page >>> 7) ^ hi) & (LINES - 1)) * STRIDE
}
