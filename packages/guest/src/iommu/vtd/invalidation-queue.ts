import type { PageAllocator } from '@dmascope/dma'
import {
  CONTEXT_CACHE_DESCRIPTOR,
  CONTEXT_GRANULARITY,
  DESCRIPTOR_TYPE,
  FSTS,
  INTERRUPT_ENTRY_CACHE_DESCRIPTOR,
  INVALIDATION_DESCRIPTOR,
  IOTLB_DESCRIPTOR,
  IOTLB_DESCRIPTOR_HIGH,
  IOTLB_GRANULARITY,
  IQA,
  PASID_CACHE_DESCRIPTOR,
  PASID_CACHE_GRANULARITY,
  PASID_IOTLB_DESCRIPTOR,
  PASID_IOTLB_DESCRIPTOR_HIGH,
  PASID_IOTLB_GRANULARITY,
  VTD_REGISTERS,
  WAIT_DESCRIPTOR,
  WIDE_INVALIDATION_DESCRIPTOR,
} from '@dmascope/iommu/vtd/spec'
import { highWord, lowWord } from '@dmascope/layout'
import type { CpuBus } from '@dmascope/memory/contracts'
import type { RegisterFile } from '../register-file.ts'

const R = VTD_REGISTERS.registers
/** One page of descriptors; two, of those that have 256 bits. */
const ENTRIES = 256
const DONE = 2
const POLLS = 1000

/** First-stage mappings. */
export interface PasidScope {
  readonly domainId: number
  readonly pasid: number
  readonly page?: { readonly iova: number; readonly mask: number }
}

/**
 * The driver's end of the invalidation queue. Every request is followed by a wait descriptor and waited for, so that
 * the queue is empty between calls (VT-d 4.1 §6.5.2).
 */
export class InvalidationQueue {
  /** Guest-physical addresses of the descriptors and of the word that the hardware writes when it is done. */
  readonly descriptors: number
  readonly status: number
  readonly #bus: CpuBus
  readonly #registers: RegisterFile
  /** Bytes of a descriptor. */
  readonly #size: number
  #tail = 0

  private constructor(bus: CpuBus, registers: RegisterFile, descriptors: number, status: number, size: number) {
    this.#bus = bus
    this.#registers = registers
    this.#size = size
    this.descriptors = descriptors
    this.status = status
  }

  /**
   * Allocates a queue and points the unit at it; the unit must have queued invalidation off. Null without memory.
   *
   * @param wide - descriptors have 256 bits: where the unit has scalable mode, be it used or not
   */
  static create(bus: CpuBus, pages: PageAllocator, registers: RegisterFile, wide: boolean): InvalidationQueue | null {
    const count = wide ? 2 : 1
    const descriptors = pages.allocate(count)
    const status = descriptors === null ? null : pages.allocate(1)
    if (descriptors === null || status === null) {
      if (descriptors !== null) pages.free(descriptors, count)
      return null
    }
    const { DW, QS } = IQA.fields
    registers.write64(R.IQT, 0, 0)
    const setup = wide ? DW.setLo(QS.setLo(lowWord(descriptors), 1), 1) : lowWord(descriptors)
    registers.write64(R.IQA, highWord(descriptors), setup)
    const { size } = wide ? WIDE_INVALIDATION_DESCRIPTOR : INVALIDATION_DESCRIPTOR
    return new InvalidationQueue(bus, registers, descriptors, status, size)
  }

  contextCache(scope: { readonly domainId: number; readonly source: number } | null): boolean {
    const { TYPE_3_0, G, DID, SID } = CONTEXT_CACHE_DESCRIPTOR.fields
    let lo = TYPE_3_0.setLo(0, DESCRIPTOR_TYPE.contextCache)
    lo = G.setLo(lo, scope === null ? CONTEXT_GRANULARITY.global : CONTEXT_GRANULARITY.device)
    lo = DID.setLo(lo, scope?.domainId ?? 0)
    return this.#submit(lo, SID.setHi(0, scope?.source ?? 0), 0, 0)
  }

  iotlb(
    scope: { readonly domainId: number; readonly page?: { readonly iova: number; readonly mask: number } } | null,
    drain: { readonly read: number; readonly write: number },
  ): boolean {
    const { TYPE_3_0, G, DID, DR, DW } = IOTLB_DESCRIPTOR.fields
    const { ADDR, AM } = IOTLB_DESCRIPTOR_HIGH.fields
    const page = scope?.page
    let lo = TYPE_3_0.setLo(0, DESCRIPTOR_TYPE.iotlb)
    lo = G.setLo(lo, page ? IOTLB_GRANULARITY.page : scope ? IOTLB_GRANULARITY.domain : IOTLB_GRANULARITY.global)
    lo = DID.setLo(lo, scope?.domainId ?? 0)
    lo = DR.setLo(lo, drain.read)
    lo = DW.setLo(lo, drain.write)
    const iova = page?.iova ?? 0
    return this.#submit(lo, 0, AM.setLo(ADDR.setLo(0, iova), page?.mask ?? 0), ADDR.setHi(0, iova))
  }

  /** PASID table entries: all, or those of a PASID of a domain. */
  pasidCache(scope: { readonly domainId: number; readonly pasid: number } | null): boolean {
    const { TYPE_3_0, G, DID, PASID } = PASID_CACHE_DESCRIPTOR.fields
    const granularity = scope === null ? PASID_CACHE_GRANULARITY.global : PASID_CACHE_GRANULARITY.pasid
    const lo = DID.setLo(G.setLo(TYPE_3_0.setLo(0, DESCRIPTOR_TYPE.pasidCache), granularity), scope?.domainId ?? 0)
    return this.#submit(lo, PASID.setHi(0, scope?.pasid ?? 0), 0, 0)
  }

  /** First-stage mappings of a PASID of a domain: all, or those of 2^mask pages. */
  pasidIotlb({ domainId, pasid, page }: PasidScope): boolean {
    const { TYPE_3_0, G, DID, PASID } = PASID_IOTLB_DESCRIPTOR.fields
    const { ADDR, AM } = PASID_IOTLB_DESCRIPTOR_HIGH.fields
    const granularity = page ? PASID_IOTLB_GRANULARITY.page : PASID_IOTLB_GRANULARITY.pasid
    const lo = DID.setLo(G.setLo(TYPE_3_0.setLo(0, DESCRIPTOR_TYPE.pasidIotlb), granularity), domainId)
    const iova = page?.iova ?? 0
    return this.#submit(lo, PASID.setHi(0, pasid), AM.setLo(ADDR.setLo(0, iova), page?.mask ?? 0), ADDR.setHi(0, iova))
  }

  interruptEntryCache(index: number | null): boolean {
    const { TYPE_3_0, G, IIDX } = INTERRUPT_ENTRY_CACHE_DESCRIPTOR.fields
    const lo = G.setLo(TYPE_3_0.setLo(0, DESCRIPTOR_TYPE.interruptEntryCache), index === null ? 0 : 1)
    return this.#submit(lo, IIDX.setHi(0, index ?? 0), 0, 0)
  }

  #submit(lo: number, hi: number, highLo: number, highHi: number): boolean {
    this.#bus.write32(this.status, 0)
    this.#append(lo, hi, highLo, highHi)
    const { TYPE_3_0, SW, STATUS_DATA } = WAIT_DESCRIPTOR.fields
    const wait = SW.setLo(TYPE_3_0.setLo(0, DESCRIPTOR_TYPE.wait), 1)
    this.#append(wait, STATUS_DATA.setHi(0, DONE), lowWord(this.status), highWord(this.status))
    this.#registers.write64(R.IQT, 0, this.#tail * this.#size)
    for (let polls = 0; polls < POLLS; polls++) {
      if (this.#bus.read32(this.status) === DONE) return true
      if (FSTS.fields.IQE.get(this.#registers.read32(R.FSTS)) === 1) return false
    }
    return false
  }

  #append(lo: number, hi: number, highLo: number, highHi: number): void {
    const at = this.descriptors + this.#tail * this.#size
    this.#bus.write32(at, lo)
    this.#bus.write32(at + 4, hi)
    this.#bus.write32(at + 8, highLo)
    this.#bus.write32(at + 12, highHi)
    for (let rest = 16; rest < this.#size; rest += 4) this.#bus.write32(at + rest, 0)
    this.#tail = (this.#tail + 1) % ENTRIES
  }
}
