import type { Access, GuestRam, MmioHandler } from '@dmascope/memory'
import { AccessFaults } from '../access-faults.ts'
import { passMessage } from '../pass-message.ts'
import type { Fault, Msi, RequesterId, Translation, Translator } from '../translator.ts'
import { UNSUPPORTED_REQUEST } from '../translator.ts'
import { DART_FAULTS, faultText } from './faults.ts'
import type { DartOptions, SeenFault } from './options.ts'
import {
  DART_BASE_U4,
  DART_CNTL_U3,
  DART_CNTL_U4,
  DART_PAGE_SHIFT,
  DART_SIZE_U4,
  DART_U4,
  DARTMAP,
  ENTRIES_A_PAGE,
  U4_BYPASS_HI,
} from './spec/registers.ts'

/** What the TLB holds is kept by page: one that is forgotten ends copies of a few others too. */
const EPOCHS = 4096
/** Without translation, what is let through is let through in pieces of so many bits. */
const BYPASS_LOG2 = 24
/** Pages of the longest table of a U3. */
const LONGEST_U3 = 512
const VALID = DARTMAP.fields.VALID.loMask
const RPN = DARTMAP.fields.RPN.loMask
const { DART_CNTL, DART_BASE, DART_SIZE } = DART_U4.registers

/**
 * The DMA address relocation table of an Apple U3 or U4 north bridge (IBM CPC925, CPC945): one table in memory for all
 * devices behind it, an entry of 32 bits a page of 4 KiB, from bus address 0 on. It tells devices not apart, and reading
 * not from writing; off, it lets all addresses through. What its TLB holds stays until software has it forgotten, one
 * entry (U4) or all.
 *
 * DEVIATION: the exception register stays empty, and the TLB’s tags cannot be read.
 */
export class DartUnit implements Translator {
  readonly model: 'u3' | 'u4'
  readonly epochs = new Uint32Array(EPOCHS)
  readonly #ram: GuestRam
  readonly #faults: AccessFaults
  #enabled = false
  /** Page of the table, and how many it has. */
  #base = 0
  #pages = 0
  #control = 0

  constructor({ model, ram, onFault }: DartOptions) {
    this.model = model
    this.#ram = ram
    this.#faults = new AccessFaults(onFault)
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

  /** Off, and without a table. */
  reset(): void {
    this.#enabled = false
    this.#base = 0
    this.#pages = 0
    this.#control = 0
    this.#faults.reset()
    this.#forgetAll()
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
    const reason = this.#translate(hi >>> 0, lo >>> 0, out)
    if (reason !== 0) this.#faults.tell(requester, hi, lo, access, reason, faultText(reason))
    return reason
  }

  #translate(hi: number, lo: number, out: Translation): number {
    if (!this.#enabled) return letThrough(hi, lo, hi, out)
    if (this.model === 'u4' && hi >>> 7 === 1) return letThrough(hi, lo, hi - U4_BYPASS_HI, out)
    const page = lo >>> DART_PAGE_SHIFT
    if (hi !== 0 || page >= this.#pages * ENTRIES_A_PAGE) return DART_FAULTS.outsideTable.value
    const at = this.#ram.offsetToRead(this.#base * 4096 + page * 4)
    if (at < 0) return DART_FAULTS.tableAccess.value
    const entry = this.#ram.view.getUint32(at)
    if ((entry & VALID) === 0) return DART_FAULTS.notMapped.value
    const frame = entry & RPN
    out.hi = frame >>> 20
    out.lo = ((frame << DART_PAGE_SHIFT) | (lo & 0xfff)) >>> 0
    out.log2Size = DART_PAGE_SHIFT
    out.rights = 3
    out.route = 'translated'
    out.tag = page & (EPOCHS - 1)
    return 0
  }

  /** Messages are writes like any other: what they would be translated to is up to the table. */
  remapInterrupt(_source: RequesterId, hi: number, lo: number, data: number, out: Msi): Fault {
    return passMessage(hi, lo, data, out)
  }

  /** Its registers: words, in big-endian order. */
  get registers(): MmioHandler {
    return {
      read: (offset, width) => (width === 4 ? swap32(this.#read(offset)) : 0),
      write: (offset, width, value) => {
        if (width === 4) this.#write(offset, swap32(value))
      },
    }
  }

  #read(offset: number): number {
    if (offset === DART_CNTL.offset) return this.#control
    if (this.model === 'u3') return 0
    if (offset === DART_BASE.offset) return this.#base
    return offset === DART_SIZE.offset ? this.#pages : 0
  }

  #write(offset: number, value: number): void {
    if (offset === DART_CNTL.offset) {
      if (this.model === 'u3') this.#controlU3(value)
      else this.#controlU4(value)
    } else if (this.model === 'u4' && offset === DART_BASE.offset) this.#base = DART_BASE_U4.fields.BASE.get(value)
    else if (this.model === 'u4' && offset === DART_SIZE.offset) this.#pages = DART_SIZE_U4.fields.SIZE.get(value)
  }

  #controlU3(value: number): void {
    const { BASE, FLUSHTLB, ENABLE, SIZE } = DART_CNTL_U3.fields
    this.#base = BASE.get(value)
    // The longest does not fit: 0 stands for it, as software writes it (`dart_init`).
    this.#pages = SIZE.get(value) || LONGEST_U3
    this.#switch(ENABLE.get(value) === 1)
    this.#control = FLUSHTLB.setLo(value, 0) & ~0x800
    if (FLUSHTLB.get(value) === 1) this.#forgetAll()
  }

  #controlU4(value: number): void {
    const { ENABLE, IONE, FLUSHTLB, IDLE, IONE_INDEX } = DART_CNTL_U4.fields
    this.#switch(ENABLE.get(value) === 1)
    this.#control = IONE.setLo(FLUSHTLB.setLo(IDLE.setLo(value, 1), 0), 0)
    if (FLUSHTLB.get(value) === 1) this.#forgetAll()
    else if (IONE.get(value) === 1) {
      const tag = IONE_INDEX.get(value) & (EPOCHS - 1)
      this.epochs[tag] = this.epochs[tag]! + 1
    }
  }

  #switch(on: boolean): void {
    if (on === this.#enabled) return
    this.#enabled = on
    this.#forgetAll()
  }

  #forgetAll(): void {
    const epochs = this.epochs
    for (let tag = 0; tag < EPOCHS; tag++) epochs[tag] = epochs[tag]! + 1
  }
}

function letThrough(hi: number, lo: number, to: number, out: Translation): 0 {
  out.hi = to
  out.lo = lo
  out.log2Size = BYPASS_LOG2
  out.rights = 3
  out.route = 'bypass'
  out.tag = ((lo >>> BYPASS_LOG2) | (hi << (32 - BYPASS_LOG2))) & (EPOCHS - 1)
  return 0
}

const swap32 = (value: number): number =>
  ((value << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0
