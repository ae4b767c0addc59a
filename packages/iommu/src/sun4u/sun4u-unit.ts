import type { Access, GuestRam } from '@dmascope/memory'
import { AccessFaults } from '../access-faults.ts'
import { passMessage } from '../pass-message.ts'
import { STRIDE } from '../translation-cache.ts'
import type { Fault, Msi, RequesterId, Translation, Translator } from '../translator.ts'
import { UNSUPPORTED_REQUEST } from '../translator.ts'
import { faultOf, SUN4U_FAULTS } from './faults.ts'
import { Iotlb, OUT_HI, OUT_LO, RIGHTS } from './iotlb.ts'
import { completeFeatures, type SeenFault, type Sun4uFeatures, type Sun4uOptions } from './options.ts'
import { RegisterFile } from './register-file.ts'
import { IOMMU_CONTROL, IOMMU_DATA, IOMMU_TAG, IOTLB_ENTRIES, SUN4U_IOMMU_REGISTERS } from './spec/registers.ts'
import { IOPTE_BYTES, LARGE_PAGE_SHIFT, PAGE_SHIFT, SMALLEST_TSB } from './spec/tte.ts'

const CONTROL = SUN4U_IOMMU_REGISTERS.registers.IOMMU_CONTROL.offset
const TSBBASE = SUN4U_IOMMU_REGISTERS.registers.IOMMU_TSBBASE.offset
const FLUSH = SUN4U_IOMMU_REGISTERS.registers.IOMMU_FLUSH.offset
const { ENAB, TBWSZ, TSBSZ, XLTEERR, XLTESTAT } = IOMMU_CONTROL.fields
const TAG = IOMMU_TAG.fields
const DATA = IOMMU_DATA.fields

/** Of an entry: valid, of 64 KiB, writable; and bits 40:13, the page. */
const VALID_HI = 0x8000_0000
const LARGE_HI = 0x2000_0000
const WRITE_LO = 2
const PAGE_HI = 0x1ff
/** TSBs of 64 and 128 Ki entries are there for small pages alone: for large ones they would reach past 2 GiB. */
const LARGEST_LARGE_TSB = 5
/** Bits 63:50 of an address that goes past translation, and what is left of it: 34 bits. */
const PAST_HI = 0xfffc_0000
const PAST_ADDRESS_HI = 3
const TARGETS = 8
const TARGET_SHIFT = 29

const BYPASS: Translation['route'] = 'bypass'
const TRANSLATED: Translation['route'] = 'translated'

/**
 * The IOMMU of the UltraSPARC-IIi’s PCI host bridge: off at reset, when addresses pass; on, it translates those of every
 * device by one table in memory, the translation storage buffer (TSB). No requester is told from another.
 *
 * DEVIATION: entries of the IOTLB cannot be locked, nor loaded by diagnostic writes: a write to a tag drops its entry.
 */
export class Sun4uUnit implements Translator {
  readonly features: Sun4uFeatures
  readonly epochs: Uint32Array
  readonly #ram: GuestRam
  readonly #faults: AccessFaults
  readonly #registers = new RegisterFile()
  readonly #tlb: Iotlb
  /** The word of `epochs` for addresses that pass while the unit is off. */
  readonly #passTag: number
  /** Tags of entries that hold an error. */
  readonly #errors = new Uint32Array(IOTLB_ENTRIES)
  #nextError = 0
  #targets = 2 ** TARGETS - 1
  /** What the registers come down to: where the TSB is, and how an address chooses an entry. */
  #enabled = false
  #base = 0
  #pageShift = PAGE_SHIFT
  #indexMask = SMALLEST_TSB - 1

  constructor(options: Sun4uOptions) {
    this.features = completeFeatures(options)
    this.#ram = options.ram
    this.#faults = new AccessFaults(options.onFault)
    this.#tlb = new Iotlb(this.features.keepsEntries ? IOTLB_ENTRIES : 0)
    this.epochs = this.#tlb.epochs
    this.#passTag = this.epochs.length - 1
  }

  /** The first faults since reset, in order; at most 1024. */
  get faultsSeen(): readonly SeenFault[] {
    return this.#faults.seen
  }

  /** All faults since reset. */
  get faultCount(): number {
    return this.#faults.count
  }

  get enabled(): boolean {
    return this.#enabled
  }

  /** All registers 0, so that addresses pass; nothing kept, and every address of 32 bits is a target. */
  reset(): void {
    this.#registers.reset()
    this.#errors.fill(0)
    this.#nextError = 0
    this.#targets = 2 ** TARGETS - 1
    this.#faults.reset()
    this.#follow()
  }

  /**
   * Which eighths of the 32-bit space devices reach memory through, a bit each from the lowest on: what the bridge’s
   * target address space register says. Of no bearing without `decodesTargets`.
   */
  setTargets(targets: number): void {
    this.#targets = targets & (2 ** TARGETS - 1)
    this.#tlb.endCopies()
  }

  /** One half of a register, as software reads it: its upper half is at the lower offset. Offsets are multiples of 4. */
  readWord(offset: number): number {
    return this.#registers.read(offset ^ 4, 4)
  }

  writeWord(offset: number, value: number): void {
    const at = this.#registers.write(offset ^ 4, 4, value >>> 0)
    if (at === FLUSH) this.#tlb.flush(value >>> 0)
    if ((at & ~4) === CONTROL || (at & ~4) === TSBBASE) this.#follow()
  }

  /** The lower half of a tag or data diagnostic register of the IOTLB; the upper halves hold nothing. */
  readTag(entry: number): number {
    const error = this.#errors[entry & (IOTLB_ENTRIES - 1)]!
    if (error !== 0) return error
    const held = this.#tlb.pageOf(entry & (IOTLB_ENTRIES - 1))
    if (held === null) return 0
    const { page, log2Size, rights } = held
    const vpn = page * 2 ** (log2Size - PAGE_SHIFT)
    const size = log2Size === LARGE_PAGE_SHIFT ? TAG.SIZE.loMask : 0
    return (vpn | size | ((rights & 2) !== 0 ? TAG.WRITE.loMask : 0)) >>> 0
  }

  readData(entry: number): number {
    const held = this.#tlb.pageOf(entry & (IOTLB_ENTRIES - 1))
    if (held === null) return 0
    const page = (held.hi << (32 - PAGE_SHIFT)) | (held.lo >>> PAGE_SHIFT)
    return (DATA.VALID.loMask | (page & DATA.PPN.loMask)) >>> 0
  }

  /** Drops what the entry holds, be it a page or an error. */
  writeTag(entry: number): void {
    const at = entry & (IOTLB_ENTRIES - 1)
    this.#errors[at] = 0
    if (this.#tlb.pageOf(at) !== null) this.#tlb.drop(at * STRIDE)
  }

  #follow(): void {
    const control = this.#registers.get(CONTROL)
    this.#enabled = ENAB.get(control) === 1
    this.#pageShift = TBWSZ.get(control) === 1 ? LARGE_PAGE_SHIFT : PAGE_SHIFT
    const size = TSBSZ.get(control)
    const missing = this.#pageShift === LARGE_PAGE_SHIFT && size > LARGEST_LARGE_TSB
    this.#indexMask = missing ? -1 : SMALLEST_TSB * 2 ** size - 1
    const baseHi = this.#registers.get(TSBBASE + 4)
    // What a Number cannot say is beyond all memory.
    this.#base = baseHi < 0x10_0000 ? baseHi * 0x1_0000_0000 + this.#registers.get(TSBBASE) : 2 ** 52
    this.#tlb.invalidateAll()
    this.#tlb.endCopies()
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
    if (kind !== 'untranslated') {
      const text = 'address translation services, which the bridge does not have'
      this.#faults.tell(requester, hi, lo, access, UNSUPPORTED_REQUEST, text)
      return UNSUPPORTED_REQUEST
    }
    const reason = this.#translate(hi >>> 0, lo >>> 0, access, out)
    if (reason !== 0) this.#refuse(requester, hi, lo, access, reason)
    return reason
  }

  #translate(hi: number, lo: number, access: Access, out: Translation): number {
    if (this.features.decodesTargets) {
      if (hi !== 0) {
        if (hi < PAST_HI) return SUN4U_FAULTS.unclaimed.value
        return this.#pass(hi & PAST_ADDRESS_HI, lo, PAGE_SHIFT, out)
      }
      if (((this.#targets >>> (lo >>> TARGET_SHIFT)) & 1) === 0) return SUN4U_FAULTS.unclaimed.value
      if (!this.#enabled) return this.#pass(hi, lo, TARGET_SHIFT, out)
    } else if (!this.#enabled) return this.#pass(hi, lo, 64, out)
    const held = this.#tlb.find(lo)
    return held >= 0 ? this.#hit(held, lo, access, out) : this.#walk(lo, access, out)
  }

  #pass(hi: number, lo: number, log2Size: number, out: Translation): 0 {
    out.hi = hi
    out.lo = lo
    out.log2Size = log2Size
    out.rights = 3
    out.tag = this.#passTag
    out.route = BYPASS
    return 0
  }

  #hit(at: number, lo: number, access: Access, out: Translation): number {
    const { words } = this.#tlb
    const rights = words[at + RIGHTS]!
    if ((rights & access) !== access) return SUN4U_FAULTS.notWritable.value
    // The KEY of an entry, which comes second, is its page’s size.
    const log2Size = words[at + 1]!
    out.hi = words[at + OUT_HI]!
    out.lo = (words[at + OUT_LO]! | (lo & ((1 << log2Size) - 1))) >>> 0
    out.log2Size = log2Size
    out.rights = rights
    out.tag = at / STRIDE
    out.route = TRANSLATED
    return 0
  }

  /** Reads the entry that the address chooses; bits above those count for nothing, so that the window repeats. */
  #walk(lo: number, access: Access, out: Translation): number {
    if (this.#indexMask < 0) return SUN4U_FAULTS.noSuchTable.value
    const ram = this.#ram
    const index = (lo >>> this.#pageShift) & this.#indexMask
    const at = ram.offsetToRead(this.#base + index * IOPTE_BYTES)
    if (at < 0) return SUN4U_FAULTS.tableAccess.value
    const entryHi = ram.view.getUint32(at)
    const entryLo = ram.view.getUint32(at + 4)
    if (entryHi < VALID_HI) return SUN4U_FAULTS.notValid.value
    const rights = (entryLo & WRITE_LO) !== 0 ? 3 : 1
    if ((rights & access) !== access) return SUN4U_FAULTS.notWritable.value
    const log2Size = (entryHi & LARGE_HI) !== 0 ? LARGE_PAGE_SHIFT : PAGE_SHIFT
    const inner = (1 << log2Size) - 1
    const outHi = entryHi & PAGE_HI
    const outLo = entryLo & ~inner
    const kept = this.#tlb.insert(lo, log2Size, outHi, outLo, rights)
    out.hi = outHi
    out.lo = (outLo | (lo & inner)) >>> 0
    out.log2Size = log2Size
    out.rights = rights
    out.tag = kept < 0 ? -1 : kept / STRIDE
    out.route = TRANSLATED
    return 0
  }

  #refuse(requester: RequesterId, hi: number, lo: number, access: Access, reason: number): void {
    const { status, text } = faultOf(reason)!
    this.#faults.tell(requester, hi, lo, access, reason, text)
    if (!this.features.recordsErrors || status === null) return
    // The first error’s status stays until software clears it.
    const control = this.#registers.get(CONTROL)
    if (XLTEERR.get(control) === 0) {
      this.#registers.set(CONTROL, XLTESTAT.setLo(XLTEERR.setLo(control, 1), status))
    }
    const write = (access & 2) !== 0 ? TAG.WRITE.loMask : 0
    const tag = TAG.ERRSTS.setLo(TAG.ERR.loMask | write | (lo >>> PAGE_SHIFT), status)
    this.#errors[this.#nextError] = tag
    this.#nextError = (this.#nextError + 1) & (IOTLB_ENTRIES - 1)
  }

  /** There are no messages on this bridge’s bus: a write is a write. */
  remapInterrupt(_source: RequesterId, hi: number, lo: number, data: number, out: Msi): Fault {
    return passMessage(hi, lo, data, out)
  }
}
