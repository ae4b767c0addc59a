import type { Access, MmioHandler } from '@dmascope/memory'
import type { Fault, Msi, RequesterId, Translation, Translator } from '../translator.ts'
import { NO_PASID, UNSUPPORTED_REQUEST } from '../translator.ts'
import { DmaRemapper } from './dma-remapper.ts'
import { FaultRecorder } from './fault-recorder.ts'
import { InterruptRemapper } from './interrupt-remapper.ts'
import { InvalidationQueue, type Invalidations } from './invalidation-queue.ts'
import {
  completeFeatures,
  FAULT_RECORDING_OFFSET,
  type SeenFault,
  type VtdFeatures,
  type VtdOptions,
} from './options.ts'
import { ProtectedMemory } from './protected-memory.ts'
import { RegisterFile } from './register-file.ts'
import { CCMD_UPPER, IOTLB_UPPER, runContextCommand, runIotlbCommand } from './register-invalidation.ts'
import { ScalableRemapper } from './scalable-remapper.ts'
import { SCALABLE_FAULT_REASONS } from './spec/faults.ts'
import { GCMD, GSTS, IRTA, PROTECTED_MEMORY_GRANULE_LOG2, RTADDR, TABLE_MODE, VTD_REGISTERS } from './spec/registers.ts'

const AT = VTD_REGISTERS.registers
const command = GCMD.fields
const status = GSTS.fields

/** An Intel VT-d remapping unit: its registers towards software, a translator towards the fabric. */
export class VtdUnit implements Translator, MmioHandler {
  readonly epochs: Uint32Array
  readonly features: VtdFeatures
  readonly #registers: RegisterFile
  readonly #faults: FaultRecorder
  readonly #dma: DmaRemapper
  /** Null where the unit has no scalable mode. */
  readonly #scalable: ScalableRemapper | null
  readonly #interrupts: InterruptRemapper
  readonly #queue: InvalidationQueue
  readonly #targets: Invalidations
  readonly #protected: ProtectedMemory
  #translating = false
  /** RTADDR.TTM, as SRTP latched it. */
  #mode: number = TABLE_MODE.legacy
  /** Translation is on, the root table is legacy mode's, and no memory is protected. */
  #translatingLegacy = false
  /** Translation is off, and no memory is protected. */
  #bypassing = true

  /** @throws RangeError or TypeError for features that no unit can have */
  constructor(options: VtdOptions) {
    this.features = completeFeatures(options)
    this.#registers = new RegisterFile(this.features)
    this.#protected = new ProtectedMemory(this.#registers)
    this.#faults = new FaultRecorder(this.#registers, this.features, options)
    this.#dma = new DmaRemapper(options.ram, this.features, this.#faults)
    const { iotlb, secondStage } = this.#dma
    this.#scalable = this.features.scalableMode
      ? new ScalableRemapper(options.ram, this.features, this.#faults, iotlb, secondStage)
      : null
    this.#interrupts = new InterruptRemapper(options.ram, this.features, this.#faults)
    this.epochs = this.#dma.iotlb.epochs
    this.#targets = {
      context: (granularity, domain, requester, functionMask) =>
        this.#invalidateContexts(granularity, domain, requester, functionMask),
      pasids: (granularity, domain, pasid) => this.#scalable?.invalidatePasids(granularity, domain, pasid) ?? false,
      pasidIotlb: (domain, pasid) => this.#dma.iotlb.invalidateSpaces(domain, pasid + 1),
      pasidIotlbPages: (domain, pasid, hi, lo, log2Pages) =>
        this.#dma.iotlb.invalidatePages(domain, pasid + 1, hi & 0x1ff_ffff, lo, log2Pages),
      iotlb: (granularity, domain, hi, lo, log2Pages, leafOnly) =>
        this.#dma.invalidateIotlb(granularity, domain, hi, lo, log2Pages, leafOnly),
      interruptEntries: (index, mask) => this.#interrupts.invalidateEntries(index, mask),
      allInterruptEntries: () => this.#interrupts.invalidateAll(),
    }
    this.#queue = new InvalidationQueue(this.#registers, this.features, options, this.#faults, this.#targets)
  }

  /** Bytes that the registers take. */
  get size(): number {
    return this.#registers.size
  }

  /** The first faults since reset, recorded by the hardware or not: for observers, not for the guest. At most 1024. */
  get faultsSeen(): readonly SeenFault[] {
    return this.#faults.seen
  }

  /** All faults since reset. */
  get faultCount(): number {
    return this.#faults.count
  }

  /** GSTS.TES: whether DMA is remapped now. */
  get translationEnabled(): boolean {
    return this.#translating
  }

  /** GSTS.IRES: whether interrupts are remapped now. */
  get interruptRemappingEnabled(): boolean {
    return this.#interrupts.enabled
  }

  /** IOTLB entries in use. */
  get iotlbUsed(): number {
    return this.#dma.iotlb.used
  }

  translate(
    requester: RequesterId,
    pasid: number,
    kind: 'untranslated' | 'translated' | 'translation-request',
    hi: number,
    lo: number,
    access: Access,
    out: Translation,
  ): Fault {
    if (kind === 'untranslated' && pasid === NO_PASID) {
      if (this.#translatingLegacy) return this.#dma.translate(requester, hi | 0, lo | 0, access, out)
      if (this.#bypassing) return this.#dma.bypass(hi, lo, out)
    }
    if (this.#protected.enabled) return this.#translateProtected(requester, pasid, kind, hi, lo, access, out)
    return this.#translateOther(requester, pasid, kind, hi, lo, access, out)
  }

  /**
   * While memory is protected (VT-d 4.1, PMEN_REG): what would reach it as the device gave it, translation being off or
   * the request passed through or translated by the device, is refused, and no fault recorded. What tables translate is
   * theirs to keep away, as the specification leaves it open.
   */
  #translateProtected(
    requester: RequesterId,
    pasid: number,
    kind: 'untranslated' | 'translated' | 'translation-request',
    hi: number,
    lo: number,
    access: Access,
    out: Translation,
  ): Fault {
    const plain = kind === 'untranslated' && pasid === NO_PASID
    const fault =
      plain && !this.#translating
        ? this.#dma.bypass(hi, lo, out)
        : plain && this.#mode === TABLE_MODE.legacy
          ? this.#dma.translate(requester, hi | 0, lo | 0, access, out)
          : this.#translateOther(requester, pasid, kind, hi, lo, access, out)
    if (fault !== 0 || out.route !== 'bypass') return fault
    if (this.#protected.covers(out.hi, out.lo)) {
      const text = 'it leads into protected memory (PMEN_REG)'
      return this.#faults.reportUnrecorded(
        requester,
        access & 2 ? 'write' : 'read',
        hi,
        lo,
        UNSUPPORTED_REQUEST,
        text,
        pasid,
      )
    }
    // Beside it another rule may hold.
    out.log2Size = Math.min(out.log2Size, PROTECTED_MEMORY_GRANULE_LOG2)
    return 0
  }

  #translateOther(
    requester: RequesterId,
    pasid: number,
    kind: 'untranslated' | 'translated' | 'translation-request',
    hi: number,
    lo: number,
    access: Access,
    out: Translation,
  ): Fault {
    const refuse = (text: string): Fault =>
      this.#faults.reportUnrecorded(requester, access & 2 ? 'write' : 'read', hi, lo, UNSUPPORTED_REQUEST, text)
    if (!this.#translating) {
      if (kind === 'untranslated') return refuse('request with a PASID')
      // ATS needs both ECAP.DT and translation turned on.
      return refuse(`${kind === 'translated' ? 'translated' : 'translation'} request with translation off`)
    }
    if (this.#scalable !== null && this.#mode === TABLE_MODE.scalable) {
      return this.#translateScalable(this.#scalable, requester, pasid, kind, hi | 0, lo | 0, access, out)
    }
    if (this.#mode !== TABLE_MODE.legacy || pasid !== NO_PASID) {
      if (!this.features.scalableMode) return refuse('request with a PASID')
      const { rootTableInvalid, pasidInLegacyMode } = SCALABLE_FAULT_REASONS
      const { value } = this.#mode === TABLE_MODE.legacy ? pasidInLegacyMode : rootTableInvalid
      return this.#faults.report(requester, access & 2 ? 'write' : 'read', hi, lo, value, false, pasid)
    }
    return kind === 'translated'
      ? this.#dma.translated(requester, hi, lo, access, out)
      : this.#dma.translationRequest(requester, hi, lo, access, out)
  }

  #translateScalable(
    scalable: ScalableRemapper,
    requester: RequesterId,
    pasid: number,
    kind: 'untranslated' | 'translated' | 'translation-request',
    hi: number,
    lo: number,
    access: Access,
    out: Translation,
  ): Fault {
    if (pasid !== NO_PASID && pasid >>> this.features.pasidBits !== 0) {
      const text = `request with PASID ${pasid}, of more than ${this.features.pasidBits} bits`
      const type = access & 2 ? 'write' : 'read'
      return this.#faults.reportUnrecorded(requester, type, hi, lo, UNSUPPORTED_REQUEST, text, pasid)
    }
    if (kind === 'untranslated') return scalable.translate(requester, pasid, hi, lo, access, out)
    return kind === 'translated'
      ? scalable.translated(requester, pasid, hi, lo, access, out)
      : scalable.translationRequest(requester, pasid, hi, lo, access, out)
  }

  #invalidateContexts(granularity: number, domain: number, requester: RequesterId, functionMask: number): boolean {
    return this.#scalable !== null && this.#mode === TABLE_MODE.scalable
      ? this.#scalable.invalidateContexts(granularity, requester, functionMask)
      : this.#dma.invalidateContexts(granularity, domain, requester, functionMask)
  }

  remapInterrupt(source: RequesterId, hi: number, lo: number, data: number, out: Msi): Fault {
    return this.#interrupts.remap(source, hi, lo, data, out)
  }

  read(offset: number, width: 1 | 2 | 4): number {
    return this.#registers.read(offset, width)
  }

  write(offset: number, width: 1 | 2 | 4, value: number): void {
    const before = this.#registers.get(AT.GSTS.offset)
    const word = this.#registers.write(offset, width, value)
    if (word < 0) return
    switch (word) {
      case AT.GCMD.offset:
        this.#command(before, this.#registers.get(word))
        break
      case CCMD_UPPER:
        if (!this.#queue.enabled) runContextCommand(this.#registers, this.#targets)
        break
      case IOTLB_UPPER:
        if (!this.#queue.enabled) runIotlbCommand(this.#registers, this.#targets)
        break
      case AT.PMEN.offset:
      case AT.PLMBASE.offset:
      case AT.PLMLIMIT.offset:
      case AT.PHMBASE.offset:
      case AT.PHMBASE.offset + 4:
      case AT.PHMLIMIT.offset:
      case AT.PHMLIMIT.offset + 4:
        if (this.features.protectedMemory) this.#protectionChanged()
        break
      case AT.FSTS.offset:
        this.#faults.refresh()
        this.#queue.run()
        break
      case AT.FECTL.offset:
        this.#faults.event.deliver()
        break
      case AT.IQT.offset:
        this.#queue.run()
        break
      case AT.ICS.offset:
        this.#queue.completionWritten()
        break
      case AT.IECTL.offset:
        this.#queue.event.deliver()
        break
      case AT.FEUADDR.offset:
      case AT.IEUADDR.offset:
        // Reserved without ECAP.EIM.
        if (!this.features.extendedInterruptMode) this.#registers.set(word, 0)
        break
      default:
        if (word >= FAULT_RECORDING_OFFSET) this.#faults.refresh()
    }
  }

  /**
   * GCMD: pointers are latched, and enables that differ from their status take effect. Software changes one bit at a
   * time; where a write changes several, pointers go before enables.
   */
  #command(old: number, written: number): void {
    const changed = old ^ written
    if ((written & command.SRTP.loMask) !== 0) this.#setRootTable()
    if ((written & command.SIRTP.loMask) !== 0 && this.features.interruptRemapping) this.#setInterruptTable()
    if ((changed & command.QIE.loMask) !== 0) {
      this.#queue.setEnabled((written & command.QIE.loMask) !== 0)
      this.#report(status.QIES.loMask, this.#queue.enabled)
    }
    if (this.features.interruptRemapping) {
      if ((changed & command.CFI.loMask) !== 0) {
        this.#interrupts.compatibilityEnabled = (written & command.CFI.loMask) !== 0
        this.#report(status.CFIS.loMask, this.#interrupts.compatibilityEnabled)
      }
      if ((changed & command.IRE.loMask) !== 0) {
        this.#interrupts.enabled = (written & command.IRE.loMask) !== 0
        this.#report(status.IRES.loMask, this.#interrupts.enabled)
      }
    }
    if ((changed & command.TE.loMask) !== 0 && this.features.dmaTranslation) {
      this.#translating = (written & command.TE.loMask) !== 0
      this.#report(status.TES.loMask, this.#translating)
      this.#modeChanged()
      this.#drop()
    }
  }

  #modeChanged(): void {
    const open = !this.#protected.enabled
    this.#translatingLegacy = open && this.#translating && this.#mode === TABLE_MODE.legacy
    this.#bypassing = open && !this.#translating
  }

  #protectionChanged(): void {
    this.#protected.refresh()
    this.#modeChanged()
    this.#drop()
  }

  /** Everything that was cached for DMA, and every copy of it, ends. */
  #drop(): void {
    this.#dma.drop()
    this.#scalable?.drop()
  }

  #report(bit: number, set: boolean): void {
    const old = this.#registers.get(AT.GSTS.offset)
    this.#registers.set(AT.GSTS.offset, (set ? old | bit : old & ~bit) >>> 0)
  }

  #pair(offset: number): number {
    return this.#registers.get(offset + 4) * 0x1_0000_0000 + ((this.#registers.get(offset) & -4096) >>> 0)
  }

  #setRootTable(): void {
    const root = this.#pair(AT.RTADDR.offset)
    const written = RTADDR.fields.TTM.get(this.#registers.get(AT.RTADDR.offset))
    const mode = this.features.scalableMode ? written : TABLE_MODE.legacy
    this.#dma.contexts.setRoot(root)
    this.#scalable?.contexts.setRoot(root)
    this.#report(status.RTPS.loMask, true)
    // What one mode cached says nothing in the other.
    if (mode !== this.#mode || this.features.flushOnSetPointer) this.#drop()
    this.#mode = mode
    this.#modeChanged()
  }

  #setInterruptTable(): void {
    const setup = this.#registers.get(AT.IRTA.offset)
    const extended = (setup & IRTA.fields.EIME.loMask) !== 0
    this.#interrupts.setTable(this.#pair(AT.IRTA.offset), 2 ** (IRTA.fields.S.get(setup) + 1), extended)
    this.#report(status.IRTPS.loMask, true)
    if (this.features.flushOnSetPointer) this.#interrupts.invalidateAll()
  }

  /** Power-on state: registers, caches and faults. Epochs go on, so that every copy ends. */
  reset(): void {
    this.#registers.reset()
    this.#translating = false
    this.#mode = TABLE_MODE.legacy
    this.#protected.refresh()
    this.#modeChanged()
    this.#dma.contexts.setRoot(0)
    this.#scalable?.contexts.setRoot(0)
    this.#drop()
    this.#interrupts.reset()
    this.#queue.setEnabled(false)
    this.#faults.reset()
  }
}
