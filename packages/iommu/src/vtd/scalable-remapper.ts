import type { Access, GuestRam } from '@dmascope/memory'
import { type Fault, NO_PASID, type RequesterId, type Translation, UNSUPPORTED_REQUEST } from '../translator.ts'
import type { FaultRecorder } from './fault-recorder.ts'
import { FirstStageWalk } from './first-stage-walk.ts'
import {
  type Iotlb,
  META,
  META_CHECK_OUTPUT,
  META_CLEAN,
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
import {
  PASID_DOMAIN,
  PASID_FPD,
  PASID_LEVELS,
  PASID_REASON,
  PASID_TABLE,
  PASID_TYPE,
  PasidCache,
} from './pasid-cache.ts'
import { answerAsIs, answerMessage, isInterruptAddress, overlapsInterruptRange } from './request-answers.ts'
import {
  CONTEXT_DTE,
  CONTEXT_FLAGS,
  CONTEXT_FPD,
  CONTEXT_PASIDE,
  CONTEXT_REASON,
  DIRECTORY,
  PASIDS,
  RID_PASID,
  ScalableContextCache,
} from './scalable-context-cache.ts'
import { SecondStageReasons } from './second-stage-reasons.ts'
import type { SecondStageWalk } from './second-stage-walk.ts'
import { SCALABLE_FAULT_REASONS } from './spec/faults.ts'
import { CONTEXT_GRANULARITY } from './spec/registers.ts'
import { PASID_CACHE_GRANULARITY } from './spec/scalable-invalidation.ts'
import { PASID_TRANSLATION_TYPE } from './spec/scalable-tables.ts'

const PASS_THROUGH = PASID_TRANSLATION_TYPE.passThrough
const FIRST_STAGE = PASID_TRANSLATION_TYPE.firstStage
const reasons = SCALABLE_FAULT_REASONS
const NOT_PRESENT = reasons.firstStageNotPresent.value

/** DMA remapping in scalable mode: contexts, PASIDs, the IOTLB, the walks of either stage, and their faults. */
export class ScalableRemapper {
  readonly contexts: ScalableContextCache
  readonly pasids: PasidCache
  readonly #iotlb: Iotlb
  readonly #firstStage: FirstStageWalk
  readonly #secondStage: SecondStageWalk
  readonly #secondStageReasons: SecondStageReasons
  readonly #faults: FaultRecorder
  readonly #features: VtdFeatures
  /** The epoch of what no IOTLB entry stands for. */
  readonly #wholeTag: number
  /** Of the request under way, for its faults: the PASID that it bears, and whether FPD keeps them unrecorded. */
  #pasid = NO_PASID
  #silent = false

  /** @param iotlb - with the walk of second-stage tables, shared with legacy mode */
  constructor(ram: GuestRam, features: VtdFeatures, faults: FaultRecorder, iotlb: Iotlb, secondStage: SecondStageWalk) {
    this.contexts = new ScalableContextCache(ram, features)
    this.pasids = new PasidCache(ram, features)
    this.#iotlb = iotlb
    this.#firstStage = new FirstStageWalk(ram, features)
    this.#secondStage = secondStage
    this.#secondStageReasons = new SecondStageReasons(features, secondStage)
    this.#faults = faults
    this.#features = features
    this.#wholeTag = features.iotlbEntries
  }

  /** An untranslated request. */
  translate(requester: RequesterId, pasid: number, hi: number, lo: number, access: Access, out: Translation): Fault {
    if (hi === 0 && isInterruptAddress(lo)) return this.#interruptRange(requester, pasid, lo, access, out)
    const context = this.#context(requester, pasid, hi, lo, access, 0)
    if (context < 0) return -context
    const line = this.#pasidLine(requester, pasid, context, hi, lo, access)
    if (line < 0) return -line
    return this.#translateIn(line, requester, hi, lo, access, out)
  }

  /** A request whose address the device has translated: trusted only where the context entry says so. */
  translated(requester: RequesterId, pasid: number, hi: number, lo: number, access: Access, out: Translation): Fault {
    const context = this.#context(requester, pasid, hi, lo, access, CONTEXT_DTE)
    return context < 0 ? -context : this.#passThrough(requester, hi, lo, access, out)
  }

  /** A device asks for a translation to keep. A page that grants nothing is no fault: the answer has no rights. */
  translationRequest(
    requester: RequesterId,
    pasid: number,
    hi: number,
    lo: number,
    access: Access,
    out: Translation,
  ): Fault {
    if (hi === 0 && isInterruptAddress(lo)) return answerMessage(lo, out)
    const context = this.#context(requester, pasid, hi, lo, access, CONTEXT_DTE)
    if (context < 0) return -context
    const line = this.#pasidLine(requester, pasid, context, hi, lo, access)
    if (line < 0) return -line
    const words = this.pasids.words
    if (words[line + PASID_TYPE] === PASS_THROUGH) return this.#passThrough(requester, hi, lo, access, out)
    const beyond = this.#rangeFault(line, hi)
    if (beyond !== 0) return this.#deny(requester, hi, lo, access, beyond)
    const reason = this.#walk(line, hi, lo, 0, (access & 2) !== 0, out)
    const nothing = reason === NOT_PRESENT || this.#secondStageReasons.isEmpty(reason)
    if (reason !== 0 && !nothing) return this.#deny(requester, hi, lo, access, reason)
    if (reason !== 0) {
      answerAsIs(hi, lo, 12, -1, out)
      out.rights = 0
    }
    out.tag = -1
    out.route = 'translated'
    if (out.rights === 0 || out.hi !== 0 || !isInterruptAddress(out.lo)) return 0
    return this.#deny(requester, hi, lo, access, reasons.outputInInterruptRange.value)
  }

  /** Offset of the requester's context, or the negated fault that it is denied with. */
  #context(requester: RequesterId, pasid: number, hi: number, lo: number, access: number, needs: number): number {
    const context = this.contexts.find(requester)
    const words = this.contexts.words
    const flags = words[context + CONTEXT_FLAGS]!
    this.#pasid = pasid
    this.#silent = (flags & CONTEXT_FPD) !== 0
    let reason = words[context + CONTEXT_REASON]!
    if (reason !== 0) reason = this.#secondStageReasons.ofTables(reason)
    else if ((flags & needs) !== needs) reason = reasons.deviceTlbDisabled.value
    else if (pasid !== NO_PASID && (flags & CONTEXT_PASIDE) === 0) reason = reasons.pasidDisabled.value
    return reason === 0 ? context : -this.#deny(requester, hi, lo, access, reason)
  }

  /** Offset of the line of the request's PASID, or the negated fault that it is denied with. */
  #pasidLine(requester: RequesterId, pasid: number, context: number, hi: number, lo: number, access: number): number {
    const contexts = this.contexts.words
    const effective = pasid === NO_PASID ? contexts[context + RID_PASID]! : pasid
    if (effective >= contexts[context + PASIDS]!) {
      const reason = pasid === NO_PASID ? reasons.ridPasidInvalid : reasons.pasidBeyond
      return -this.#deny(requester, hi, lo, access, reason.value)
    }
    const line = this.pasids.find(requester, effective, contexts[context + DIRECTORY]!)
    if (this.pasids.words[line + PASID_FPD] !== 0) this.#silent = true
    const reason = this.pasids.words[line + PASID_REASON]!
    return reason === 0 ? line : -this.#deny(requester, hi, lo, access, reason)
  }

  #translateIn(line: number, requester: RequesterId, hi: number, lo: number, access: Access, out: Translation): Fault {
    const words = this.pasids.words
    const type = words[line + PASID_TYPE]!
    if (type === PASS_THROUGH) return this.#passThrough(requester, hi, lo, access, out)
    const beyond = this.#rangeFault(line, hi)
    if (beyond !== 0) return this.#deny(requester, hi, lo, access, beyond)
    const iotlb = this.#iotlb
    const domain = words[line + PASID_DOMAIN]!
    const space = this.#spaceOf(line)
    // Addresses are canonical, so that 57 bits tell them apart.
    const key = hi & 0x1ff_ffff
    const at = this.#features.iotlbEntries !== 0 ? iotlb.findIn(domain, space, key, lo) : -1
    if (at >= 0) {
      const meta = iotlb.words[at + META]!
      if ((meta & META_RIGHTS & access) === access) {
        const log2Size = (meta >>> META_LOG2_SHIFT) & META_LOG2
        out.hi = iotlb.words[at + OUT_HI]!
        out.lo = (iotlb.words[at + OUT_LO]! | (lo & ((1 << log2Size) - 1))) >>> 0
        out.log2Size = log2Size
        out.rights = meta & META_RIGHTS
        out.tag = at >>> 3
        out.route = 'translated'
        return (meta & META_CHECK_OUTPUT) === 0 ? 0 : this.#checkOutput(requester, hi, lo, access, out)
      }
      if ((meta & META_CLEAN) === 0) return this.#denyCached(requester, space, hi, lo, access, meta)
      // The first write to a page that was only read: D must be set, so the tables are walked.
      iotlb.drop(at)
    }
    const reason = this.#walk(line, hi, lo, access, (access & 2) !== 0, out)
    if (reason !== 0) {
      const meta = reason << META_REASON_SHIFT
      // Caching mode is not for the first stage: software does not announce what it maps there.
      const kept = this.#features.cachingMode && space === SECOND_STAGE_SPACE
      if (kept) iotlb.insert(domain, space, key, lo, 0, 0, 12, meta)
      return this.#deny(requester, hi, lo, access, reason)
    }
    const overlaps = out.hi === 0 && overlapsInterruptRange(out.lo, out.log2Size)
    const clean = type === FIRST_STAGE && this.#firstStage.isClean
    out.tag = -1
    out.route = 'translated'
    if (this.#features.iotlbEntries !== 0) {
      const { log2Size } = out
      const meta = out.rights | (overlaps ? META_CHECK_OUTPUT : 0) | (clean ? META_CLEAN : 0)
      out.tag = iotlb.insert(domain, space, key, lo, out.hi, out.lo & (-1 << log2Size), log2Size, meta) >> 3
    }
    return overlaps ? this.#checkOutput(requester, hi, lo, access, out) : 0
  }

  /** First-stage mappings are those of one PASID (VT-d 4.1 §6.2, tagging of cached translations). */
  #spaceOf(line: number): number {
    return this.pasids.words[line + PASID_TYPE] === FIRST_STAGE ? this.pasids.pasidOf(line) + 1 : SECOND_STAGE_SPACE
  }

  /** The fault of an address that the tables of this line cannot translate; 0 for one that they can. */
  #rangeFault(line: number, hi: number): number {
    const words = this.pasids.words
    const levels = words[line + PASID_LEVELS]!
    if (words[line + PASID_TYPE] !== FIRST_STAGE) {
      return hi >>> (levels * 9 - 20) === 0 ? 0 : this.#secondStageReasons.beyondWidth
    }
    // Bits 63:47 are alike with four levels, and bits 63:56 with five.
    const sign = hi >> (levels === 4 ? 15 : 24)
    return sign === 0 || sign === -1 ? 0 : reasons.notCanonical.value
  }

  #walk(line: number, hi: number, lo: number, access: number, dirties: boolean, out: Translation): number {
    const words = this.pasids.words
    const table = words[line + PASID_TABLE]!
    const levels = words[line + PASID_LEVELS]!
    if (words[line + PASID_TYPE] === FIRST_STAGE) {
      return this.#firstStage.walk(table, levels, hi, lo, access, dirties, out)
    }
    const domain = words[line + PASID_DOMAIN]!
    const reason = this.#secondStage.walk(table, levels, domain, hi, lo, access, out)
    return reason === 0 ? 0 : this.#secondStageReasons.ofWalk(reason, table, levels, domain, hi, lo)
  }

  /** A large page may hold the interrupt range: only what ends up in it is refused, and no port keeps such a page. */
  #checkOutput(requester: RequesterId, hi: number, lo: number, access: number, out: Translation): Fault {
    out.tag = -1
    if (!isInterruptAddress(out.lo)) return 0
    return this.#deny(requester, hi, lo, access, reasons.outputInInterruptRange.value)
  }

  #passThrough(requester: RequesterId, hi: number, lo: number, access: number, out: Translation): Fault {
    const { addressWidth } = this.#features
    if (hi >>> (addressWidth - 32) === 0) return answerAsIs(hi, lo, addressWidth, this.#wholeTag, out)
    return this.#deny(requester, hi, lo, access, reasons.beyondHardware.value)
  }

  /** Writes to the interrupt range are messages and stay as they are; reads are Unsupported Requests (§3.15). */
  #interruptRange(requester: RequesterId, pasid: number, lo: number, access: number, out: Translation): Fault {
    if (access === 2) return answerMessage(lo, out)
    const text = 'read from the interrupt range'
    return this.#faults.reportUnrecorded(requester, 'read', 0, lo, UNSUPPORTED_REQUEST, text, pasid)
  }

  /** An entry of the IOTLB that does not grant the access, or that holds a fault. */
  #denyCached(requester: RequesterId, space: number, hi: number, lo: number, access: number, meta: number): Fault {
    const kept = (meta >>> META_REASON_SHIFT) & META_REASON
    if (kept !== 0) return this.#deny(requester, hi, lo, access, kept)
    const missing = access & ~meta & META_RIGHTS
    const second = space === SECOND_STAGE_SPACE
    const reason = second ? this.#secondStageReasons.ofMissing(missing) : reasons.notWritable.value
    return this.#deny(requester, hi, lo, access, reason)
  }

  #deny(requester: RequesterId, hi: number, lo: number, access: number, reason: number): Fault {
    const kind = (access & 2) !== 0 ? 'write' : 'read'
    return this.#faults.report(requester, kind, hi, lo, reason, this.#silent, this.#pasid)
  }

  /** Context entries of scalable mode have no domain. Answers false for a reserved granularity. */
  invalidateContexts(granularity: number, requester: RequesterId, functionMask: number): boolean {
    if (granularity === CONTEXT_GRANULARITY.device) this.contexts.invalidateDevice(requester, functionMask)
    else if (granularity === CONTEXT_GRANULARITY.global || granularity === CONTEXT_GRANULARITY.domain) {
      this.contexts.invalidateAll()
    } else return false
    this.#iotlb.endCopies()
    return true
  }

  /** Answers false for a reserved granularity. */
  invalidatePasids(granularity: number, domain: number, pasid: number): boolean {
    if (granularity === PASID_CACHE_GRANULARITY.global) this.pasids.invalidateAll()
    else if (granularity === PASID_CACHE_GRANULARITY.domain) this.pasids.invalidateDomain(domain)
    else if (granularity === PASID_CACHE_GRANULARITY.pasid) this.pasids.invalidateDomain(domain, pasid)
    else return false
    this.#iotlb.endCopies()
    return true
  }

  /** Contexts and PASIDs that were cached. */
  drop(): void {
    this.contexts.invalidateAll()
    this.pasids.invalidateAll()
  }
}
