import type { GuestRam } from '@dmascope/memory'
import { passMessage } from '../pass-message.ts'
import type { Msi, RequesterId } from '../translator.ts'
import {
  type DeviceTableCache,
  DOMAIN,
  FLAGS,
  INTERRUPT_REASON,
  INTERRUPTS_HI,
  INTERRUPTS_LO,
  INTERRUPTS_VALID,
} from './device-table-cache.ts'
import type { EventLog } from './event-log.ts'
import { FAULTS } from './faults.ts'
import type { AmdViFeatures } from './options.ts'
import { EVENT_CODE } from './spec/events.ts'
import {
  INTERRUPT_RANGE_FIRST,
  IRTE_BASIC,
  IRTE_BASIC_BITS,
  IRTE_GA,
  IRTE_GA_HIGH,
  MESSAGE_ADDRESS,
  MESSAGE_DATA,
  MESSAGE_INDEX_MASK,
  MESSAGE_TYPE,
} from './spec/interrupts.ts'
import { DTE_2, INT_CTL } from './spec/tables.ts'

const LINES = 256
const STRIDE = 4
/**
 * Words of a line: 0 or requester, index and CACHED; the entry's lower word; its vector, with the destination's bits
 * 31:24 above; the fault that it makes.
 */
const TAG = 0
const ENTRY = 1
const VECTOR = 2
const REASON = 3
const CACHED = 0x800_0000

const { IntCtl, NMIPass, EIntPass, INITPass, InterruptTableRootPtr, IntTabLen, IG } = DTE_2.fields
const { RemapEn, SupIOPF, IntType, DM, GuestMode, Destination, Vector } = IRTE_BASIC_BITS.fields
const LARGEST_TABLE_LENGTH = 11
const BASIC_RESERVED = 0xff00_0000 | 0
const NOT_VALID = FAULTS.interruptUnmapped.value

/** Interrupt remapping: what device table entries allow, interrupt tables, and the cache of their entries. */
export class InterruptRemapper {
  /** Control.IommuEn and Control.GAEn. */
  enabled = false
  wideEntries = false
  /** Control.XTEn: destinations of 32 bits, in wide entries. */
  wideDestinations = false
  readonly #ram: GuestRam
  readonly #devices: DeviceTableCache
  readonly #log: EventLog
  readonly #supported: boolean
  readonly #logsFaults: boolean
  readonly #cachesNotPresent: boolean
  readonly #cache = new Int32Array((LINES + 1) * STRIDE)
  /** Physical address of the entry that could not be read. */
  #failedAddress = 0

  constructor(ram: GuestRam, features: AmdViFeatures, devices: DeviceTableCache, log: EventLog) {
    this.#ram = ram
    this.#devices = devices
    this.#log = log
    this.#supported = features.interruptRemapping
    this.#logsFaults = features.logInterruptFaults
    this.#cachesNotPresent = features.cachesNotPresent
  }

  invalidateAll(): void {
    this.#cache.fill(0)
  }

  /** Drops a requester's entries. */
  invalidateDevice(requester: RequesterId): void {
    for (let line = 0; line < LINES * STRIDE; line += STRIDE) {
      const tag = this.#cache[line + TAG]!
      if (tag !== 0 && (tag & ~CACHED) >>> 11 === requester) this.#cache[line + TAG] = 0
    }
  }

  /** Remaps one message. 0, or the fault. */
  remap(source: RequesterId, hi: number, lo: number, data: number, out: Msi): number {
    if (!this.enabled) return passMessage(hi, lo, data, out)
    const device = this.#devices.find(source)
    const words = this.#devices.words
    if ((words[device + FLAGS]! & INTERRUPTS_VALID) === 0) return passMessage(hi, lo, data, out)
    const reason = words[device + INTERRUPT_REASON]!
    if (reason !== 0) return this.#deny(source, device, hi, lo, reason, false)
    const outside = lo >>> 20 !== INTERRUPT_RANGE_FIRST >>> 20
    if (hi !== 0 || outside) return this.#deny(source, device, hi, lo, FAULTS.interruptTarget.value, false)
    const control = words[device + INTERRUPTS_HI]!
    switch (MESSAGE_DATA.fields.MT.get(data)) {
      case MESSAGE_TYPE.fixed:
      case MESSAGE_TYPE.arbitrated:
        return this.#byControl(source, device, lo, data, IntCtl.get(0, control), out)
      case MESSAGE_TYPE.smi:
        // Without an SMI filter (SmiFSup) they pass.
        return passMessage(hi, lo, data, out)
      case MESSAGE_TYPE.nmi:
        return this.#byPass(source, device, lo, data, (control & NMIPass.hiMask) !== 0, out)
      case MESSAGE_TYPE.init:
        return this.#byPass(source, device, lo, data, (control & INITPass.hiMask) !== 0, out)
      case MESSAGE_TYPE.extInt:
        return this.#byPass(source, device, lo, data, (control & EIntPass.hiMask) !== 0, out)
      default:
        return this.#deny(source, device, 0, lo, FAULTS.interruptAborted.value, false)
    }
  }

  #byPass(source: RequesterId, device: number, lo: number, data: number, passes: boolean, out: Msi): number {
    if (passes) return passMessage(0, lo, data, out)
    return this.#deny(source, device, 0, lo, FAULTS.interruptAborted.value, false)
  }

  #byControl(source: RequesterId, device: number, lo: number, data: number, control: number, out: Msi): number {
    switch (control) {
      case INT_CTL.forward:
        return passMessage(0, lo, data, out)
      case INT_CTL.remap:
        return this.#throughEntry(source, device, lo, data, out)
      case INT_CTL.abort:
        return this.#deny(source, device, 0, lo, FAULTS.interruptAborted.value, false)
      default:
        return this.#deny(source, device, 0, lo, FAULTS.entryControl.value, false)
    }
  }

  #throughEntry(source: RequesterId, device: number, lo: number, data: number, out: Msi): number {
    const table = this.#devices.words[device + INTERRUPTS_LO]!
    const length = IntTabLen.get(table)
    const index = data & MESSAGE_INDEX_MASK
    const ignoresUnmapped = (table & IG.loMask) !== 0
    if (length > LARGEST_TABLE_LENGTH) return this.#deny(source, device, 0, lo, FAULTS.entryTableLength.value, false)
    if (!this.#supported || index >= 2 ** length) {
      return this.#deny(source, device, 0, lo, FAULTS.interruptBeyondTable.value, ignoresUnmapped)
    }
    const line = this.#find(source, device, index)
    const entry = this.#cache[line + ENTRY]!
    const reason = this.#cache[line + REASON]!
    if (reason !== 0) {
      const suppressed = (entry & SupIOPF.loMask) !== 0 || (reason === NOT_VALID && ignoresUnmapped)
      return this.#deny(source, device, 0, lo, reason, suppressed)
    }
    const upper = this.wideDestinations && this.wideEntries
    // Bits 31:8 of a destination go where the upper half of the address is (AMD IOMMU 3.07 §2.2.5.2).
    out.hi = upper ? ((this.#cache[line + VECTOR]! & -0x100_0000) | ((entry >>> 8) & 0xff_ff00)) >>> 0 : 0
    out.lo =
      (INTERRUPT_RANGE_FIRST |
        MESSAGE_ADDRESS.fields.Destination.setLo(0, Destination.get(entry)) |
        MESSAGE_ADDRESS.fields.DM.setLo(0, DM.get(entry))) >>>
      0
    // Trigger mode and level stay those of the message; type and vector are the entry's.
    const kept = data & (MESSAGE_DATA.fields.TM.loMask | MESSAGE_DATA.fields.Level.loMask)
    out.data = kept | MESSAGE_DATA.fields.MT.setLo(0, IntType.get(entry)) | (this.#cache[line + VECTOR]! & 0xff)
    out.remapped = true
    return 0
  }

  /** Offset of the entry's line. What is not valid is cached only where what is not present may be. */
  #find(source: RequesterId, device: number, index: number): number {
    const cache = this.#cache
    const line = ((index ^ (source << 3)) & (LINES - 1)) * STRIDE
    const tag = CACHED | (source << 11) | index
    if (cache[line + TAG] === tag) return line
    const scratch = LINES * STRIDE
    cache.fill(0, scratch, scratch + STRIDE)
    cache[scratch + REASON] = this.#read(device, index, scratch)
    if (cache[scratch + REASON] !== 0 && !this.#cachesNotPresent) return scratch
    cache[scratch + TAG] = tag
    cache.copyWithin(line, scratch, scratch + STRIDE)
    return line
  }

  #read(device: number, index: number, into: number): number {
    const words = this.#devices.words
    const root = InterruptTableRootPtr.get(words[device + INTERRUPTS_LO]!, words[device + INTERRUPTS_HI]!)
    const address = root + index * (this.wideEntries ? IRTE_GA.size : IRTE_BASIC.size)
    const at = this.#ram.offsetToRead(address)
    if (at < 0) {
      this.#failedAddress = address
      return FAULTS.interruptTableAccess.value
    }
    const { view } = this.#ram
    const entry = IRTE_BASIC.fields.value.get(view, at)
    this.#cache[into + ENTRY] = entry
    // Both formats have the same bits 15:0; the vector stands elsewhere.
    this.#cache[into + VECTOR] = this.wideEntries ? wideVector(view, at) : Vector.get(entry)
    if ((entry & RemapEn.loMask) === 0) return NOT_VALID
    const reserved = (entry & GuestMode.loMask) | (this.wideEntries ? 0 : entry & BASIC_RESERVED)
    if (reserved !== 0 || IntType.get(entry) > MESSAGE_TYPE.arbitrated) return FAULTS.interruptReserved.value
    return 0
  }

  #deny(source: RequesterId, device: number, hi: number, lo: number, reason: number, suppressed: boolean): number {
    const code = reason & 0xf
    const silent = suppressed || !this.#logsFaults
    const failed =
      code === EVENT_CODE.DEV_TAB_HARDWARE_ERROR
        ? this.#devices.failedAddress
        : code === EVENT_CODE.PAGE_TAB_HARDWARE_ERROR
          ? this.#failedAddress
          : -1
    const domain = code === EVENT_CODE.IO_PAGE_FAULT ? this.#devices.words[device + DOMAIN]! : 0
    if (failed < 0) return this.#log.report(source, 'interrupt', hi, lo & -4, reason, domain, silent)
    const failedHi = Math.floor(failed / 0x1_0000_0000)
    return this.#log.report(source, 'interrupt', failedHi, failed >>> 0, reason, domain, silent)
  }
}

/** The vector of a 128-bit entry, and the destination's bits 31:24 in its own. */
function wideVector(view: DataView, at: number): number {
  const { Vector: vector, Destination_31_24 } = IRTE_GA_HIGH.fields
  const { lo, hi } = IRTE_GA.fields.high
  return vector.get(lo.get(view, at)) | (Destination_31_24.get(0, hi.get(view, at)) << 24)
}
