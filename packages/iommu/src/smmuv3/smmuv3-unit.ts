import type { Access, MmioHandler } from '@dmascope/memory'
import {
  type Fault,
  type Msi,
  NO_PASID,
  type RequesterId,
  type Translation,
  type Translator,
  UNSUPPORTED_REQUEST,
} from '../translator.ts'
import { CommandQueue, type Invalidations } from './command-queue.ts'
import { DmaTranslator } from './dma-translator.ts'
import { EventQueue } from './event-queue.ts'
import { GlobalErrors } from './global-errors.ts'
import { completeFeatures, type SeenFault, type SmmuV3Features, type SmmuV3Options } from './options.ts'
import { RegisterFile } from './register-file.ts'
import { EVENTS } from './spec/events.ts'
import { CR0, GBPA, SMMU_REGISTERS, STRTAB_BASE } from './spec/registers.ts'

const AT = SMMU_REGISTERS.registers
const { SMMUEN, PRIQEN, ATSCHK, VMW } = CR0.fields
const { UPDATE, ABORT } = GBPA.fields
/** CR0 bits of what is not here. */
const CR0_ABSENT = PRIQEN.loMask | ATSCHK.loMask | VMW.loMask

/** An Arm SMMUv3: its registers towards software, a translator towards the fabric. StreamIDs are requester IDs. */
export class SmmuV3Unit implements Translator, MmioHandler {
  readonly epochs: Uint32Array
  readonly features: SmmuV3Features
  readonly #registers: RegisterFile
  readonly #errors: GlobalErrors
  readonly #events: EventQueue
  readonly #dma: DmaTranslator
  readonly #commands: CommandQueue
  readonly #message: Translation = { hi: 0, lo: 0, log2Size: 0, rights: 0, tag: 0, route: 'bypass' }
  #enabled = false

  /** @throws RangeError or TypeError for features that no unit can have */
  constructor(options: SmmuV3Options) {
    this.features = completeFeatures(options)
    this.#registers = new RegisterFile(this.features)
    this.#errors = new GlobalErrors(this.#registers, options)
    this.#events = new EventQueue(this.#registers, this.features, options, this.#errors)
    this.#dma = new DmaTranslator(options.ram, this.features, this.#events)
    this.epochs = this.#dma.tlb.epochs
    const targets: Invalidations = {
      streams: (first, last) => this.#dma.invalidateStreams(first, last),
      everything: () => this.#dma.invalidateEverything(),
      pages: (vmid, asid, first, pages, leaf) => this.#dma.invalidatePages(vmid, asid, first, pages, leaf),
      asid: (vmid, asid) => this.#dma.invalidateAsid(vmid, asid),
      stageOne: (vmid) => this.#dma.invalidateMachine(vmid, false),
      machine: (vmid) => this.#dma.invalidateMachine(vmid, true),
      intermediatePages: (vmid, first, pages) => this.#dma.invalidateIntermediatePages(vmid, first, pages),
    }
    this.#commands = new CommandQueue(this.#registers, this.features, options, this.#errors, targets)
  }

  /** Bytes that the registers take. */
  get size(): number {
    return this.#registers.size
  }

  /** The first faults since reset, recorded by the hardware or not: for observers, not for the guest. At most 1024. */
  get faultsSeen(): readonly SeenFault[] {
    return this.#events.seen
  }

  /** All faults since reset. */
  get faultCount(): number {
    return this.#events.count
  }

  /** CR0.SMMUEN: whether streams are looked up now. */
  get translationEnabled(): boolean {
    return this.#enabled
  }

  /** TLB entries in use. */
  get tlbUsed(): number {
    return this.#dma.tlb.used
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
    if (kind === 'untranslated' && pasid === NO_PASID && this.#enabled) {
      return this.#dma.translate(requester, hi | 0, lo | 0, access, out)
    }
    return this.#translateOther(requester, kind, hi, lo, access, out)
  }

  #translateOther(
    requester: RequesterId,
    kind: 'untranslated' | 'translated' | 'translation-request',
    hi: number,
    lo: number,
    access: Access,
    out: Translation,
  ): Fault {
    if (kind !== 'untranslated') {
      // IDR0.ATS is 0.
      const what = `${kind === 'translated' ? 'translated' : 'translation'} request without ATS`
      this.#events.tell(requester, access, hi, lo, UNSUPPORTED_REQUEST, what, false)
      return UNSUPPORTED_REQUEST
    }
    if (!this.#enabled) {
      const aborts = (this.#registers.get(AT.GBPA.offset) & ABORT.loMask) !== 0
      return aborts
        ? this.#dma.abort(requester, hi, lo, access, 'GBPA aborts every transaction')
        : this.#dma.bypass(hi, lo, out)
    }
    // IDR1.SSIDSIZE is 0.
    return this.#events.reportConfiguration(requester, access, hi, lo, EVENTS.C_BAD_SUBSTREAMID.value)
  }

  /** A message is a write like any other: it is translated, and goes where its address then leads. */
  remapInterrupt(source: RequesterId, hi: number, lo: number, data: number, out: Msi): Fault {
    const to = this.#message
    const fault = this.translate(source, NO_PASID, 'untranslated', hi, lo, 2, to)
    if (fault !== 0) return fault
    out.hi = to.hi
    out.lo = to.lo
    out.data = data
    out.remapped = false
    return 0
  }

  read(offset: number, width: 1 | 2 | 4): number {
    // A queue that was too long for one go is worked off while software waits for it.
    if ((offset & 0xfffc) === AT.CMDQ_CONS.offset) this.#commands.run()
    return this.#registers.read(offset, width)
  }

  write(offset: number, width: 1 | 2 | 4, value: number): void {
    const registers = this.#registers
    const gbpa = registers.get(AT.GBPA.offset)
    switch (registers.write(offset, width, value)) {
      case AT.CR0.offset:
        this.#control()
        break
      case AT.GBPA.offset:
        this.#globalBypass(gbpa)
        break
      case AT.IRQ_CTRL.offset:
        registers.set(AT.IRQ_CTRLACK.offset, registers.get(AT.IRQ_CTRL.offset))
        break
      case AT.GERRORN.offset:
        // Acknowledging CMDQ_ERR lets the queue go on.
        this.#commands.run()
        break
      case AT.CMDQ_PROD.offset:
        this.#commands.run()
        break
      case AT.STRTAB_BASE.offset:
      case AT.STRTAB_BASE.offset + 4:
      case AT.STRTAB_BASE_CFG.offset:
        this.#setStreamTable()
        break
    }
  }

  #control(): void {
    const registers = this.#registers
    const control = (registers.get(AT.CR0.offset) & ~CR0_ABSENT) >>> 0
    registers.set(AT.CR0.offset, control)
    registers.set(AT.CR0ACK.offset, control)
    const enabled = (control & SMMUEN.loMask) !== 0
    if (enabled !== this.#enabled) {
      this.#enabled = enabled
      // What is cached stays, for software to invalidate; ports must ask anew.
      this.#dma.tlb.endCopies()
    }
    this.#commands.run()
  }

  /** A write without UPDATE is ignored; one with it takes effect at once. */
  #globalBypass(before: number): void {
    const written = this.#registers.get(AT.GBPA.offset)
    const accepted = (written & UPDATE.loMask) !== 0
    this.#registers.set(AT.GBPA.offset, accepted ? (written & ~UPDATE.loMask) >>> 0 : before)
    if (accepted && !this.#enabled) this.#dma.tlb.endCopies()
  }

  #setStreamTable(): void {
    const registers = this.#registers
    const { offset } = AT.STRTAB_BASE
    const base = STRTAB_BASE.fields.ADDR.get(registers.get(offset), registers.get(offset + 4))
    this.#dma.configurations.table.configure(base, registers.get(AT.STRTAB_BASE_CFG.offset))
  }

  /** Power-on state: registers, caches and faults. Epochs go on, so that every copy ends. */
  reset(): void {
    this.#registers.reset()
    this.#enabled = false
    this.#setStreamTable()
    this.#dma.drop()
    this.#events.reset()
  }
}
