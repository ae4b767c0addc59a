import type { Access, GuestRam } from '@dmascope/memory'
import type { Fault, RequesterId, Translation } from '../translator.ts'
import {
  CONTEXT,
  FLAGS,
  GRANULE,
  KIND,
  KIND_ABORT,
  KIND_BYPASS,
  KIND_STAGE_1,
  KIND_STAGE_2,
  MASK_HI,
  MASK_LO,
  REASON,
  RECORDED,
  REGION_0,
  REGION_1,
  STAGE_2_RECORDED,
  TOP_BYTE_IGNORED,
  TOP_BYTE_IGNORED_0,
  TOP_BYTE_IGNORED_1,
} from './configuration.ts'
import { ConfigurationCache } from './configuration-cache.ts'
import type { EventQueue } from './event-queue.ts'
import { type SmmuV3Features, TRANSACTION_ABORTED } from './options.ts'
import { EVENT_CLASS, EVENTS } from './spec/events.ts'
import { STAGE_1_DESCRIPTOR_BITS } from './spec/tables.ts'
import { StageOneWalk } from './stage-one-walk.ts'
import { StagedWalk, type WalkFault } from './staged-walk.ts'
import {
  META,
  META_GLOBAL,
  META_LOG2,
  META_LOG2_SHIFT,
  META_RIGHTS,
  META_STAGE_1_SHIFT,
  OUT_HI,
  OUT_LO,
  STAGE_2_ONLY,
  Tlb,
} from './tlb.ts'

const TRANSLATION = EVENTS.F_TRANSLATION.value
const PERMISSION = EVENTS.F_PERMISSION.value
const FIRST_WALK_EVENT = EVENTS.F_WALK_EABT.value
const LOG2_4K = 12
const NOT_GLOBAL = STAGE_1_DESCRIPTOR_BITS.fields.nG.loMask

/**
 * Translation while CR0.SMMUEN is set: configurations, the TLB, the walks and their events.
 *
 * Addresses come in as two 32-bit halves of either sign, since an unsigned one above 2^31 costs an allocation in a call
 * that is not inlined; what goes out is unsigned.
 */
export class DmaTranslator {
  readonly tlb: Tlb
  readonly configurations: ConfigurationCache
  readonly #stageOne: StageOneWalk
  readonly #staged: StagedWalk
  readonly #events: EventQueue
  readonly #caches: boolean
  readonly #globalPages: boolean
  readonly #outputBits: number
  /** The epoch of what no TLB entry stands for: streams that bypass, and the unit turned off. */
  readonly #wholeTag: number
  readonly #plainFault: WalkFault = { reason: 0, stage2: false, class: EVENT_CLASS.IN, address: 0 }

  constructor(ram: GuestRam, features: SmmuV3Features, events: EventQueue) {
    this.tlb = new Tlb(features.tlbEntries)
    this.#staged = new StagedWalk(ram)
    this.#stageOne = new StageOneWalk(ram, features)
    this.configurations = new ConfigurationCache(ram, features, this.#staged)
    this.#events = events
    this.#caches = features.tlbEntries !== 0
    this.#globalPages = features.globalPages
    this.#outputBits = features.outputSize
    this.#wholeTag = features.tlbEntries
  }

  /** The transaction goes through as it is. */
  bypass(hi: number, lo: number, out: Translation): Fault {
    out.hi = hi >>> 0
    out.lo = lo >>> 0
    out.log2Size = 64
    out.rights = 3
    out.tag = this.#wholeTag
    out.route = 'bypass'
    return 0
  }

  abort(requester: RequesterId, hi: number, lo: number, access: number, text: string): Fault {
    this.#events.tell(requester, access, hi, lo, TRANSACTION_ABORTED, text, false)
    return TRANSACTION_ABORTED
  }

  translate(requester: RequesterId, givenHi: number, lo: number, access: Access, out: Translation): Fault {
    const line = this.configurations.find(requester)
    const words = this.configurations.words
    const kind = words[line + KIND]!
    if (kind < KIND_STAGE_1) return this.#notTranslated(requester, givenHi, lo, access, line, kind, out)
    const hi = (words[line + FLAGS]! & TOP_BYTE_IGNORED) === 0 ? givenHi : withoutTopByte(givenHi, words[line + FLAGS]!)
    const stage = kind === KIND_STAGE_2 ? STAGE_2_ONLY : 0
    const context = words[line + CONTEXT]!
    const at = this.#caches ? this.tlb.find(context, stage, hi, lo) : -1
    if (at >= 0) {
      const entry = this.tlb.words
      const meta = entry[at + META]!
      if ((meta & META_RIGHTS & access) !== access) {
        return this.#denyCached(requester, givenHi, lo, access, meta, words[line + FLAGS]!)
      }
      const log2Size = (meta >>> META_LOG2_SHIFT) & META_LOG2
      const inner = (1 << log2Size) - 1
      out.hi = entry[at + OUT_HI]!
      out.lo = (entry[at + OUT_LO]! | (lo & inner)) >>> 0
      out.log2Size = log2Size
      out.rights = meta & META_RIGHTS
      out.tag = at >>> 3
      out.route = 'translated'
      return 0
    }
    // The rest stands here, and not in a method of its own, for a call's worth of time.
    let region = line + REGION_0
    if (kind !== KIND_STAGE_2) {
      if (((hi & words[region + MASK_HI]!) | (lo & words[region + MASK_LO]!)) !== 0) {
        region = line + REGION_1
        const both = (~hi & words[region + MASK_HI]!) | (~lo & words[region + MASK_LO]!)
        if (both !== 0) return this.#deny(requester, givenHi, lo, access, TRANSLATION, words[line + FLAGS]!)
      }
      if (words[region + GRANULE]! !== LOG2_4K || kind !== KIND_STAGE_1) {
        return this.#walkStages(requester, givenHi, hi, lo, access, line, region, out)
      }
      // The ones above a high address choose nothing.
      const low = region === line + REGION_0
      const reason = this.#stageOne.walk(
        words,
        line,
        region,
        low ? hi : hi & ~words[region + MASK_HI]!,
        low ? lo : lo & ~words[region + MASK_LO]!,
        access,
        out,
      )
      if (reason !== 0) return this.#denyWalk(requester, givenHi, hi, lo, access, line, region, reason, out)
      out.tag = -1
      out.route = 'translated'
      if (this.#caches) {
        const global = (this.#stageOne.leaf & NOT_GLOBAL) === 0 && this.#globalPages ? META_GLOBAL : 0
        const { log2Size } = out
        const meta = out.rights | (out.rights << META_STAGE_1_SHIFT) | global
        out.tag = this.tlb.insert(context, 0, hi, lo, out.hi, out.lo & (-1 << log2Size), log2Size, meta) >> 3
      }
      return 0
    }
    return this.#walkStages(requester, givenHi, hi, lo, access, line, region, out)
  }

  #notTranslated(
    requester: RequesterId,
    hi: number,
    lo: number,
    access: number,
    line: number,
    kind: number,
    out: Translation,
  ): Fault {
    if (kind === KIND_BYPASS) return this.bypass(hi, lo, out)
    if (kind === KIND_ABORT) {
      return this.abort(requester, hi, lo, access, 'the stream table entry aborts every transaction')
    }
    const { words, failedAddress } = this.configurations
    const reason = words[line + REASON]!
    // Stage 2 may refuse the context descriptor, which is a fault like that of a walk.
    if (reason >= FIRST_WALK_EVENT) {
      const recorded = (words[line + FLAGS]! & STAGE_2_RECORDED) !== 0
      return this.#events.reportWalk(requester, access, hi, lo, this.#staged.fault, recorded)
    }
    const fetch = reason === EVENTS.F_STE_FETCH.value || reason === EVENTS.F_CD_FETCH.value
    return this.#events.reportConfiguration(requester, access, hi, lo, reason, fetch ? failedAddress : 0)
  }

  /** Other granules, and stage 2. */
  #walkStages(
    requester: RequesterId,
    givenHi: number,
    hi: number,
    lo: number,
    access: number,
    line: number,
    region: number,
    out: Translation,
  ): Fault {
    const staged = this.#staged
    const words = this.configurations.words
    const alone = words[line + KIND] === KIND_STAGE_2
    const reason = alone
      ? staged.walkStageTwo(words, line, this.#outputBits, hi, lo, access, out)
      : words[region + GRANULE] === 0
        ? -1
        : staged.walk(words, line, region, hi, lo, access, out)
    const flags = words[line + FLAGS]!
    // A disabled region (CD.EPD) maps nothing.
    if (reason < 0) return this.#deny(requester, givenHi, lo, access, TRANSLATION, flags)
    if (reason !== 0) {
      const recorded = (flags & (staged.fault.stage2 || alone ? STAGE_2_RECORDED : RECORDED)) !== 0
      return this.#events.reportWalk(requester, access, givenHi, lo, staged.fault, recorded)
    }
    out.tag = -1
    out.route = 'translated'
    if (!this.#caches) return 0
    const { log2Size } = out
    const global = staged.global && this.#globalPages ? META_GLOBAL : 0
    const meta = out.rights | (staged.stage1Rights << META_STAGE_1_SHIFT) | global
    const stage = alone ? STAGE_2_ONLY : 0
    const page = out.lo & (-1 << log2Size)
    out.tag = this.tlb.insert(words[line + CONTEXT]!, stage, hi, lo, out.hi, page, log2Size, meta) >> 3
    return 0
  }

  /** What could not be read is found out by walking once more. */
  #denyWalk(
    requester: RequesterId,
    givenHi: number,
    hi: number,
    lo: number,
    access: number,
    line: number,
    region: number,
    reason: number,
    out: Translation,
  ): Fault {
    const words = this.configurations.words
    if (reason === FIRST_WALK_EVENT && this.#staged.walk(words, line, region, hi, lo, access, out) === reason) {
      return this.#events.reportWalk(requester, access, givenHi, lo, this.#staged.fault, true)
    }
    return this.#deny(requester, givenHi, lo, access, reason, words[line + FLAGS]!)
  }

  /** An entry of the TLB that does not grant the access. */
  #denyCached(requester: RequesterId, hi: number, lo: number, access: number, meta: number, flags: number): Fault {
    const stage2 = ((meta >>> META_STAGE_1_SHIFT) & META_RIGHTS & access) === access
    const fault = this.#plainFault
    fault.reason = PERMISSION
    fault.stage2 = stage2
    const recorded = (flags & (stage2 ? STAGE_2_RECORDED : RECORDED)) !== 0
    return this.#events.reportWalk(requester, access, hi, lo, fault, recorded)
  }

  /** A fault of stage 1. */
  #deny(requester: RequesterId, hi: number, lo: number, access: number, reason: number, flags: number): Fault {
    const fault = this.#plainFault
    fault.reason = reason
    fault.stage2 = false
    return this.#events.reportWalk(requester, access, hi, lo, fault, (flags & RECORDED) !== 0)
  }

  invalidateStreams(first: number, last: number): void {
    this.configurations.invalidateStreams(first, last)
    this.tlb.endCopies()
  }

  invalidateEverything(): void {
    this.tlb.invalidateAll()
    this.#stageOne.invalidateAll()
  }

  /** @param asid - -1 for all */
  invalidatePages(vmid: number, asid: number, first: number, pages: number, leaf: boolean): void {
    this.tlb.invalidatePages(vmid, asid, 0, first, pages)
    if (!leaf) this.#stageOne.invalidate(vmid, asid)
  }

  invalidateAsid(vmid: number, asid: number): void {
    this.tlb.invalidateAsid(asid | (vmid << 16))
    this.#stageOne.invalidate(vmid, asid)
  }

  /** @param stage2Too - also what stage 2 made alone */
  invalidateMachine(vmid: number, stage2Too: boolean): void {
    this.tlb.invalidateVmid(vmid, stage2Too)
    this.#stageOne.invalidate(vmid, -1)
  }

  /** What stage 2 made alone; what both made together is stage 1's to invalidate. */
  invalidateIntermediatePages(vmid: number, first: number, pages: number): void {
    this.tlb.invalidatePages(vmid, -1, STAGE_2_ONLY, first, pages)
  }

  /** Everything that was cached, and every copy of it, ends. */
  drop(): void {
    this.configurations.invalidateAll()
    this.invalidateEverything()
    this.tlb.endCopies()
  }
}

/** Bit 55 stands for the bits above it, where the descriptor says so. */
function withoutTopByte(hi: number, flags: number): number {
  const ignored = (hi & 0x80_0000) === 0 ? TOP_BYTE_IGNORED_0 : TOP_BYTE_IGNORED_1
  return (flags & ignored) === 0 ? hi : (hi << 8) >> 8
}
