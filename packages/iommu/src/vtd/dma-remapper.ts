import type { Access, GuestRam } from '@dmascope/memory'
import { type Fault, type RequesterId, type Translation, UNSUPPORTED_REQUEST } from '../translator.ts'
import { ContextCache, DOMAIN, FAULTS_DISABLED, LEVELS, REASON, TABLE, TYPE } from './context-cache.ts'
import type { FaultRecorder } from './fault-recorder.ts'
import {
  Iotlb,
  META,
  META_CHECK_OUTPUT,
  META_LOG2,
  META_LOG2_SHIFT,
  META_REASON,
  META_REASON_SHIFT,
  META_RIGHTS,
  OUT_HI,
  OUT_LO,
  SECOND_STAGE_SPACE,
} from './iotlb.ts'
import type { VtdFeatures } from './options.ts'
import { SecondStageWalk } from './second-stage-walk.ts'
import { FAULT_REASONS } from './spec/faults.ts'
import { INTERRUPT_RANGE_FIRST } from './spec/interrupts.ts'
import { CONTEXT_GRANULARITY, IOTLB_GRANULARITY } from './spec/registers.ts'
import { TRANSLATION_TYPE } from './spec/tables.ts'

const INTERRUPT_RANGE = INTERRUPT_RANGE_FIRST | 0
const INTERRUPT_RANGE_MASK = 0xfff0_0000 | 0
const LEVEL_MASK = 0xf
/** No table translates more than 57 bits, nor does the IOTLB tell more apart: these are of the upper half. */
const WIDEST_HI = 25
const PASS_THROUGH = TRANSLATION_TYPE.passThrough
const DEVICE_TLB = TRANSLATION_TYPE.deviceTlb
const BEYOND_WIDTH = FAULT_REASONS.beyondWidth.value
const OUTPUT_IN_RANGE = FAULT_REASONS.outputInInterruptRange.value
const BLOCKED = FAULT_REASONS.requestBlocked.value
const NOT_WRITABLE = FAULT_REASONS.notWritable.value
const NOT_READABLE = FAULT_REASONS.notReadable.value

/** Whether a page below 4 GiB, of 2^log2Size bytes around this address, overlaps the interrupt range. */
const isOutputInRange = (lo: number, log2Size: number): boolean =>
  ((lo ^ INTERRUPT_RANGE) & INTERRUPT_RANGE_MASK & (-1 << log2Size)) === 0

/**
 * DMA remapping while GSTS.TES is set: contexts, the IOTLB, the walk and their faults.
 *
 * Addresses come in as two 32-bit halves of either sign, since an unsigned one above 2^31 costs an allocation in a call
 * that is not inlined; what goes out is unsigned.
 */
export class DmaRemapper {
  readonly iotlb: Iotlb
  readonly contexts: ContextCache
  readonly secondStage: SecondStageWalk
  readonly #faults: FaultRecorder
  readonly #cachingMode: boolean
  readonly #caches: boolean
  readonly #addressWidth: number
  /** The epoch of what no IOTLB entry stands for: pass-through, and the unit with translation off. */
  readonly #wholeTag: number

  constructor(ram: GuestRam, features: VtdFeatures, faults: FaultRecorder) {
    this.iotlb = new Iotlb(features.iotlbEntries)
    this.contexts = new ContextCache(ram, features)
    this.secondStage = new SecondStageWalk(ram, features)
    this.#faults = faults
    this.#cachingMode = features.cachingMode
    this.#caches = features.iotlbEntries !== 0
    this.#addressWidth = features.addressWidth
    this.#wholeTag = features.iotlbEntries
  }

  /** Translation is off: the request goes through as it is. */
  bypass(hi: number, lo: number, out: Translation): Fault {
    out.hi = hi
    out.lo = lo
    out.log2Size = 64
    out.rights = 3
    out.tag = this.#wholeTag
    out.route = 'bypass'
    return 0
  }

  /** An untranslated request. */
  translate(requester: RequesterId, hi: number, lo: number, access: Access, out: Translation): Fault {
    if (hi === 0 && (lo & INTERRUPT_RANGE_MASK) === INTERRUPT_RANGE)
      return this.#interruptRange(requester, lo, access, out)
    const line = this.contexts.find(requester)
    const context = this.contexts.words
    const levels = context[line + LEVELS]!
    if (context[line + REASON] !== 0) return this.#deny(requester, hi, lo, access, context[line + REASON]!, levels)
    if (context[line + TYPE] === PASS_THROUGH) {
      return this.#passThrough(requester, hi, lo, access, levels, out)
    }
    const at = this.#caches && hi >>> WIDEST_HI === 0 ? this.iotlb.find(context[line + DOMAIN]!, hi, lo) : -1
    if (at >= 0) {
      const words = this.iotlb.words
      const meta = words[at + META]!
      if ((meta & META_RIGHTS & access) !== access) return this.#denyCached(requester, hi, lo, access, meta, levels)
      const log2Size = (meta >>> META_LOG2_SHIFT) & META_LOG2
      const inner = (1 << log2Size) - 1
      out.hi = words[at + OUT_HI]!
      out.lo = (words[at + OUT_LO]! | (lo & inner)) >>> 0
      out.log2Size = log2Size
      out.rights = meta & META_RIGHTS
      out.tag = at >>> 3
      out.route = 'translated'
      return (meta & META_CHECK_OUTPUT) === 0 ? 0 : this.#checkOutput(requester, hi, lo, access, levels, out)
    }
    // The rest stands here, and not in a method of its own, for a call's worth of time.
    const depth = levels & LEVEL_MASK
    if (hi >>> (depth * 9 - 20) !== 0) return this.#deny(requester, hi, lo, access, BEYOND_WIDTH, levels)
    const reason = this.secondStage.walk(context[line + TABLE]!, depth, context[line + DOMAIN]!, hi, lo, access, out)
    if (reason !== 0) {
      // What is not present or faulty is cached in caching mode only (§6.1).
      const meta = reason << META_REASON_SHIFT
      if (this.#cachingMode) this.iotlb.insert(context[line + DOMAIN]!, SECOND_STAGE_SPACE, hi, lo, 0, 0, 12, meta)
      return this.#deny(requester, hi, lo, access, reason, levels)
    }
    const overlaps = out.hi === 0 && isOutputInRange(out.lo, out.log2Size)
    out.tag = -1
    out.route = 'translated'
    if (this.#caches) {
      const meta = out.rights | (overlaps ? META_CHECK_OUTPUT : 0)
      const { log2Size } = out
      const page = out.lo & (-1 << log2Size)
      const space = SECOND_STAGE_SPACE
      out.tag = this.iotlb.insert(context[line + DOMAIN]!, space, hi, lo, out.hi, page, log2Size, meta) >> 3
    }
    return overlaps ? this.#checkOutput(requester, hi, lo, access, levels, out) : 0
  }

  /** A large page may hold the interrupt range: only what ends up in it is refused, and no port keeps such a page. */
  #checkOutput(
    requester: RequesterId,
    hi: number,
    lo: number,
    access: number,
    levels: number,
    out: Translation,
  ): Fault {
    out.tag = -1
    if ((out.lo & INTERRUPT_RANGE_MASK) !== INTERRUPT_RANGE) return 0
    return this.#deny(requester, hi, lo, access, OUTPUT_IN_RANGE, levels)
  }

  #passThrough(
    requester: RequesterId,
    hi: number,
    lo: number,
    access: number,
    levels: number,
    out: Translation,
  ): Fault {
    if (hi >>> (this.#addressWidth - 32) !== 0) return this.#deny(requester, hi, lo, access, BEYOND_WIDTH, levels)
    out.hi = hi >>> 0
    out.lo = lo >>> 0
    out.log2Size = this.#addressWidth
    out.rights = 3
    out.tag = this.#wholeTag
    out.route = 'bypass'
    return 0
  }

  /** Writes to the interrupt range are messages and stay as they are; reads are Unsupported Requests (§3.15). */
  #interruptRange(requester: RequesterId, lo: number, access: number, out: Translation): Fault {
    if (access !== 2) {
      const text = 'read from the interrupt range'
      return this.#faults.reportUnrecorded(requester, 'read', 0, lo, UNSUPPORTED_REQUEST, text)
    }
    out.hi = 0
    out.lo = lo >>> 0
    out.log2Size = 12
    out.rights = 2
    out.tag = -1
    out.route = 'bypass'
    return 0
  }

  /** A request whose address the device has translated: trusted only where the context entry says so (§4.2). */
  translated(requester: RequesterId, hi: number, lo: number, access: Access, out: Translation): Fault {
    const line = this.contexts.find(requester)
    const context = this.contexts.words
    const levels = context[line + LEVELS]!
    if (context[line + REASON] !== 0) return this.#deny(requester, hi, lo, access, context[line + REASON]!, levels)
    if (context[line + TYPE] !== DEVICE_TLB) {
      return this.#deny(requester, hi, lo, access, BLOCKED, levels)
    }
    return this.#passThrough(requester, hi, lo, access, levels, out)
  }

  /**
   * A device asks for a translation to keep. A page that grants nothing is no fault: the answer has no rights. The
   * device is told of invalidations by device-TLB invalidation requests.
   */
  translationRequest(requester: RequesterId, hi: number, lo: number, access: Access, out: Translation): Fault {
    if (hi === 0 && (lo & INTERRUPT_RANGE_MASK) === INTERRUPT_RANGE) return this.#interruptRange(requester, lo, 2, out)
    const line = this.contexts.find(requester)
    const context = this.contexts.words
    const levels = context[line + LEVELS]!
    if (context[line + REASON] !== 0) return this.#deny(requester, hi, lo, access, context[line + REASON]!, levels)
    if (context[line + TYPE] !== DEVICE_TLB) {
      return this.#deny(requester, hi, lo, access, BLOCKED, levels)
    }
    const depth = levels & LEVEL_MASK
    if (hi >>> (depth * 9 - 20) !== 0) return this.#deny(requester, hi, lo, access, BEYOND_WIDTH, levels)
    const reason = this.secondStage.walk(context[line + TABLE]!, depth, context[line + DOMAIN]!, hi, lo, 0, out)
    if (reason !== 0 && reason !== NOT_READABLE) return this.#deny(requester, hi, lo, access, reason, levels)
    if (reason !== 0) {
      out.hi = hi >>> 0
      out.lo = lo >>> 0
      out.log2Size = 12
      out.rights = 0
    }
    out.tag = -1
    out.route = 'translated'
    if (out.rights === 0 || out.hi !== 0 || (out.lo & INTERRUPT_RANGE_MASK) !== INTERRUPT_RANGE) return 0
    return this.#deny(requester, hi, lo, access, OUTPUT_IN_RANGE, levels)
  }

  /** An entry of the IOTLB that does not grant the access, or that holds a fault. */
  #denyCached(requester: RequesterId, hi: number, lo: number, access: number, meta: number, levels: number): Fault {
    const kept = (meta >>> META_REASON_SHIFT) & META_REASON
    const permission = kept === 0 || kept === NOT_READABLE || kept === NOT_WRITABLE
    const missing = access & ~meta & META_RIGHTS
    const reason = permission ? ((missing & 2) !== 0 ? NOT_WRITABLE : NOT_READABLE) : kept
    return this.#deny(requester, hi, lo, access, reason, levels)
  }

  #deny(requester: RequesterId, hi: number, lo: number, access: number, reason: number, levels: number): Fault {
    const kind = (access & 2) !== 0 ? 'write' : 'read'
    return this.#faults.report(requester, kind, hi, lo, reason, (levels & FAULTS_DISABLED) !== 0)
  }

  /** Answers false for a reserved granularity. */
  invalidateContexts(granularity: number, domain: number, requester: RequesterId, functionMask: number): boolean {
    if (granularity === CONTEXT_GRANULARITY.global) this.contexts.invalidateAll()
    else if (granularity === CONTEXT_GRANULARITY.domain) this.contexts.invalidateDomain(domain)
    else if (granularity === CONTEXT_GRANULARITY.device) {
      this.contexts.invalidateDevice(domain, requester, functionMask)
    } else return false
    this.iotlb.endCopies()
    return true
  }

  /**
   * IOTLB and paging-structure cache. Answers false for a reserved granularity.
   *
   * @param leafOnly - IH of a page-selective request: the upper tables did not change
   */
  invalidateIotlb(
    granularity: number,
    domain: number,
    hi: number,
    lo: number,
    log2Pages: number,
    leafOnly: boolean,
  ): boolean {
    if (granularity === IOTLB_GRANULARITY.global) {
      this.iotlb.invalidateAll()
      this.secondStage.invalidateAll()
    } else if (granularity === IOTLB_GRANULARITY.domain) {
      this.iotlb.invalidateDomain(domain)
      this.secondStage.invalidateDomain(domain)
    } else if (granularity === IOTLB_GRANULARITY.page) {
      this.iotlb.invalidatePages(domain, SECOND_STAGE_SPACE, hi, lo, log2Pages)
      // First-stage mappings of the domain go whatever their address is (§6.5.2.3).
      this.iotlb.invalidateSpaces(domain)
      if (!leafOnly) this.secondStage.invalidateDomain(domain)
    } else return false
    return true
  }

  /** Everything that was cached, and every copy of it, ends. */
  drop(): void {
    this.contexts.invalidateAll()
    this.iotlb.invalidateAll()
    this.iotlb.endCopies()
    this.secondStage.invalidateAll()
  }
}
