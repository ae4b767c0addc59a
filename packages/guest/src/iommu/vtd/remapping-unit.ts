import type { PageAllocator } from '@dmascope/dma'
import {
  CAP,
  CCMD,
  ECAP,
  FAULT_RECORDING,
  FRCD_HIGH,
  FSTS,
  GCMD,
  GSTS,
  IOTLB,
  IOTLB_REGISTERS,
  PMEN,
  VTD_REGISTERS,
} from '@dmascope/iommu/vtd/spec'
import { highWord, lowWord } from '@dmascope/layout'
import type { CpuBus } from '@dmascope/memory/contracts'
import { type Pair, RegisterFile } from '../register-file.ts'
import { InvalidationQueue, type PasidScope } from './invalidation-queue.ts'

const R = VTD_REGISTERS.registers

/** Capabilities that the driver asks about, decoded once. */
export interface UnitCapabilities {
  readonly cap: Pair
  readonly ecap: Pair
  /** Bits of I/O virtual address (MGAW + 1). */
  readonly maxWidth: number
  /** Page-table depths: a mask of levels 3, 4, 5 as bits 3, 4, 5. */
  readonly levels: number
  readonly cachingMode: boolean
  readonly passThrough: boolean
  readonly interruptRemapping: boolean
  readonly queuedInvalidation: boolean
  readonly snoopControl: boolean
  /** SRTP drops all caches by itself. */
  readonly flushesOnSetRoot: boolean
  readonly scalableMode: boolean
  /** In scalable mode: which stages there are, and whether first-stage pages may be of 1 GiB. */
  readonly firstStage: boolean
  readonly secondStage: boolean
  readonly firstStage1g: boolean
  readonly firstStageFiveLevels: boolean
  readonly pageSelective: boolean
  readonly maxAddressMask: number
  /** 0: none; 1: 2 MiB; 2: 1 GiB as well. */
  readonly superpageLevels: number
  readonly faultOffset: number
  readonly faultRecords: number
  readonly iotlbOffset: number
}

function readCapabilities(registers: RegisterFile): UnitCapabilities {
  const cap = registers.read64(R.CAP)
  const ecap = registers.read64(R.ECAP)
  const ofCap = (name: keyof typeof CAP.fields): number => CAP.fields[name].get(cap.lo, cap.hi)
  const ofEcap = (name: keyof typeof ECAP.fields): number => ECAP.fields[name].get(ecap.lo, ecap.hi)
  const superpages = ofCap('SSLPS')
  return {
    cap,
    ecap,
    maxWidth: ofCap('MGAW') + 1,
    // SAGAW bit n offers n + 2 levels.
    levels: (ofCap('SAGAW') << 2) & 0b11_1000,
    cachingMode: ofCap('CM') === 1,
    passThrough: ofEcap('PT') === 1,
    interruptRemapping: ofEcap('IR') === 1,
    queuedInvalidation: ofEcap('QI') === 1,
    snoopControl: ofEcap('SC') === 1,
    flushesOnSetRoot: ofCap('ESRTPS') === 1,
    scalableMode: ofEcap('SMTS') === 1,
    firstStage: ofEcap('FSTS') === 1,
    secondStage: ofEcap('SSTS') === 1,
    firstStage1g: ofCap('FS1GP') === 1,
    firstStageFiveLevels: ofCap('FS5LP') === 1,
    pageSelective: ofCap('PSI') === 1,
    maxAddressMask: ofCap('MAMV'),
    superpageLevels: (superpages & 1) === 0 ? 0 : (superpages & 2) === 0 ? 1 : 2,
    faultOffset: ofCap('FRO') * 16,
    faultRecords: ofCap('NFR') + 1,
    iotlbOffset: ofEcap('IRO') * 16,
  }
}

/** What the driver tells of the hardware that it cannot go on with. */
export type Malfunction = (text: string) => void

/**
 * One remapping unit, driven: global commands, invalidation, by queue where the hardware has one and else by register.
 * A unit that does not answer is reported as malfunctioning once and left alone from then on.
 */
export class RemappingUnit {
  /** `dmar0`. */
  readonly name: string
  readonly registers: RegisterFile
  readonly capabilities: UnitCapabilities
  readonly version: number
  /** The kernel runs it in scalable mode. */
  readonly scalable: boolean
  queue: InvalidationQueue | null = null
  dead = false
  readonly #bus: CpuBus
  readonly #pages: PageAllocator
  readonly #malfunction: Malfunction

  /** @param scalableMode - the kernel is configured and told to use scalable mode where there is one */
  constructor(
    name: string,
    base: number,
    bus: CpuBus,
    pages: PageAllocator,
    malfunction: Malfunction,
    scalableMode = false,
  ) {
    this.name = name
    this.#bus = bus
    this.#pages = pages
    this.#malfunction = malfunction
    this.registers = new RegisterFile(bus, base)
    this.capabilities = readCapabilities(this.registers)
    this.scalable = scalableMode && this.capabilities.scalableMode
    this.version = this.registers.read32(R.VER)
  }

  get status(): number {
    return this.registers.read32(R.GSTS)
  }

  /** Sets a command that stays, such as TE, and waits for its status. */
  enable(name: 'TE' | 'QIE' | 'IRE'): boolean {
    return this.#command(GCMD.fields[name].loMask, 0, GCMD.fields[name].loMask)
  }

  disable(name: 'TE' | 'QIE' | 'IRE' | 'CFI'): boolean {
    return this.#command(0, GCMD.fields[name].loMask, 0)
  }

  /** Issues a one-shot command, such as SRTP; `status` is the bit that tells that it is done. */
  trigger(name: 'SRTP' | 'SIRTP'): boolean {
    const mask = GCMD.fields[name].loMask
    return this.#command(mask, 0, mask)
  }

  /** Flushes the write buffer of units that have one (CAP.RWBF). */
  flushWriteBuffer(): void {
    if (CAP.fields.RWBF.get(this.capabilities.cap.lo) === 0) return
    this.#command(GCMD.fields.WBF.loMask, 0, 0, GSTS.fields.WBFS.loMask)
  }

  // GCMD is write-only, one command a write: what stands in GSTS is repeated, without the one-shot bits.
  #command(set: number, clear: number, wanted: number, statusMask = set | clear): boolean {
    if (this.dead) return false
    const oneShot = GCMD.fields.SRTP.loMask | GCMD.fields.SIRTP.loMask | GCMD.fields.WBF.loMask | GCMD.fields.SFL.loMask
    this.registers.write32(R.GCMD, (this.status & ~oneShot & ~clear) | set)
    if (this.registers.waitFor(R.GSTS, statusMask, wanted)) return true
    this.#fail(`global command 0x${((set | clear) >>> 0).toString(16)} was never acknowledged`)
    return false
  }

  #fail(text: string): void {
    this.dead = true
    this.#malfunction(`${this.name}: ${text}`)
  }

  /** Starts the invalidation queue, once. False where the unit has none, or memory ran out. */
  enableQueue(): boolean {
    if (this.queue !== null) return true
    if (!this.capabilities.queuedInvalidation || this.dead) return false
    this.clearFaults()
    if ((this.status & GSTS.fields.QIES.loMask) !== 0 && !this.disable('QIE')) return false
    const queue = InvalidationQueue.create(this.#bus, this.#pages, this.registers, this.capabilities.scalableMode)
    if (queue === null || !this.enable('QIE')) return false
    this.queue = queue
    return true
  }

  /** Clears every fault that was recorded before this kernel ran. */
  clearFaults(): void {
    const { faultOffset, faultRecords } = this.capabilities
    const { FRCD_HIGH: RECORD } = FAULT_RECORDING.registers
    for (let index = 0; index < faultRecords; index++) {
      this.registers.write64(RECORD, FRCD_HIGH.fields.F.hiMask, 0, faultOffset + index * FAULT_RECORDING.size)
    }
    const { PFO, IQE, ICE, ITE } = FSTS.fields
    this.registers.write32(R.FSTS, PFO.loMask | IQE.loMask | ICE.loMask | ITE.loMask)
  }

  /** Drops context entries: all, or one device's. */
  invalidateContext(scope: { readonly domainId: number; readonly source: number } | null): void {
    if (this.dead) return
    if (this.queue !== null) {
      if (!this.queue.contextCache(scope)) this.#fail('a context-cache invalidation never completed')
      return
    }
    let hi = CCMD.fields.ICC.hiMask
    let lo = 0
    hi = CCMD.fields.CIRG.setHi(hi, scope === null ? 1 : 3)
    if (scope !== null) {
      lo = CCMD.fields.SID.setLo(CCMD.fields.DID.setLo(0, scope.domainId), scope.source)
    }
    this.registers.write64(R.CCMD, hi, lo)
    this.#waitHigh(R.CCMD.offset, CCMD.fields.ICC.hiMask, 'a context command never completed')
  }

  /** Drops translations: all, a domain's, or those of 2^mask pages of a domain. */
  invalidateIotlb(scope: { readonly domainId: number; readonly page?: { iova: number; mask: number } } | null): void {
    if (this.dead) return
    const drain = {
      read: CAP.fields.DRD.get(0, this.capabilities.cap.hi),
      write: CAP.fields.DWD.get(0, this.capabilities.cap.hi),
    }
    if (this.queue !== null) {
      if (!this.queue.iotlb(scope, drain)) this.#fail('an IOTLB invalidation never completed')
      return
    }
    const at = this.capabilities.iotlbOffset
    const { IVA, IOTLB: IOTLB_REG } = IOTLB_REGISTERS.registers
    const page = scope?.page
    if (page) this.registers.write64(IVA, highWord(page.iova), (lowWord(page.iova) & ~0xfff) | page.mask, at)
    let hi = IOTLB.fields.IVT.hiMask
    hi = IOTLB.fields.IIRG.setHi(hi, page ? 3 : scope ? 2 : 1)
    hi = IOTLB.fields.DID.setHi(hi, scope?.domainId ?? 0)
    hi = IOTLB.fields.DW.setHi(hi, drain.write)
    hi = IOTLB.fields.DR.setHi(hi, drain.read)
    this.registers.write64(IOTLB_REG, hi, 0, at)
    this.#waitHigh(at + IOTLB_REG.offset, IOTLB.fields.IVT.hiMask, 'an IOTLB invalidation never completed')
  }

  /** Drops PASID table entries: all, or those of a PASID of a domain. Scalable mode has a queue. */
  invalidatePasids(scope: { readonly domainId: number; readonly pasid: number } | null): void {
    if (this.dead || this.queue === null) return
    if (!this.queue.pasidCache(scope)) this.#fail('a PASID-cache invalidation never completed')
  }

  /** Drops first-stage mappings of a PASID of a domain. */
  invalidatePasidIotlb(scope: PasidScope): void {
    if (this.dead || this.queue === null) return
    if (!this.queue.pasidIotlb(scope)) this.#fail('a PASID-based IOTLB invalidation never completed')
  }

  /** Drops interrupt entries: all, or one. Only units with a queue remap interrupts. */
  invalidateInterruptEntries(index: number | null): void {
    if (this.dead || this.queue === null) return
    if (!this.queue.interruptEntryCache(index)) this.#fail('an interrupt entry cache invalidation never completed')
  }

  #waitHigh(offset: number, mask: number, text: string): void {
    for (let tries = 0; tries < 1000; tries++) {
      if ((this.#bus.read32(this.registers.base + offset + 4) & mask) === 0) return
    }
    this.#fail(text)
  }

  /** Turns the protected memory regions off, which would else keep devices out of memory. */
  disableProtectedMemory(): void {
    const { cap } = this.capabilities
    if (this.dead || (CAP.fields.PLMR.get(cap.lo) === 0 && CAP.fields.PHMR.get(cap.lo) === 0)) return
    this.registers.write32(R.PMEN, this.registers.read32(R.PMEN) & ~PMEN.fields.EPM.loMask)
    this.registers.waitFor(R.PMEN, PMEN.fields.PRS.loMask, 0)
  }
}
