import type { GuestRam } from '@dmascope/memory'
import type { RequesterId } from '../translator.ts'
import { FAULTS } from './faults.ts'
import type { AmdViFeatures } from './options.ts'
import { DEVICE_TABLE_ENTRY, DTE_0, DTE_1, DTE_2 } from './spec/tables.ts'

const LINES = 256
const STRIDE = 16
/** Words of a line. TAG is 0, or the requester with CACHED. */
const TAG = 0
export const FLAGS = 1
export const DOMAIN = 2
/** Page number of the top table; a page that no memory has stands for all that lie beyond 31 bits. */
export const TABLE = 3
export const LEVELS = 4
/** 0, or the fault that bits 127:0 make of every memory request, and that bits 255:128 make of every interrupt. */
export const REASON = 5
export const INTERRUPT_REASON = 6
/** Bits 191:128, lower and upper word; and the upper word of bits 127:64 for IoCtl and SysMgt. */
export const INTERRUPTS_LO = 7
export const INTERRUPTS_HI = 8
export const CONTROLS = 9
const CACHED = 0x1_0000
const NO_PAGE = 0x7fff_ffff

/** FLAGS: what the entry grants in bits 1:0, as Access has it. */
export const RIGHTS = 0b11
export const VALID = 0x4
export const TRANSLATION_VALID = 0x8
/** Requests go through page tables: V, TV, a mode from 1 on, and nothing wrong. */
export const PAGED = 0x10
export const INTERRUPTS_VALID = 0x20
/** Its page faults are not logged; an SE one has had its first logged. */
const SUPPRESS_ALL = 0x40
const SUPPRESS_REPEATED = 0x80
const REPORTED = 0x100
export const EXCLUDABLE = 0x200
export const DEVICE_TLB = 0x400

const { V, TV, Mode, GV, GIoV, GLX, GCR3TRP_14_12, PPR, GPRP } = DTE_0.fields
const { DomainID, I, SE, SA, EX, GCR3TRP_30_15, GCR3TRP_51_31 } = DTE_1.fields
const { IV, GuestPagingMode } = DTE_2.fields

/** Bits that no field of the entry has, as low and high words; DTE_3's leave what is not checked (bit 48). */
const RESERVED_0_LO = 0x7c
const RESERVED_0_HI = 0x8000_0000 | 0
const RESERVED_2_HI = 0x0030_0000
const RESERVED_3_LO = 0x7fff
const RESERVED_3_HI = 0x003f_0000
const GUEST_0_HI = GV.hiMask | GIoV.hiMask | GLX.hiMask | GCR3TRP_14_12.hiMask
const PAGE_REQUESTS_HI = PPR.hiMask | GPRP.hiMask

/** The device table, as far as it was read: entries stay until they are invalidated. */
export class DeviceTableCache {
  /** Read with the constants above, at the offset that `find` answers. */
  readonly words = new Int32Array((LINES + 1) * STRIDE)
  /** Physical address of the entry that could not be read, after a DEV_TAB_HARDWARE_ERROR. */
  failedAddress = 0
  readonly #ram: GuestRam
  readonly #cachesNotPresent: boolean
  readonly #deepest: number
  readonly #blockInvalidTranslation: boolean
  readonly #judgesWholeEntry: boolean
  readonly #reserved0Hi: number
  readonly #reserved1Lo: number
  readonly #reserved1Hi: number
  readonly #reserved2Hi: number
  #base = 0
  #entries = 0

  constructor(ram: GuestRam, features: AmdViFeatures) {
    this.#ram = ram
    this.#cachesNotPresent = features.cachesNotPresent
    this.#deepest = features.dmaTranslation ? features.hostLevels : 0
    this.#blockInvalidTranslation = features.blockInvalidTranslation
    this.#judgesWholeEntry = features.judgesWholeEntry
    const guest = features.announcesGuestTranslation
    const pageRequests = features.announcesPageRequests ? 0 : PAGE_REQUESTS_HI
    this.#reserved0Hi = RESERVED_0_HI | pageRequests | (guest ? 0 : GUEST_0_HI)
    this.#reserved1Lo = guest ? 0 : GCR3TRP_30_15.loMask
    this.#reserved1Hi = guest ? 0 : GCR3TRP_51_31.hiMask
    this.#reserved2Hi = RESERVED_2_HI | (guest ? 0 : GuestPagingMode.hiMask)
  }

  /** From now on the table stands there; what is cached stays. */
  setTable(base: number, pages: number): void {
    this.#base = base
    this.#entries = (pages * 4096) / DEVICE_TABLE_ENTRY.size
  }

  /** Offset of the requester's line. What is not cached stands in a line of its own, until the next `find`. */
  find(requester: RequesterId): number {
    const line = ((requester ^ (requester >>> 8)) & (LINES - 1)) * STRIDE
    return this.words[line + TAG] === (requester | CACHED) ? line : this.#fetch(requester, line)
  }

  #fetch(requester: RequesterId, line: number): number {
    const words = this.words
    const scratch = LINES * STRIDE
    words.fill(0, scratch, scratch + STRIDE)
    const unreadable = this.#read(requester, scratch)
    if (unreadable !== 0) {
      words[scratch + REASON] = unreadable
      words[scratch + INTERRUPT_REASON] = unreadable
      words[scratch + FLAGS] = VALID | INTERRUPTS_VALID
    }
    const faulty = words[scratch + REASON] !== 0 || words[scratch + INTERRUPT_REASON] !== 0
    if (faulty && !this.#cachesNotPresent) return scratch
    words[scratch + TAG] = requester | CACHED
    words.copyWithin(line, scratch, scratch + STRIDE)
    return line
  }

  #read(requester: RequesterId, into: number): number {
    if (requester >= this.#entries) return FAULTS.beyondTable.value
    const address = this.#base + requester * DEVICE_TABLE_ENTRY.size
    const at = this.#ram.offsetToRead(address)
    if (at < 0) {
      this.failedAddress = address
      return FAULTS.entryAccess.value
    }
    this.#decodeMemory(at, into)
    this.#decodeInterrupts(at, into)
    if (this.#judgesWholeEntry) {
      const words = this.words
      const reason = words[into + REASON]! || words[into + INTERRUPT_REASON]!
      words[into + REASON] = reason
      words[into + INTERRUPT_REASON] = reason
    }
    return 0
  }

  /** Bits 127:0, which mean something with V. */
  #decodeMemory(at: number, into: number): void {
    const { view } = this.#ram
    const words = this.words
    const { data0, data1 } = DEVICE_TABLE_ENTRY.fields
    const lo = data0.lo.get(view, at)
    if ((lo & V.loMask) === 0) return
    const hi = data0.hi.get(view, at)
    const lo1 = data1.lo.get(view, at)
    const hi1 = data1.hi.get(view, at)
    let flags = VALID | ((hi >>> 29) & RIGHTS)
    if ((hi1 & SA.hiMask) !== 0) flags |= SUPPRESS_ALL
    if ((hi1 & SE.hiMask) !== 0) flags |= SUPPRESS_REPEATED
    if ((hi1 & EX.hiMask) !== 0) flags |= EXCLUDABLE
    if ((hi1 & I.hiMask) !== 0) flags |= DEVICE_TLB
    words[into + DOMAIN] = DomainID.get(lo1)
    words[into + CONTROLS] = hi1
    const reserved = (lo & RESERVED_0_LO) | (hi & this.#reserved0Hi) | (lo1 & this.#reserved1Lo)
    if ((reserved | (hi1 & this.#reserved1Hi)) !== 0) words[into + REASON] = FAULTS.entryReserved.value
    const mode = Mode.get(lo)
    const pageHi = hi & 0xf_ffff
    const page = (lo >>> 12) | (pageHi << 20)
    if ((lo & TV.loMask) !== 0) {
      flags |= TRANSLATION_VALID
      // With HATS = 3 there are no host page tables, and none may be named.
      const refused = mode > this.#deepest || (this.#deepest === 0 && (page | pageHi) !== 0)
      if (refused && words[into + REASON] === 0) words[into + REASON] = FAULTS.entryMode.value
    }
    words[into + LEVELS] = mode
    words[into + TABLE] = pageHi >= 0x800 ? NO_PAGE : page
    if ((flags & TRANSLATION_VALID) !== 0 && mode !== 0 && words[into + REASON] === 0) flags |= PAGED
    // An entry without a translation that may pass all the same is one of mode 0.
    else if ((flags & TRANSLATION_VALID) === 0 && !this.#blockInvalidTranslation) {
      flags |= TRANSLATION_VALID
      words[into + LEVELS] = 0
    }
    words[into + FLAGS] = flags
  }

  /** Bits 255:128, which mean something with IV. */
  #decodeInterrupts(at: number, into: number): void {
    const { view } = this.#ram
    const words = this.words
    const { data2, data3 } = DEVICE_TABLE_ENTRY.fields
    const lo = data2.lo.get(view, at)
    if ((lo & IV.loMask) === 0) return
    const hi = data2.hi.get(view, at)
    words[into + FLAGS] = words[into + FLAGS]! | INTERRUPTS_VALID
    words[into + INTERRUPTS_LO] = lo
    words[into + INTERRUPTS_HI] = hi
    const rest = (data3.lo.get(view, at) & RESERVED_3_LO) | (data3.hi.get(view, at) & RESERVED_3_HI)
    if (((hi & this.#reserved2Hi) | rest) !== 0) words[into + INTERRUPT_REASON] = FAULTS.entryReserved.value
  }

  /**
   * Whether the entry at `line` keeps this page fault out of the log. Asking counts as the first one of an entry with SE,
   * so ask once a fault.
   */
  suppresses(line: number): boolean {
    const flags = this.words[line + FLAGS]!
    if ((flags & SUPPRESS_ALL) !== 0) return true
    if ((flags & SUPPRESS_REPEATED) === 0) return false
    this.words[line + FLAGS] = flags | REPORTED
    return (flags & REPORTED) !== 0
  }

  invalidateAll(): void {
    for (let line = 0; line < LINES * STRIDE; line += STRIDE) this.words[line + TAG] = 0
  }

  invalidateDevice(requester: RequesterId): void {
    const line = ((requester ^ (requester >>> 8)) & (LINES - 1)) * STRIDE
    if (this.words[line + TAG] === (requester | CACHED)) this.words[line + TAG] = 0
  }
}
