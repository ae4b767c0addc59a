import type { Access, GuestRam } from '@dmascope/memory'
import { type Fault, type RequesterId, type Translation, UNSUPPORTED_REQUEST } from '../translator.ts'
import {
  CONTROLS,
  DEVICE_TLB,
  DeviceTableCache,
  DOMAIN,
  EXCLUDABLE,
  FLAGS,
  INTERRUPTS_HI,
  LEVELS,
  PAGED,
  REASON,
  RIGHTS,
  TABLE,
  TRANSLATION_VALID,
  VALID,
} from './device-table-cache.ts'
import type { EventLog } from './event-log.ts'
import { ExclusionRange } from './exclusion-range.ts'
import { FAULTS } from './faults.ts'
import { HostWalk, isBeyond } from './host-walk.ts'
import {
  Iotlb,
  META,
  META_CLASS_SHIFT,
  META_LOG2,
  META_LOG2_SHIFT,
  META_REASON,
  META_REASON_SHIFT,
  META_RIGHTS,
  OUT_HI,
  OUT_LO,
} from './iotlb.ts'
import type { AmdViFeatures } from './options.ts'
import { EVENT_CODE } from './spec/events.ts'
import { INTERRUPT_RANGE_FIRST } from './spec/interrupts.ts'
import { ruleOf } from './special-ranges.ts'

const INTERRUPT_RANGE = INTERRUPT_RANGE_FIRST | 0
const INTERRUPT_RANGE_MASK = 0xfff0_0000 | 0
const HT_FIRST_HI = 0xfd
const HT_LAST_HI = 0xff
/** `#special` answers this where the page tables have the word. */
const THROUGH_TABLES = -1
const NO_PERMISSION = FAULTS.noPermission.value
const NOT_PRESENT = FAULTS.notPresent.value
const BEYOND_WIDTH = FAULTS.beyondWidth.value

/**
 * DMA remapping while Control.IommuEn is set: device table entries, the IOTLB, the walk and their faults.
 *
 * Addresses come in as two 32-bit halves of either sign, since an unsigned one above 2^31 costs an allocation in a call
 * that is not inlined; what goes out is unsigned.
 */
export class DmaRemapper {
  readonly iotlb: Iotlb
  readonly devices: DeviceTableCache
  readonly #walk: HostWalk
  readonly #log: EventLog
  readonly #exclusion = new ExclusionRange()
  readonly #caches: boolean
  readonly #cachesNotPresent: boolean
  readonly #htRange: boolean
  readonly #deviceIotlb: boolean
  /** The epoch of what no IOTLB entry stands for: pass-through, and the unit turned off. */
  readonly #wholeTag: number
  constructor(ram: GuestRam, features: AmdViFeatures, log: EventLog) {
    this.iotlb = new Iotlb(features.iotlbEntries)
    this.devices = new DeviceTableCache(ram, features)
    this.#walk = new HostWalk(ram, features)
    this.#log = log
    this.#caches = features.iotlbEntries !== 0
    this.#cachesNotPresent = features.cachesNotPresent
    this.#htRange = features.htRange
    this.#deviceIotlb = features.deviceIotlb
    this.#wholeTag = features.iotlbEntries
  }

  /** The exclusion range's registers were written. */
  setExclusion(enabled: boolean, forAll: boolean, first: number, end: number): void {
    this.#exclusion.set(enabled, forAll, first, end)
    this.iotlb.endCopies()
  }

  /** Nothing is remapped: the request goes through as it is. */
  bypass(hi: number, lo: number, log2Size: number, rights: number, tag: number, out: Translation): Fault {
    out.hi = hi >>> 0
    out.lo = lo >>> 0
    out.log2Size = log2Size
    out.rights = rights
    out.tag = tag
    out.route = 'bypass'
    return 0
  }

  /** The unit is off, or does not remap: all of the address space, until something changes. */
  bypassAll(hi: number, lo: number, out: Translation): Fault {
    return this.bypass(hi, lo, 64, 3, this.#wholeTag, out)
  }

  /** An untranslated request. */
  translate(requester: RequesterId, hi: number, lo: number, access: Access, out: Translation): Fault {
    const line = this.devices.find(requester)
    const device = this.devices.words
    const flags = device[line + FLAGS]!
    if (
      (flags & PAGED) === 0 ||
      this.#exclusion.enabled ||
      (hi === 0 && (lo & INTERRUPT_RANGE_MASK) === INTERRUPT_RANGE) ||
      (hi >= HT_FIRST_HI && hi <= HT_LAST_HI)
    ) {
      const answer = this.#special(requester, line, flags, hi, lo, access, out)
      if (answer !== THROUGH_TABLES) return answer
    }
    const at = this.#caches ? this.iotlb.find(device[line + DOMAIN]!, hi, lo) : -1
    if (at >= 0) {
      const words = this.iotlb.words
      const meta = words[at + META]!
      const rights = meta & flags & META_RIGHTS
      if ((rights & access) !== access) return this.#denyCached(requester, line, hi, lo, access, meta)
      out.hi = words[at + OUT_HI]! >>> 0
      out.lo = (words[at + OUT_LO]! | (lo & ~(-1 << (meta >>> META_CLASS_SHIFT)))) >>> 0
      out.log2Size = (meta >>> META_LOG2_SHIFT) & META_LOG2
      out.rights = rights
      out.tag = at >>> 3
      out.route = 'translated'
      return 0
    }
    // The rest stands here, and not in a method of its own, for a call's worth of time.
    const levels = device[line + LEVELS]!
    if (isBeyond(hi, lo, levels)) return this.#deny(requester, line, hi, lo, access, BEYOND_WIDTH)
    if ((flags & access) !== access) return this.#deny(requester, line, hi, lo, access, NO_PERMISSION)
    const domain = device[line + DOMAIN]!
    const reason = this.#walk.walk(device[line + TABLE]!, levels, domain, hi, lo, access, out)
    if (reason !== 0) {
      if (reason === NOT_PRESENT && this.#cachesNotPresent) {
        this.iotlb.insert(domain, hi, lo, 0, 0, 12, reason << META_REASON_SHIFT)
      }
      return this.#deny(requester, line, hi, lo, access, reason)
    }
    out.route = 'translated'
    out.tag = this.#caches ? this.iotlb.insert(domain, hi, lo, out.hi, out.lo, out.log2Size, out.rights) >> 3 : -1
    out.rights &= flags & RIGHTS
    return 0
  }

  /**
   * What page tables do not decide: entries without them, interrupts, and ranges with rules of their own (§2.1.2).
   * Answers THROUGH_TABLES, or what `translate` is to answer.
   */
  #special(
    requester: RequesterId,
    line: number,
    flags: number,
    hi: number,
    lo: number,
    access: number,
    out: Translation,
  ): number {
    // Messages need no valid entry; what becomes of them is up to interrupt remapping.
    const message = hi === 0 && (lo & INTERRUPT_RANGE_MASK) === INTERRUPT_RANGE
    if (message && access === 2) return this.bypass(hi, lo, 12, 2, -1, out)
    const reason = this.devices.words[line + REASON]!
    if (reason !== 0) return this.#deny(requester, line, hi, lo, access, reason)
    // §2.2.2: without V everything is forwarded. Copies of it hold for 39 bits, below the ranges with rules.
    if ((flags & VALID) === 0) return this.#forward(hi, lo, 3, out)
    if (message) return this.#deny(requester, line, hi, lo, access, FAULTS.interruptRangeRead.value)
    if (this.#htRange && hi >= HT_FIRST_HI && hi <= HT_LAST_HI) {
      const words = this.devices.words
      const rule = ruleOf(hi, lo, access, words[line + INTERRUPTS_HI]!, words[line + CONTROLS]!)
      if (rule === 'forward') return this.bypass(hi, lo, 12, access, -1, out)
      if (rule !== 'translate') return this.#refuse(requester, line, hi, lo, access, rule)
    }
    if (this.#exclusion.covers((flags & EXCLUDABLE) !== 0, hi, lo)) return this.bypass(hi, lo, 12, 3, -1, out)
    if ((flags & TRANSLATION_VALID) === 0) {
      return this.#deny(requester, line, hi, lo, access, FAULTS.translationInvalid.value)
    }
    if ((flags & PAGED) !== 0) return THROUGH_TABLES
    if ((flags & access) !== access) return this.#deny(requester, line, hi, lo, access, NO_PERMISSION)
    return this.#forward(hi, lo, flags & RIGHTS, out)
  }

  #forward(hi: number, lo: number, rights: number, out: Translation): Fault {
    const below = hi >>> 0 < 0x80
    return this.bypass(hi, lo, below ? 39 : 12, rights, below ? this.#wholeTag : -1, out)
  }

  #refuse(
    requester: RequesterId,
    line: number,
    hi: number,
    lo: number,
    access: number,
    rule: 'unsupported' | number,
  ): Fault {
    if (rule !== 'unsupported') return this.#deny(requester, line, hi, lo, access, rule)
    const kind = (access & 2) !== 0 ? 'write' : 'read'
    this.#log.tell(requester, kind, hi, lo, UNSUPPORTED_REQUEST, 'access to a reserved HyperTransport range', false)
    return UNSUPPORTED_REQUEST
  }

  /** A request whose address the device has translated: trusted only where its entry says so. */
  translated(requester: RequesterId, hi: number, lo: number, access: Access, out: Translation): Fault {
    const line = this.devices.find(requester)
    const reason = this.devices.words[line + REASON]!
    if (reason !== 0) return this.#deny(requester, line, hi, lo, access, reason)
    if (!this.#mayTranslate(line)) {
      return this.#deny(requester, line, hi, lo, access, FAULTS.pretranslated.value)
    }
    return this.#forward(hi, lo, 3, out)
  }

  #mayTranslate(line: number): boolean {
    const needed = VALID | DEVICE_TLB
    return this.#deviceIotlb && (this.devices.words[line + FLAGS]! & needed) === needed
  }

  /**
   * A device asks for a translation to keep. A page that grants nothing is no fault and is not logged: the answer has no
   * rights. The device is told of invalidations by INVALIDATE_IOTLB_PAGES.
   */
  translationRequest(requester: RequesterId, hi: number, lo: number, access: Access, out: Translation): Fault {
    const line = this.devices.find(requester)
    const device = this.devices.words
    const flags = device[line + FLAGS]!
    const reason = device[line + REASON]!
    if (reason !== 0 || !this.#mayTranslate(line)) {
      return this.#deny(requester, line, hi, lo, access, reason === 0 ? FAULTS.pretranslated.value : reason, true)
    }
    if ((flags & PAGED) === 0) {
      this.#forward(hi, lo, (flags & TRANSLATION_VALID) === 0 ? 0 : flags & RIGHTS, out)
      out.tag = -1
      return 0
    }
    const levels = device[line + LEVELS]!
    const failed = isBeyond(hi, lo, levels)
      ? BEYOND_WIDTH
      : this.#walk.walk(device[line + TABLE]!, levels, device[line + DOMAIN]!, hi, lo, 0, out)
    if (failed === FAULTS.pageTableAccess.value) return this.#deny(requester, line, hi, lo, access, failed, true)
    if (failed !== 0) this.bypass(hi, lo, 12, 0, -1, out)
    out.rights &= flags & RIGHTS
    out.tag = -1
    out.route = 'translated'
    return 0
  }

  /** An entry of the IOTLB, with the requester's own, does not grant the access; or it holds a fault. */
  #denyCached(requester: RequesterId, line: number, hi: number, lo: number, access: number, meta: number): Fault {
    const kept = (meta >>> META_REASON_SHIFT) & META_REASON
    return this.#deny(requester, line, hi, lo, access, kept === 0 ? NO_PERMISSION : kept)
  }

  #deny(
    requester: RequesterId,
    line: number,
    hi: number,
    lo: number,
    access: number,
    reason: number,
    request = false,
  ): Fault {
    const kind = (access & 2) !== 0 ? 'write' : 'read'
    const code = reason & 0xf
    const suppressed = code === EVENT_CODE.IO_PAGE_FAULT && this.devices.suppresses(line)
    // A hardware error's address is that of the entry that could not be read.
    const failed =
      code === EVENT_CODE.DEV_TAB_HARDWARE_ERROR
        ? this.devices.failedAddress
        : code === EVENT_CODE.PAGE_TAB_HARDWARE_ERROR
          ? this.#walk.failedAddress
          : -1
    const domain = tellsDomain(code) ? this.devices.words[line + DOMAIN]! : 0
    if (failed >= 0) {
      const failedHi = Math.floor(failed / 0x1_0000_0000)
      return this.#log.report(requester, kind, failedHi, failed >>> 0, reason, domain, suppressed, request)
    }
    // Bits 1:0 of an illegal entry's address are reserved.
    const low = code === EVENT_CODE.ILLEGAL_DEV_TABLE_ENTRY ? lo & -4 : lo
    return this.#log.report(requester, kind, hi, low, reason, domain, suppressed, request)
  }

  invalidateDevice(requester: RequesterId): void {
    this.devices.invalidateDevice(requester)
    this.iotlb.endCopies()
  }

  /** @param directories - PDE: directories changed, too */
  invalidatePages(domain: number, hi: number, lo: number, log2Size: number, directories: boolean): void {
    // A size of 52 bits or more takes in all that there is.
    if (log2Size >= 52) this.iotlb.invalidateDomain(domain)
    else this.iotlb.invalidateRange(domain, hi, lo, log2Size)
    if (directories) this.#walk.invalidateDomain(domain)
  }

  /** The pages of a requester's domain: nothing where it has none. */
  invalidatePagesOf(requester: RequesterId, hi: number, lo: number, log2Size: number): void {
    const line = this.devices.find(requester)
    if ((this.devices.words[line + FLAGS]! & PAGED) === 0) return
    this.invalidatePages(this.devices.words[line + DOMAIN]!, hi, lo, log2Size, false)
  }

  /** Everything that was cached, and every copy of it, ends. */
  drop(): void {
    this.devices.invalidateAll()
    this.iotlb.invalidateAll()
    this.iotlb.endCopies()
    this.#walk.invalidateAll()
  }
}

const tellsDomain = (code: number): boolean =>
  code === EVENT_CODE.IO_PAGE_FAULT || code === EVENT_CODE.PAGE_TAB_HARDWARE_ERROR
