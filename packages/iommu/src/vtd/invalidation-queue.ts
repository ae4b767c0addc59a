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
import { isOfPasids, log2RangeOf, RESERVED } from './queue-descriptors.ts'
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
} from './spec/invalidation.ts'
import { FSTS, ICS, IOTLB_GRANULARITY, IQA, IQERCD, IQT, VTD_REGISTERS } from './spec/registers.ts'
import {
  PASID_CACHE_DESCRIPTOR,
  PASID_DEVICE_TLB_DESCRIPTOR,
  PASID_DEVICE_TLB_DESCRIPTOR_HIGH,
  PASID_IOTLB_DESCRIPTOR,
  PASID_IOTLB_DESCRIPTOR_HIGH,
  PASID_IOTLB_GRANULARITY,
  WIDE_INVALIDATION_DESCRIPTOR,
} from './spec/scalable-invalidation.ts'

const { IQH: HEAD, IQT: TAIL, IQA: ADDRESS, ICS: COMPLETION, IECTL, IQERCD: ERROR_RECORD } = VTD_REGISTERS.registers
const { IQE, ICE, ITE } = FSTS.fields

/** Values of IQERCD.IQEI. */
const ERROR = { none: 0, tail: 1, fetch: 2, type: 3, reserved: 4, width: 5, alignment: 6 } as const

/** For a device-TLB invalidation: the translations of all PASIDs. */
const ALL_PASIDS = -1

/** What the descriptors invalidate. Granularities are those of the registers; answers false for a reserved one. */
export interface Invalidations {
  context(granularity: number, domain: number, requester: RequesterId, functionMask: number): boolean
  iotlb(granularity: number, domain: number, hi: number, lo: number, log2Pages: number, leafOnly: boolean): boolean
  pasids(granularity: number, domain: number, pasid: number): boolean
  pasidIotlb(domain: number, pasid: number): void
  pasidIotlbPages(domain: number, pasid: number, hi: number, lo: number, log2Pages: number): void
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
  readonly #deviceTlb: NonNullable<VtdWiring['onDeviceTlbInvalidate']>
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
    const wide = (setup & IQA.fields.DW.loMask) !== 0
    const bytes = wide ? WIDE_INVALIDATION_DESCRIPTOR.size : INVALIDATION_DESCRIPTOR.size
    const refused = this.#refusalOf(wide, tail, bytes, size)
    if (refused !== ERROR.none) this.#error(refused)
    for (let left = size / bytes; left > 0; left--) {
      const head = registers.get(HEAD.offset)
      if (head === tail || this.#isStopped()) return
      const error = this.#execute(base + head, wide)
      if (error === ERROR.none) registers.set(HEAD.offset, (head + bytes) % size)
      else this.#error(error)
    }
  }

  /** 256-bit descriptors belong to scalable mode. */
  #refusalOf(wide: boolean, tail: number, bytes: number, size: number): number {
    if (wide && !this.#features.scalableMode) return ERROR.width
    if (tail >= size) return ERROR.tail
    return tail % bytes === 0 ? ERROR.none : ERROR.alignment
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

  #execute(address: number, wide: boolean): number {
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
    if (!wide && isOfPasids(type)) return ERROR.width
    if (wide && !this.#isUpperHalfClear(at)) return ERROR.reserved
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
      case DESCRIPTOR_TYPE.pasidIotlb:
        return this.#pasidIotlb(w0, w1, w2, w3)
      case DESCRIPTOR_TYPE.pasidCache:
        return this.#pasidCache(w0, w1)
      case DESCRIPTOR_TYPE.pasidDeviceTlb:
        return this.#invalidatePasidDeviceTlb(w0, w1, w2, w3)
      default:
        return this.#wait(w0, w1, w2, w3)
    }
  }

  /** Both halves lie in one page, so that the upper one is read where the lower one was. */
  #isUpperHalfClear(at: number): boolean {
    const { view } = this.#ram
    const { reserved_128, reserved_192 } = WIDE_INVALIDATION_DESCRIPTOR.fields
    const low = reserved_128.lo.get(view, at) | reserved_128.hi.get(view, at)
    return (low | reserved_192.lo.get(view, at) | reserved_192.hi.get(view, at)) === 0
  }

  #isSupported(type: number): boolean {
    if (isOfPasids(type) && !this.#features.scalableMode) return false
    if (type === DESCRIPTOR_TYPE.pasidDeviceTlb) return this.#features.deviceIotlb
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
    return this.#answered(requester, answer)
  }

  #invalidatePasidDeviceTlb(w0: number, w1: number, w2: number, w3: number): number {
    const requester = PASID_DEVICE_TLB_DESCRIPTOR.fields.SID.get(w0)
    const { S, G } = PASID_DEVICE_TLB_DESCRIPTOR_HIGH.fields
    const pasid = (w2 & G.loMask) !== 0 ? ALL_PASIDS : PASID_DEVICE_TLB_DESCRIPTOR.fields.PASID.get(0, w1)
    const log2Size = (w2 & S.loMask) !== 0 ? log2RangeOf(w3, w2) : 12
    return this.#answered(requester, this.#deviceTlb(requester, w3, (w2 & -4096) >>> 0, log2Size, pasid))
  }

  #pasidCache(w0: number, w1: number): number {
    const { G, DID, PASID } = PASID_CACHE_DESCRIPTOR.fields
    return this.#targets.pasids(G.get(w0), DID.get(w0), PASID.get(0, w1)) ? ERROR.none : ERROR.reserved
  }

  #pasidIotlb(w0: number, w1: number, w2: number, w3: number): number {
    const { G, DID, PASID } = PASID_IOTLB_DESCRIPTOR.fields
    const domain = DID.get(w0)
    const pasid = PASID.get(0, w1)
    const granularity = G.get(w0)
    if (granularity === PASID_IOTLB_GRANULARITY.pasid) {
      this.#targets.pasidIotlb(domain, pasid)
      return ERROR.none
    }
    const log2Pages = PASID_IOTLB_DESCRIPTOR_HIGH.fields.AM.get(w2)
    if (granularity !== PASID_IOTLB_GRANULARITY.page || log2Pages > LARGEST_ADDRESS_MASK) return ERROR.reserved
    this.#targets.pasidIotlbPages(domain, pasid, w3, (w2 & -4096) >>> 0, log2Pages)
    return ERROR.none
  }

  /** What becomes of a device-TLB invalidation that the device answered thus. */
  #answered(requester: RequesterId, answer: DeviceTlbAnswer): number {
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
      const at = this.#ram.offsetToWrite(w3 * 0x1_0000_0000 + ((w2 & -4) >>> 0), 4)
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
