import type { GuestRam } from '@dmascope/memory'
import { passMessage } from '../pass-message.ts'
import type { Msi, RequesterId } from '../translator.ts'
import type { FaultRecorder } from './fault-recorder.ts'
import type { VtdFeatures } from './options.ts'
import { FAULT_REASONS } from './spec/faults.ts'
import {
  COMPATIBILITY_ADDRESS,
  COMPATIBILITY_DATA,
  INTERRUPT_RANGE_FIRST,
  IRTE,
  IRTE_HIGH,
  IRTE_LOW,
  REMAPPABLE_ADDRESS,
  SOURCE_VALIDATION,
} from './spec/interrupts.ts'

const LINES = 256
const STRIDE = 8
/** Words of a line: 0 or index + 1, the entry's four words, and the fault that it makes of every request. */
const TAG = 0
const ENTRY = 1
const REASON = 5

const { HANDLE_14_0, HANDLE_15, FORMAT, SHV } = REMAPPABLE_ADDRESS.fields
const { P, FPD, DM, RH, TM, DLM, V, IM } = IRTE_LOW.fields
const { SID, SQ, SVT } = IRTE_HIGH.fields
const LOW_RESERVED = 0xff00_7000 | 0
const HIGH_RESERVED = ~(SID.loMask | SQ.loMask | SVT.loMask) | 0
/** What SQ leaves of the requester to compare: function bits are dropped from bit 2 down. */
const QUALIFIED = [0xffff, 0xfffb, 0xfff9, 0xfff8] as const
/** An 8-bit destination stands in bits 15:8 of DST. */
const XAPIC_DESTINATION_RESERVED = 0xffff_00ff | 0

/** Interrupt remapping: the table, the interrupt entry cache, and the check of who sent a request. */
export class InterruptRemapper {
  /** GSTS.IRES and GSTS.CFIS. */
  enabled = false
  compatibilityEnabled = false
  readonly #ram: GuestRam
  readonly #faults: FaultRecorder
  readonly #cachingMode: boolean
  readonly #blockCompatibility: boolean
  readonly #reversedBusRange: boolean
  readonly #extendedModeSupported: boolean
  readonly #cache = new Int32Array((LINES + 1) * STRIDE)
  #table = 0
  #entries = 0
  #extendedMode = false

  constructor(ram: GuestRam, features: VtdFeatures, faults: FaultRecorder) {
    this.#ram = ram
    this.#faults = faults
    this.#cachingMode = features.cachingMode
    this.#blockCompatibility = features.blockCompatibilityFormat
    this.#reversedBusRange = features.reversedBusRange
    this.#extendedModeSupported = features.extendedInterruptMode
  }

  /** IRTA_REG was latched. */
  setTable(address: number, entries: number, extendedMode: boolean): void {
    this.#table = address
    this.#entries = entries
    this.#extendedMode = extendedMode && this.#extendedModeSupported
  }

  invalidateAll(): void {
    this.#cache.fill(0)
  }

  /** Drops 2^mask entries from `index` on; the lowest `mask` bits of the index count as 0. */
  invalidateEntries(index: number, mask: number): void {
    for (let line = 0; line < LINES * STRIDE; line += STRIDE) {
      const tag = this.#cache[line + TAG]!
      if (tag !== 0 && ((tag - 1) ^ index) >>> mask === 0) this.#cache[line + TAG] = 0
    }
  }

  reset(): void {
    this.enabled = false
    this.compatibilityEnabled = false
    this.setTable(0, 0, false)
    this.invalidateAll()
  }

  /** Remaps one message. 0, or the reason of the fault, which is then recorded. */
  remap(source: RequesterId, hi: number, lo: number, data: number, out: Msi): number {
    if (!this.enabled) return passMessage(hi, lo, data, out)
    const outside = lo >>> 20 !== INTERRUPT_RANGE_FIRST >>> 20
    if (hi !== 0 || outside) return this.#fault(source, 0, FAULT_REASONS.interruptRequestReserved.value, false)
    if ((lo & FORMAT.loMask) === 0) {
      // With 32-bit destinations the compatibility format is never let through (§5.1.4).
      const blocked = this.#blockCompatibility && (this.#extendedMode || !this.compatibilityEnabled)
      if (!blocked) return passMessage(hi, lo, data, out)
      return this.#fault(source, 0, FAULT_REASONS.compatibilityBlocked.value, false)
    }
    const handle = HANDLE_14_0.get(lo) | (HANDLE_15.get(lo) << 15)
    const withSubhandle = (lo & SHV.loMask) !== 0
    if (withSubhandle && data >>> 16 !== 0) {
      return this.#fault(source, handle, FAULT_REASONS.interruptRequestReserved.value, false)
    }
    const index = withSubhandle ? handle + (data & 0xffff) : handle
    if (index >= this.#entries) return this.#fault(source, index, FAULT_REASONS.interruptIndexBeyond.value, false)
    return this.#throughEntry(source, index, out)
  }

  #throughEntry(source: RequesterId, index: number, out: Msi): number {
    const line = this.#find(index)
    const low = this.#cache[line + ENTRY]!
    const disabled = (low & FPD.loMask) !== 0
    const reason = this.#cache[line + REASON]!
    if (reason !== 0) return this.#fault(source, index, reason, disabled)
    if (!isAllowed(source, this.#cache[line + ENTRY + 2]!, this.#reversedBusRange)) {
      return this.#fault(source, index, FAULT_REASONS.sourceInvalid.value, disabled)
    }
    const dst = this.#cache[line + ENTRY + 1]!
    const destination = this.#extendedMode ? dst >>> 0 : (dst >>> 8) & 0xff
    const address = COMPATIBILITY_ADDRESS.fields
    const message = COMPATIBILITY_DATA.fields
    const level = TM.get(low)
    out.hi = (destination & 0xffff_ff00) >>> 0
    out.lo =
      (INTERRUPT_RANGE_FIRST |
        address.DESTINATION.setLo(0, destination & 0xff) |
        address.RH.setLo(0, RH.get(low)) |
        address.DM.setLo(0, DM.get(low))) >>>
      0
    // A level-triggered message asserts.
    out.data =
      message.V.setLo(0, V.get(low)) |
      message.DLM.setLo(0, DLM.get(low)) |
      message.TM.setLo(0, level) |
      message.LEVEL.setLo(0, level)
    out.remapped = true
    return 0
  }

  #fault(source: RequesterId, index: number, reason: number, disabled: boolean): number {
    return this.#faults.report(source, 'interrupt', 0, index, reason, disabled)
  }

  /** Offset of the entry's line. A faulty entry is cached in caching mode only. */
  #find(index: number): number {
    const cache = this.#cache
    const line = (index & (LINES - 1)) * STRIDE
    if (cache[line + TAG] === index + 1) return line
    const scratch = LINES * STRIDE
    cache.fill(0, scratch, scratch + STRIDE)
    cache[scratch + REASON] = this.#read(index, scratch + ENTRY)
    if (cache[scratch + REASON] !== 0 && !this.#cachingMode) return scratch
    cache[scratch + TAG] = index + 1
    cache.copyWithin(line, scratch, scratch + STRIDE)
    return line
  }

  #read(index: number, into: number): number {
    const ram = this.#ram
    const at = ram.offsetToRead(this.#table + index * IRTE.size)
    if (at < 0) return FAULT_REASONS.irteAccess.value
    const cache = this.#cache
    const low = IRTE.fields.low.lo.get(ram.view, at)
    const dst = IRTE.fields.low.hi.get(ram.view, at)
    const high = IRTE.fields.high.lo.get(ram.view, at)
    cache[into] = low
    cache[into + 1] = dst
    cache[into + 2] = high
    if ((low & P.loMask) === 0) return FAULT_REASONS.irteNotPresent.value
    // CAP.PI is clear: IM, which makes an entry a posted one, is reserved.
    let reserved = (low & (LOW_RESERVED | IM.loMask)) | (high & HIGH_RESERVED) | IRTE.fields.high.hi.get(ram.view, at)
    if (!this.#extendedMode) reserved |= dst & XAPIC_DESTINATION_RESERVED
    return reserved === 0 ? 0 : FAULT_REASONS.irteReserved.value
  }
}

/** Source validation, by the upper half of an IRTE. The reserved value of SVT allows nobody. */
function isAllowed(source: RequesterId, high: number, reversedBusRange: boolean): boolean {
  const sid = SID.get(high)
  switch (SVT.get(high)) {
    case SOURCE_VALIDATION.none:
      return true
    case SOURCE_VALIDATION.requester:
      return ((sid ^ source) & QUALIFIED[SQ.get(high) as 0 | 1 | 2 | 3]) === 0
    case SOURCE_VALIDATION.bus: {
      const bus = source >>> 8
      const upper = sid >>> 8
      const lower = sid & 0xff
      return reversedBusRange ? bus >= lower && bus <= upper : bus >= upper && bus <= lower
    }
    default:
      return false
  }
}
