import type { Access } from '@dmascope/memory'
import { type Fault, NO_PASID, type RequesterId, type Translation, type Translator } from './translator.ts'

/**
 * Sets of two lines, at first and at most. A line stands for 4 KiB, or for 2 MiB of a page that is at least as large;
 * the newer of a set comes first. With 128 sets, an eighth of the hits on 32 random pages were on the older line, each a
 * mispredicted branch; so many sets make all such hits 6 % quicker.
 */
const FIRST_SETS = 8
const MOST_SETS = 512
const STRIDE = 8
const SET_STRIDE = 2 * STRIDE
/** KEY_LO has the rights in bits 1:0; the next two tell the sizes, and both from an empty line. */
const SMALL = 4
const LARGE = 8
const KEY_LO = 0
const KEY_HI = 1
const OUT_LO = 2
const OUT_HI = 3
/** 1: the answer bypasses. */
const BYPASS = 4
const TAG = 5
const EPOCH = 6
const LOG2_SIZE = 7
/** From this size on a translation is kept apart: it is no translation, and holds for the port's whole space. */
const WHOLE_LOG2_SIZE = 39

/** As many as a port has at first, and all empty: before its first miss a port needs none of its own. */
const NO_LINES = new Int32Array(FIRST_SETS * SET_STRIDE + STRIDE)

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
  #lines = NO_LINES
  #mask = FIRST_SETS - 1
  #missesUntilGrowth = 4 * FIRST_SETS
  /** The line that holds the last answer, and what to add to its page. */
  #line = FIRST_SETS * SET_STRIDE
  #inner = 0
  #anyLarge = false
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
    return this.#lines[this.#line + BYPASS] === 1 ? 'bypass' : 'translated'
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

  /**
   * Translates one address for an access within its page. Its halves may be signed or unsigned. 0, or the translator's
   * fault.
   */
  lookup(hi: number, lo: number, access: Access): Fault {
    const lines = this.#lines
    const page = lo >>> 12
    const line = ((page ^ (page >>> 8) ^ hi) & this.#mask) * SET_STRIDE
    const wanted = SMALL | access
    if (
      (lines[line + KEY_LO]! & (-4096 | wanted)) === ((lo & -4096) | wanted) &&
      lines[line + KEY_HI] === (hi | 0) &&
      (this.#epochs[lines[line + TAG]!]! | 0) === lines[line + EPOCH]
    ) {
      this.#inner = lo & 4095
      this.#line = line
      return 0
    }
    return this.#lookupElsewhere(hi | 0, lo | 0, access, line)
  }

  /**
   * What is not the newer line of a page's set: the copy for the whole space, the older line, both lines of a large
   * page; else the translator is asked. Halves are signed here, which costs no boxing.
   */
  #lookupElsewhere(hi: number, lo: number, access: Access, first: number): Fault {
    if (hi >>> 0 <= this.#wholeHighest && this.#epochs[this.#wholeTag] === this.#wholeEpoch) {
      const lines = this.#lines
      const line = lines.length - STRIDE
      lines[line + OUT_LO] = lo
      lines[line + OUT_HI] = hi
      lines[line + BYPASS] = 1
      lines[line + LOG2_SIZE] = this.#wholeLog2Size
      this.#inner = 0
      this.#line = line
      return 0
    }
    if (this.#take(first + STRIDE, hi, lo, SMALL | access, 4095)) return 0
    if (this.#anyLarge) {
      const page = lo >>> 21
      const line = ((page ^ (page >>> 8) ^ hi) & this.#mask) * SET_STRIDE
      if (this.#take(line, hi, lo, LARGE | access, 0x1f_ffff)) return 0
      if (this.#take(line + STRIDE, hi, lo, LARGE | access, 0x1f_ffff)) return 0
    }
    return this.#miss(hi >>> 0, lo >>> 0, access)
  }

  /** Makes a line the answer if it holds the page and is good for the access. */
  #take(line: number, hi: number, lo: number, wanted: number, inner: number): boolean {
    const lines = this.#lines
    if (
      (lines[line + KEY_LO]! & (~inner | wanted)) !== ((lo & ~inner) | wanted) ||
      lines[line + KEY_HI] !== hi ||
      (this.#epochs[lines[line + TAG]!]! | 0) !== lines[line + EPOCH]
    ) {
      return false
    }
    this.#inner = lo & inner
    this.#line = line
    return true
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
    if (kept && --this.#missesUntilGrowth <= 0 && this.#mask < MOST_SETS - 1) this.#grow()
    const large = kept && out.log2Size >= 21
    if (large) this.#anyLarge = true
    const page = lo >>> (large ? 21 : 12)
    const inner = large ? 0x1f_ffff : 4095
    if (this.#lines === NO_LINES) this.#lines = new Int32Array(NO_LINES.length)
    const lines = this.#lines
    const line = kept ? ((page ^ (page >>> 8) ^ hi) & this.#mask) * SET_STRIDE : lines.length - STRIDE
    // What stood there becomes the older one. Word by word: a loop takes thrice the time. BYPASS is 0 in both.
    if (kept) {
      const older = line + STRIDE
      lines[older + KEY_LO] = lines[line + KEY_LO]!
      lines[older + KEY_HI] = lines[line + KEY_HI]!
      lines[older + OUT_LO] = lines[line + OUT_LO]!
      lines[older + OUT_HI] = lines[line + OUT_HI]!
      lines[older + TAG] = lines[line + TAG]!
      lines[older + EPOCH] = lines[line + EPOCH]!
      lines[older + LOG2_SIZE] = lines[line + LOG2_SIZE]!
    }
    lines[line + KEY_LO] = (lo & ~inner) | (large ? LARGE : SMALL) | out.rights
    lines[line + KEY_HI] = hi
    lines[line + OUT_LO] = out.lo & ~inner
    lines[line + OUT_HI] = out.hi
    lines[line + BYPASS] = out.route === 'bypass' ? 1 : 0
    lines[line + TAG] = out.tag
    lines[line + EPOCH] = kept ? this.#epochs[out.tag]! : 0
    lines[line + LOG2_SIZE] = out.log2Size
    this.#line = line
    this.#inner = out.lo & inner
    return 0
  }

  /**
   * All the lines at once, and all empty: what is in use comes back soon. Many sets keep the older lines seldom used,
   * which cost a call.
   */
  #grow(): void {
    this.#mask = MOST_SETS - 1
    this.#lines = new Int32Array(MOST_SETS * SET_STRIDE + STRIDE)
  }
}
