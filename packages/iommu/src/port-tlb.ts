import type { Access } from '@dmascope/memory'
import { type Fault, NO_PASID, type RequesterId, type Translation, type Translator } from './translator.ts'

/** Lines at first and at most; each stands for 4 KiB of a larger page too. */
const FIRST_LINES = 16
const MOST_LINES = 256
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
 * while its epoch stands, so that a hit costs no call. After a `lookup` that answered 0, `hi`, `lo`, `log2Size` and
 * `route` tell where the address leads, until the next lookup.
 *
 * It serves requests without PASID. Messages, which are writes to the interrupt range, are no concern of it: the port
 * tells them apart first.
 */
export class PortTlb {
  readonly #translator: Translator
  readonly #epochs: Uint32Array
  readonly #translation: Translation = { hi: 0, lo: 0, log2Size: 12, rights: 0, tag: 0, route: 'bypass' }
  readonly #askRequester: (() => RequesterId) | null
  #requester: RequesterId
  /** Lines of copies, and one more for an answer of which there is none. Few at first: most ports need but a few. */
  #lines = new Int32Array((FIRST_LINES + 1) * STRIDE)
  #mask = FIRST_LINES - 1
  #missesUntilGrowth = 2 * FIRST_LINES
  /** The line that holds the last answer, and what to add to its page. */
  #line = FIRST_LINES * STRIDE
  #inner = 0
  #bypassed = false
  #wholeTag = 0
  #wholeEpoch = 0
  /** The whole-space copy answers addresses whose upper half is at most this; -1: there is no such copy. */
  #wholeHighest = -1
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

  /** Upper half of the output address of the byte asked for, unsigned. */
  get hi(): number {
    return this.#lines[this.#line + OUT_HI]! >>> 0
  }

  /** Lower half, unsigned. */
  get lo(): number {
    return (this.#lines[this.#line + OUT_LO]! | this.#inner) >>> 0
  }

  /** The answer holds for the aligned 2^log2Size bytes around the address; 64 for all of the address space. */
  get log2Size(): number {
    return this.#lines[this.#line + LOG2_SIZE]!
  }

  get route(): 'bypass' | 'translated' {
    return this.#bypassed ? 'bypass' : 'translated'
  }

  /**
   * For those who hold on to the last answer: it is good while `epochOf(tag)` stays what it is. Negative for an answer
   * that holds for this once.
   */
  get tag(): number {
    return this.#lines[this.#line + TAG]!
  }

  epochOf(tag: number): number {
    return this.#epochs[tag]!
  }

  /** Bytes from the address of the last lookup to the end of what its answer holds for. At most 2^52. */
  get span(): number {
    const { log2Size } = this
    if (log2Size >= 52) return 2 ** 52
    const size = 2 ** log2Size
    return size - ((this.hi * 0x1_0000_0000 + this.lo) % size)
  }

  /** Drops all copies. */
  clear(): void {
    this.#wholeHighest = -1
    this.#lines.fill(0)
  }

  /** Translates one address for an access within its page. 0, or the translator's fault. */
  lookup(hi: number, lo: number, access: Access): Fault {
    const lines = this.#lines
    if (hi <= this.#wholeHighest && this.#epochs[this.#wholeTag] === this.#wholeEpoch) {
      this.#bypassed = true
      this.#inner = 0
      this.#line = lines.length - STRIDE
      lines[this.#line + OUT_LO] = lo
      lines[this.#line + OUT_HI] = hi
      lines[this.#line + LOG2_SIZE] = this.#wholeLog2Size
      lines[this.#line + TAG] = this.#wholeTag
      return 0
    }
    const page = lo >>> 12
    const line = ((page ^ (page >>> 8) ^ hi) & this.#mask) * STRIDE
    if (
      lines[line + KEY_LO] === ((lo & -4096) | 1) &&
      lines[line + KEY_HI] === (hi | 0) &&
      (lines[line + RIGHTS]! & access) === access &&
      (this.#epochs[lines[line + TAG]!]! | 0) === lines[line + EPOCH]
    ) {
      this.#bypassed = false
      this.#inner = lo & 4095
      this.#line = line
      return 0
    }
    return this.#miss(hi, lo, access)
  }

  #miss(hi: number, lo: number, access: Access): Fault {
    if (this.#askRequester !== null) this.requester = this.#askRequester()
    const out = this.#translation
    const fault = this.#translator.translate(this.#requester, NO_PASID, 'untranslated', hi, lo, access, out)
    if (fault !== 0) return fault
    if (out.tag >= 0 && out.route === 'bypass' && out.rights === 3 && out.log2Size >= WHOLE_LOG2_SIZE) {
      this.#wholeTag = out.tag
      this.#wholeEpoch = this.#epochs[out.tag]!
      this.#wholeHighest = out.log2Size >= 64 ? 0xffff_ffff : 2 ** (out.log2Size - 32) - 1
      this.#wholeLog2Size = out.log2Size
    }
    const kept = out.tag >= 0 && out.route === 'translated' && out.log2Size >= 12
    if (kept && --this.#missesUntilGrowth <= 0 && this.#mask < MOST_LINES - 1) this.#grow()
    const page = lo >>> 12
    const line = kept ? ((page ^ (page >>> 8) ^ hi) & this.#mask) * STRIDE : this.#lines.length - STRIDE
    const lines = this.#lines
    // Bit 0 tells a key from an empty line.
    lines[line + KEY_LO] = (lo & -4096) | 1
    lines[line + KEY_HI] = hi
    lines[line + OUT_LO] = out.lo & -4096
    lines[line + OUT_HI] = out.hi
    lines[line + RIGHTS] = out.rights
    lines[line + TAG] = out.tag
    lines[line + EPOCH] = kept ? this.#epochs[out.tag]! : 0
    lines[line + LOG2_SIZE] = out.log2Size
    this.#line = line
    this.#inner = out.lo & 4095
    this.#bypassed = out.route === 'bypass'
    return 0
  }

  /** More lines, all empty: what is in use comes back soon. */
  #grow(): void {
    const count = (this.#mask + 1) * 4
    this.#mask = count - 1
    this.#missesUntilGrowth = 2 * count
    this.#lines = new Int32Array((count + 1) * STRIDE)
  }
}
