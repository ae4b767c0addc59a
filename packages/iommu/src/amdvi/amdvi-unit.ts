import type { Access, MmioHandler } from '@dmascope/memory'
import type { Fault, Msi, RequesterId, Translation, Translator } from '../translator.ts'
import { NO_PASID, UNSUPPORTED_REQUEST } from '../translator.ts'
import { CommandBuffer, type Invalidations } from './command-buffer.ts'
import { DmaRemapper } from './dma-remapper.ts'
import { EventLog } from './event-log.ts'
import { InterruptRemapper } from './interrupt-remapper.ts'
import { type AmdViFeatures, type AmdViOptions, completeFeatures, type SeenFault } from './options.ts'
import { RegisterFile } from './register-file.ts'
import { AMDVI_REGISTERS, CONTROL, DEVICE_TABLE_BASE, EXCLUSION_BASE } from './spec/registers.ts'

const AT = AMDVI_REGISTERS.registers
const { IommuEn, GAEn, XTEn } = CONTROL.fields

/** An AMD IOMMU: its registers towards software, a translator towards the fabric. */
export class AmdViUnit implements Translator, MmioHandler {
  readonly epochs: Uint32Array
  readonly features: AmdViFeatures
  readonly #registers: RegisterFile
  readonly #log: EventLog
  readonly #dma: DmaRemapper
  readonly #interrupts: InterruptRemapper
  readonly #commands: CommandBuffer
  #enabled = false
  #remapsDma = false

  /** @throws RangeError or TypeError for features that no unit can have */
  constructor(options: AmdViOptions) {
    this.features = completeFeatures(options)
    this.#registers = new RegisterFile(this.features)
    this.#log = new EventLog(this.#registers, options)
    this.#dma = new DmaRemapper(options.ram, this.features, this.#log)
    this.#interrupts = new InterruptRemapper(options.ram, this.features, this.#dma.devices, this.#log)
    this.epochs = this.#dma.iotlb.epochs
    const targets: Invalidations = {
      device: (requester) => this.#dma.invalidateDevice(requester),
      pages: (domain, hi, lo, log2Size, directories) =>
        this.#dma.invalidatePages(domain, hi, lo, log2Size, directories),
      pagesOf: (requester, hi, lo, log2Size) => this.#dma.invalidatePagesOf(requester, hi, lo, log2Size),
      interruptTable: (requester) => this.#interrupts.invalidateDevice(requester),
      all: () => this.#drop(),
    }
    this.#commands = new CommandBuffer(this.#registers, this.features, options, this.#log, targets)
    this.#setDeviceTable()
  }

  /** Bytes that the registers take. */
  get size(): number {
    return this.#registers.size
  }

  /** The first faults since reset, logged by the hardware or not: for observers, not for the guest. At most 1024. */
  get faultsSeen(): readonly SeenFault[] {
    return this.#log.seen
  }

  /** All faults since reset. */
  get faultCount(): number {
    return this.#log.count
  }

  /** Whether DMA is remapped now: Control.IommuEn, of a unit that remaps DMA at all. */
  get translationEnabled(): boolean {
    return this.#remapsDma
  }

  /** Whether interrupts are remapped now, as far as device table entries ask for it. */
  get interruptRemappingEnabled(): boolean {
    return this.#interrupts.enabled && this.features.interruptRemapping
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
      return this.#remapsDma
        ? this.#dma.translate(requester, hi | 0, lo | 0, access, out)
        : this.#dma.bypassAll(hi, lo, out)
    }
    return this.#translateOther(requester, pasid, kind, hi, lo, access, out)
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
    // There are no guest translations, and ATS needs a unit that is on.
    if (pasid !== NO_PASID) return this.#refuse(requester, hi, lo, access, 'request with a PASID')
    if (!this.#remapsDma) {
      const what = `${kind === 'translated' ? 'translated' : 'translation'} request with translation off`
      return this.#refuse(requester, hi, lo, access, what)
    }
    return kind === 'translated'
      ? this.#dma.translated(requester, hi | 0, lo | 0, access, out)
      : this.#dma.translationRequest(requester, hi | 0, lo | 0, access, out)
  }

  #refuse(requester: RequesterId, hi: number, lo: number, access: Access, text: string): Fault {
    this.#log.tell(requester, access & 2 ? 'write' : 'read', hi, lo, UNSUPPORTED_REQUEST, text, false)
    return UNSUPPORTED_REQUEST
  }

  remapInterrupt(source: RequesterId, hi: number, lo: number, data: number, out: Msi): Fault {
    return this.#interrupts.remap(source, hi, lo, data, out)
  }

  read(offset: number, width: 1 | 2 | 4): number {
    return this.#registers.read(offset, width)
  }

  write(offset: number, width: 1 | 2 | 4, value: number): void {
    const before = this.#registers.get(offset & -4)
    const word = this.#registers.write(offset, width, value)
    if (word < 0) return
    switch (word) {
      case AT.Control.offset:
        this.#controlWritten(before)
        break
      case AT.Control.offset + 4:
        this.#interrupts.wideDestinations = this.features.x2apic && (this.#registers.get(word) & XTEn.hiMask) !== 0
        break
      case AT.CommandTail.offset:
        this.#commands.run()
        break
      case AT.CommandHead.offset:
        // The unit's own while it runs.
        if (this.#commands.isRunning) this.#registers.set(word, before)
        break
      case AT.DeviceTableBase.offset:
      case AT.DeviceTableBase.offset + 4:
        this.#setDeviceTable()
        break
      case AT.CommandBufferBase.offset:
      case AT.CommandBufferBase.offset + 4:
        this.#commands.baseWritten()
        break
      case AT.EventLogBase.offset:
      case AT.EventLogBase.offset + 4:
        this.#log.baseWritten()
        break
      case AT.ExclusionBase.offset:
      case AT.ExclusionBase.offset + 4:
      case AT.ExclusionLimit.offset:
      case AT.ExclusionLimit.offset + 4:
        this.#setExclusion()
        break
    }
  }

  #controlWritten(before: number): void {
    const control = this.#registers.get(AT.Control.offset)
    const enabled = (control & IommuEn.loMask) !== 0
    const wide = this.features.guestApic && (control & GAEn.loMask) !== 0
    if (wide !== this.#interrupts.wideEntries) {
      this.#interrupts.wideEntries = wide
      this.#interrupts.invalidateAll()
    }
    if (enabled !== this.#enabled) {
      this.#enabled = enabled
      this.#remapsDma = enabled && this.features.dmaRemap
      this.#interrupts.enabled = enabled
      this.#drop()
    }
    // The log first: what goes wrong with the first commands is to be in it.
    this.#log.controlWritten(before)
    this.#commands.controlWritten(before)
  }

  #setDeviceTable(): void {
    const { offset } = AT.DeviceTableBase
    const pages = DEVICE_TABLE_BASE.fields.Size.get(this.#registers.get(offset)) + 1
    this.#dma.devices.setTable(this.#registers.base(offset), pages)
  }

  #setExclusion(): void {
    const { ExEn, Allow } = EXCLUSION_BASE.fields
    const control = this.#registers.get(AT.ExclusionBase.offset)
    const enabled = this.features.exclusionRange && (control & ExEn.loMask) !== 0
    const end = this.#registers.base(AT.ExclusionLimit.offset) + 4096
    this.#dma.setExclusion(enabled, (control & Allow.loMask) !== 0, this.#registers.base(AT.ExclusionBase.offset), end)
  }

  /** Everything that was cached, and every copy of it, ends. */
  #drop(): void {
    this.#dma.drop()
    this.#interrupts.invalidateAll()
  }

  /** Power-on state: registers, caches and faults. Epochs go on, so that every copy ends. */
  reset(): void {
    this.#registers.reset()
    this.#enabled = false
    this.#remapsDma = false
    this.#interrupts.enabled = false
    this.#interrupts.wideEntries = false
    this.#interrupts.wideDestinations = false
    this.#setDeviceTable()
    this.#setExclusion()
    this.#drop()
    this.#log.reset()
  }
}
