import type { GuestRam } from '@dmascope/memory'
import type { RequesterId } from '../translator.ts'
import { EventInterrupt } from './event-interrupt.ts'
import type { FaultRecorder } from './fault-recorder.ts'
import {
  type DeviceTlbAnswer,
  LARGEST_ADDRESS_MASK,
  LARGEST_HANDLE_MASK,
  type VtdFeatures,
  type VtdWiring,
} from './options.ts'
import type { RegisterFile } from './register-file.ts'
import {
  CONTEXT_CACHE_DESCRIPTOR,
  DESCRIPTOR_HEADER,
  DESCRIPTOR_TYPE,
  DEVICE_TLB_DESCRIPTOR,
  DEVICE_TLB_DESCRIPTOR_HIGH,
  INTERRUPT_ENTRY_CACHE_DESCRIPTOR,
  INVALIDATION_DESCRIPTOR,
  IOTLB_DESCRIPTOR,
  IOTLB_DESCRIPTOR_HIGH,
  WAIT_DESCRIPTOR,
  WAIT_DESCRIPTOR_HIGH,
} from './spec/invalidation.ts'
import { FSTS, ICS, IOTLB_GRANULARITY, IQA, IQERCD, IQT, VTD_REGISTERS } from './spec/registers.ts'

const { IQH: HEAD, IQT: TAIL, IQA: ADDRESS, ICS: COMPLETION, IECTL, IQERCD: ERROR_RECORD } = VTD_REGISTERS.registers
const { IQE, ICE, ITE } = FSTS.fields
const BYTES = INVALIDATION_DESCRIPTOR.size

/** Which bits of the four words a descriptor's fields cover; the others are reserved. */
const reservedOf = (low: { readonly fields: object }, high?: { readonly fields: object }): readonly number[] => {
  const words = [0, 0, 0, 0]
  const cover = (at: number, from: { readonly fields: object }): void => {
    for (const field of Object.values(from.fields) as { readonly loMask: number; readonly hiMask: number }[]) {
      words[at] = words[at]! | field.loMask
      words[at + 1] = words[at + 1]! | field.hiMask
    }
  }
  cover(0, low)
  if (high !== undefined) cover(2, high)
  return words.map((covered) => ~covered | 0)
}
const also = (words: readonly number[], low: number, high: number): readonly number[] =>
  words.map((word, at) => (at === 0 ? word | low : at === 1 ? word | high : word))
const { PD } = WAIT_DESCRIPTOR.fields
const { PFSID_3_0, PFSID_15_4 } = DEVICE_TLB_DESCRIPTOR.fields
// ECAP.PDS and ECAP.DIT are clear, which reserves PD and PFSID.
const RESERVED: Readonly<Record<number, readonly number[]>> = {
  [DESCRIPTOR_TYPE.contextCache]: reservedOf(CONTEXT_CACHE_DESCRIPTOR),
  [DESCRIPTOR_TYPE.iotlb]: reservedOf(IOTLB_DESCRIPTOR, IOTLB_DESCRIPTOR_HIGH),
  [DESCRIPTOR_TYPE.deviceTlb]: also(
    reservedOf(DEVICE_TLB_DESCRIPTOR, DEVICE_TLB_DESCRIPTOR_HIGH),
    PFSID_3_0.loMask,
    PFSID_15_4.hiMask,
  ),
  [DESCRIPTOR_TYPE.interruptEntryCache]: reservedOf(INTERRUPT_ENTRY_CACHE_DESCRIPTOR),
  [DESCRIPTOR_TYPE.wait]: also(reservedOf(WAIT_DESCRIPTOR, WAIT_DESCRIPTOR_HIGH), PD.loMask, 0),
}

/** Values of IQERCD.IQEI. */
const ERROR = { none: 0, tail: 1, fetch: 2, type: 3, reserved: 4, width: 5 } as const

/** What the descriptors invalidate. Granularities are those of the registers; answers false for a reserved one. */
export interface Invalidations {
  context(granularity: number, domain: number, requester: RequesterId, functionMask: number): boolean
  iotlb(granularity: number, domain: number, hi: number, lo: number, log2Pages: number, leafOnly: boolean): boolean
  interruptEntries(index: number, mask: number): void
  allInterruptEntries(): void
}

/**
 * Queued invalidation. Descriptors are worked off at once when software moves the tail; one pass goes around the queue
 * at most once, whatever the queue holds.
 */
export class InvalidationQueue {
  enabled = false
  readonly event: EventInterrupt
  readonly #ram: GuestRam
  readonly #registers: RegisterFile
  readonly #faults: FaultRecorder
  readonly #targets: Invalidations
  readonly #features: VtdFeatures
  readonly #deviceTlb: (requester: RequesterId, hi: number, lo: number, log2Size: number) => DeviceTlbAnswer
  /** A device did not answer: the next wait descriptor will not complete. */
  #timedOut = false
  #timedOutDevice = 0

  constructor(
    registers: RegisterFile,
    features: VtdFeatures,
    wiring: VtdWiring,
    faults: FaultRecorder,
    targets: Invalidations,
  ) {
    this.#ram = wiring.ram
    this.#registers = registers
    this.#features = features
    this.#faults = faults
    this.#targets = targets
    this.#deviceTlb = wiring.onDeviceTlbInvalidate ?? (() => 'done')
    this.event = new EventInterrupt(registers, IECTL.offset, wiring.raiseMsi)
  }

  /** GCMD.QIE changed. The head is 0 while the queue is disabled. */
  setEnabled(enabled: boolean): void {
    this.enabled = enabled
    this.#registers.set(HEAD.offset, 0)
    this.#timedOut = false
    if (enabled) this.run()
  }

  /** Software wrote ICS: with IWC clear, no completion is pending. */
  completionWritten(): void {
    if ((this.#registers.get(COMPLETION.offset) & ICS.fields.IWC.loMask) === 0) this.event.withdraw()
  }

  /** Fetches from head to tail. Nothing is fetched while IQE or ITE waits for software. */
  run(): void {
    if (!this.enabled) return
    const registers = this.#registers
    const setup = registers.get(ADDRESS.offset)
    const base = registers.get(ADDRESS.offset + 4) * 0x1_0000_0000 + ((setup & -4096) >>> 0)
    const size = 4096 * 2 ** IQA.fields.QS.get(setup)
    const tail = IQT.fields.QT.get(registers.get(TAIL.offset))
    if (this.#isStopped()) return
    if (registers.get(HEAD.offset) === tail) return
    // 256-bit descriptors belong to scalable mode.
    const refused = (setup & IQA.fields.DW.loMask) !== 0 ? ERROR.width : tail >= size ? ERROR.tail : ERROR.none
    if (refused !== ERROR.none) this.#error(refused)
    for (let left = size / BYTES; left > 0; left--) {
      const head = registers.get(HEAD.offset)
      if (head === tail || this.#isStopped()) return
      const error = this.#execute(base + head)
      if (error === ERROR.none) registers.set(HEAD.offset, (head + BYTES) % size)
      else this.#error(error)
    }
  }

  #isStopped(): boolean {
    return this.#faults.hasCondition(IQE.loMask | ITE.loMask)
  }

  /** The head stays at the descriptor in error, for software to see and to replace. */
  #error(code: number): void {
    const { IQEI } = IQERCD.fields
    this.#registers.set(ERROR_RECORD.offset, IQEI.setLo(this.#registers.get(ERROR_RECORD.offset), code))
    this.#faults.raiseCondition(IQE.loMask)
  }

  #execute(address: number): number {
    const at = this.#ram.offsetToRead(address)
    if (at < 0) return ERROR.fetch
    const { view } = this.#ram
    const { low, high } = INVALIDATION_DESCRIPTOR.fields
    const w0 = low.lo.get(view, at)
    const w1 = low.hi.get(view, at)
    const w2 = high.lo.get(view, at)
    const w3 = high.hi.get(view, at)
    const { TYPE_3_0, TYPE_6_4 } = DESCRIPTOR_HEADER.fields
    const type = TYPE_3_0.get(w0) | (TYPE_6_4.get(w0) << 4)
    const reserved = RESERVED[type]
    if (reserved === undefined || !this.#isSupported(type)) return ERROR.type
    if (((w0 & reserved[0]!) | (w1 & reserved[1]!) | (w2 & reserved[2]!) | (w3 & reserved[3]!)) !== 0) {
      return ERROR.reserved
    }
    switch (type) {
      case DESCRIPTOR_TYPE.contextCache:
        return this.#contextCache(w0, w1)
      case DESCRIPTOR_TYPE.iotlb:
        return this.#iotlb(w0, w2, w3)
      case DESCRIPTOR_TYPE.deviceTlb:
        return this.#invalidateDeviceTlb(w1, w2, w3)
      case DESCRIPTOR_TYPE.interruptEntryCache:
        return this.#interruptEntryCache(w0, w1)
      default:
        return this.#wait(w0, w1, w2, w3)
    }
  }

  #isSupported(type: number): boolean {
    if (type === DESCRIPTOR_TYPE.deviceTlb) return this.#features.deviceIotlb
    return type !== DESCRIPTOR_TYPE.interruptEntryCache || this.#features.interruptRemapping
  }

  #contextCache(w0: number, w1: number): number {
    const { G, DID, SID, FM } = CONTEXT_CACHE_DESCRIPTOR.fields
    const known = this.#targets.context(G.get(w0, w1), DID.get(w0, w1), SID.get(w0, w1), FM.get(w0, w1))
    return known ? ERROR.none : ERROR.reserved
  }

  #iotlb(w0: number, w2: number, w3: number): number {
    const granularity = IOTLB_DESCRIPTOR.fields.G.get(w0)
    const log2Pages = IOTLB_DESCRIPTOR_HIGH.fields.AM.get(w2)
    if (granularity === IOTLB_GRANULARITY.page && log2Pages > LARGEST_ADDRESS_MASK) return ERROR.reserved
    const domain = IOTLB_DESCRIPTOR.fields.DID.get(w0)
    const leafOnly = IOTLB_DESCRIPTOR_HIGH.fields.IH.get(w2) !== 0
    const known = this.#targets.iotlb(granularity, domain, w3, (w2 & -4096) >>> 0, log2Pages, leafOnly)
    return known ? ERROR.none : ERROR.reserved
  }

  #invalidateDeviceTlb(w1: number, w2: number, w3: number): number {
    const requester = DEVICE_TLB_DESCRIPTOR.fields.SID.get(0, w1)
    const sized = (w2 & DEVICE_TLB_DESCRIPTOR_HIGH.fields.S.loMask) !== 0
    const answer = this.#deviceTlb(requester, w3, (w2 & -4096) >>> 0, sized ? log2RangeOf(w3, w2) : 12)
    if (answer === 'timeout') {
      this.#timedOut = true
      this.#timedOutDevice = requester
    } else if (answer === 'invalid') {
      const record = this.#registers.get(ERROR_RECORD.offset + 4)
      this.#registers.set(ERROR_RECORD.offset + 4, IQERCD.fields.ICESID.setHi(record, requester))
      this.#faults.raiseCondition(ICE.loMask)
    }
    return ERROR.none
  }

  #interruptEntryCache(w0: number, w1: number): number {
    const { G, IM, IIDX } = INTERRUPT_ENTRY_CACHE_DESCRIPTOR.fields
    if (G.get(w0) === 0) {
      this.#targets.allInterruptEntries()
      return ERROR.none
    }
    if (IM.get(w0) > LARGEST_HANDLE_MASK) return ERROR.reserved
    this.#targets.interruptEntries(IIDX.get(w0, w1), IM.get(w0))
    return ERROR.none
  }

  #wait(w0: number, w1: number, w2: number, w3: number): number {
    if (this.#timedOut) {
      // The wait is aborted: it neither writes its status nor raises its event.
      this.#timedOut = false
      const record = this.#registers.get(ERROR_RECORD.offset + 4)
      this.#registers.set(ERROR_RECORD.offset + 4, IQERCD.fields.ITESID.setHi(record, this.#timedOutDevice))
      this.#faults.raiseCondition(ITE.loMask)
      return ERROR.none
    }
    if ((w0 & WAIT_DESCRIPTOR.fields.SW.loMask) !== 0) {
      const at = this.#ram.offsetToWrite(w3 * 0x1_0000_0000 + ((w2 & -4) >>> 0))
      if (at < 0) return ERROR.fetch
      this.#ram.view.setUint32(at, w1, true)
    }
    if ((w0 & WAIT_DESCRIPTOR.fields.IF.loMask) !== 0) {
      const completion = this.#registers.get(COMPLETION.offset)
      // A completion that software has not serviced yet raises no second event.
      if ((completion & ICS.fields.IWC.loMask) === 0) {
        this.#registers.set(COMPLETION.offset, (completion | ICS.fields.IWC.loMask) >>> 0)
        this.event.signal()
      }
    }
    return ERROR.none
  }
}

/** With S set, the lowest clear address bit from 12 up tells the size: 8 KiB for bit 12, and so on; none: all. */
function log2RangeOf(hi: number, lo: number): number {
  for (let bit = 12; bit < 63; bit++) {
    const word = bit < 32 ? lo : hi
    if (((word >>> (bit & 31)) & 1) === 0) return bit + 1
  }
  return 64
}
