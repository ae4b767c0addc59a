import type { DmaPort, InterruptPort } from '@dmascope/memory'
import {
  addAriCapability,
  addAtsCapability,
  addExpressCapability,
  addPowerManagementCapability,
  ConfigSpace,
  Msix,
  type PciFunction,
  type PhysicalFunction,
  readOnlyImage,
  SriovCapability,
} from '@dmascope/pci'
import { ATS_CAPABILITY, COMMAND, PCI_HEADER_TYPE0, PCIE_ENDPOINT, SRIOV_CAPABILITY } from '@dmascope/pci/spec'
import { CommonInterface } from './common-interface.ts'
import { connectConfigWindow } from './config-window.ts'
import { LegacyInterface } from './legacy-interface.ts'
import { addModernCapabilities } from './modern-capabilities.ts'
import { checkOptions, configSpaceOptions, isExpress, offeredFeatures, type VirtioPciOptions } from './options.ts'
import type { FeatureBits } from './spec/features.ts'
import {
  DEVICE_CFG_OFFSET,
  ISR_CFG_OFFSET,
  LEGACY_BAR,
  MODERN_BAR,
  MSIX_BAR,
  NOTIFY_CFG_OFFSET,
  NOTIFY_OFF_MULTIPLIER,
} from './spec/qemu-layout.ts'
import { VIRTIO_ISR } from './spec/status.ts'
import { VirtioTransport } from './transport.ts'

type Width = 1 | 2 | 4
const ARI_CAPABILITY_BYTES = 8
const COMMAND_OFFSET = PCI_HEADER_TYPE0.registers.COMMAND.offset
const BUS_MASTER = COMMAND.fields.BUS_MASTER_ENABLE.loMask
const QUEUE_INTERRUPT = VIRTIO_ISR.fields.QUEUE_INTERRUPT.loMask
const CONFIGURATION_INTERRUPT = VIRTIO_ISR.fields.DEVICE_CONFIGURATION_INTERRUPT.loMask

/** A virtio device as a PCI function: modern, transitional or legacy, laid out as QEMU lays it out. */
export class VirtioPciFunction implements PhysicalFunction {
  readonly config: ConfigSpace
  readonly msix: Msix | null
  readonly sriov: SriovCapability | null
  readonly virtualFunctions: readonly PciFunction[]
  readonly #transport: VirtioTransport
  readonly #common: CommonInterface | null
  readonly #legacy: LegacyInterface | null
  #interrupts: InterruptPort | null = null
  #isr = 0
  #pin = false
  #wasBusMaster = false

  /** @throws RangeError where options cannot go together */
  constructor(options: VirtioPciOptions) {
    checkOptions(options)
    const { device, vectors } = options
    const config = new ConfigSpace(configSpaceOptions(options))
    this.config = config
    const sink = {
      raise: (vector: number, changed: boolean) => this.#raise(vector, changed),
      clear: () => this.#setIsr(0),
    }
    this.#transport = new VirtioTransport(device, offeredFeatures(options), sink, {
      insists: options.insists ?? 'version-1',
    })
    if (isExpress(options)) {
      addExpressCapability(config, { type: PCIE_ENDPOINT, onFunctionLevelReset: () => this.reset('function') })
      addPowerManagementCapability(config)
      if (options.ats === true) addAtsCapability(config, { offset: 0x100 })
    }
    const next = options.ats === true ? 0x100 + ATS_CAPABILITY.size : 0x100
    if (options.virtualFunction === true) addAriCapability(config, { offset: next })
    this.virtualFunctions = options.sriov?.virtualFunctions ?? []
    this.sriov = options.sriov === undefined ? null : addSriov(config, next, options.sriov)
    this.#common = options.modern ? new CommonInterface(this.#transport, vectors) : null
    if (options.modern) {
      connectConfigWindow(config, addModernCapabilities(config, options.vendorFlags), {
        read: (offset, width) => this.#readModern(offset, width),
        write: (offset, width, value) => this.#writeModern(offset, width, value),
      })
    }
    this.msix = vectors > 0 ? new Msix(config, { vectors, tableBar: MSIX_BAR }) : null
    this.#legacy = options.legacy ? this.#makeLegacy(vectors) : null
    config.onWrite(COMMAND_OFFSET, 2, () => this.#commandWritten())
    if (this.msix !== null) config.onWrite(this.msix.offset, 4, () => this.#updatePin())
  }

  /** The device status register as it stands, DEVICE_NEEDS_RESET included. */
  get status(): number {
    return this.#transport.status
  }
  /** Everything that the device offers, whichever interface the driver looks through. */
  get offeredFeatures(): FeatureBits {
    return this.#transport.offered
  }
  /** What the driver accepted of it: final once FEATURES_OK stands. */
  get negotiatedFeatures(): FeatureBits {
    return this.#transport.negotiated
  }
  /** Why the device stopped and needs a reset; null where it does not. */
  get brokenReason(): string | null {
    return this.#transport.brokenReason
  }

  connect(dma: DmaPort, interrupts: InterruptPort): void {
    this.#transport.connect(dma)
    this.#interrupts = interrupts
  }

  readBar(bar: number, offset: number, width: 1 | 2 | 4 | 8, out: Uint32Array): void {
    if (width === 8) {
      out[0] = this.#read(bar, offset, 4)
      out[1] = this.#read(bar, offset + 4, 4)
    } else {
      out[0] = this.#read(bar, offset, width)
    }
  }

  writeBar(bar: number, offset: number, width: 1 | 2 | 4 | 8, lo: number, hi: number): void {
    if (width === 8) {
      this.#write(bar, offset, 4, lo >>> 0)
      this.#write(bar, offset + 4, 4, hi >>> 0)
    } else {
      this.#write(bar, offset, width, lo >>> 0)
    }
  }

  work(budget: number): 'idle' | 'more' | 'waiting' {
    return this.#transport.work(budget)
  }

  reset(_kind: 'function' | 'bus'): void {
    this.#resetDevice()
    this.config.reset()
    this.msix?.reset()
    this.sriov?.reset()
    this.#wasBusMaster = false
  }

  #read(bar: number, offset: number, width: Width): number {
    if (bar === MODERN_BAR) return this.#readModern(offset, width)
    if (bar === MSIX_BAR) return this.msix?.read(offset, width) ?? 0
    if (bar === LEGACY_BAR) return this.#legacy?.read(offset, width) ?? 0
    return 0
  }

  #write(bar: number, offset: number, width: Width, value: number): void {
    if (bar === MODERN_BAR) this.#writeModern(offset, width, value)
    else if (bar === MSIX_BAR) this.msix?.write(offset, width, value)
    else if (bar === LEGACY_BAR) this.#legacy?.write(offset, width, value)
  }

  #readModern(offset: number, width: Width): number {
    if (this.#common === null) return 0
    if (offset >= NOTIFY_CFG_OFFSET) return 0
    if (offset >= DEVICE_CFG_OFFSET) return this.#readDeviceConfig(offset - DEVICE_CFG_OFFSET, width)
    if (offset >= ISR_CFG_OFFSET) return this.#readIsr()
    const value = this.#common.read(offset)
    return width === 4 ? value : value & (0xffff_ffff >>> (32 - 8 * width))
  }

  #writeModern(offset: number, width: Width, value: number): void {
    if (this.#common === null) return
    if (offset >= NOTIFY_CFG_OFFSET) {
      this.#transport.notify(Math.floor((offset - NOTIFY_CFG_OFFSET) / NOTIFY_OFF_MULTIPLIER))
    } else if (offset >= DEVICE_CFG_OFFSET) {
      this.#writeDeviceConfig(offset - DEVICE_CFG_OFFSET, width, value)
    } else if (offset < ISR_CFG_OFFSET) {
      const written = width === 4 ? value : value & (0xffff_ffff >>> (32 - 8 * width))
      this.#common.write(offset, written)
    }
  }

  #readDeviceConfig(offset: number, width: Width): number {
    const { config } = this.#transport.device
    return offset + width <= config.size ? config.read(offset, width) : 0xffff_ffff >>> (32 - 8 * width)
  }

  #writeDeviceConfig(offset: number, width: Width, value: number): void {
    const { config } = this.#transport.device
    if (offset + width <= config.size) config.write(offset, width, value)
  }

  #makeLegacy(vectors: number): LegacyInterface {
    return new LegacyInterface(this.#transport, {
      msixEnabled: () => this.msix?.enabled === true,
      vectors,
      readIsr: () => this.#readIsr(),
      resetDevice: () => this.#resetDevice(),
      enableBusMaster: () => {
        this.config.write(COMMAND_OFFSET, 1, this.config.peek(COMMAND_OFFSET, 1) | BUS_MASTER)
      },
      readConfig: (offset, width) => this.#readDeviceConfig(offset, width),
      writeConfig: (offset, width, value) => this.#writeDeviceConfig(offset, width, value),
    })
  }

  #resetDevice(): void {
    this.#transport.reset()
    this.#common?.reset()
    this.#legacy?.reset()
  }

  #raise(vector: number, changed: boolean): void {
    const interrupts = this.#interrupts
    if (interrupts === null) return
    this.#setIsr(this.#isr | QUEUE_INTERRUPT | (changed ? CONFIGURATION_INTERRUPT : 0))
    const { msix } = this
    if (msix?.enabled && vector < msix.vectors) msix.trigger(vector, interrupts)
  }

  #readIsr(): number {
    const isr = this.#isr
    this.#setIsr(0)
    return isr
  }

  #setIsr(isr: number): void {
    this.#isr = isr
    this.#updatePin()
  }

  /** The pin follows the ISR, but not where MSI-X has taken over or software disabled it. */
  #updatePin(): void {
    const level = this.#isr !== 0 && this.msix?.enabled !== true
    this.config.setInterruptStatus(level)
    const driven = level && !this.config.interruptDisabled
    if (driven === this.#pin) return
    this.#pin = driven
    this.#interrupts?.intx(driven)
  }

  /** Without bus mastering the device cannot run: QEMU takes DRIVER_OK away. */
  #commandWritten(): void {
    const isBusMaster = this.config.busMasterEnabled
    if (this.#wasBusMaster && !isBusMaster) this.#transport.stop()
    this.#wasBusMaster = isBusMaster
    this.#updatePin()
  }
}

/**
 * The SR-IOV capability, by what the first virtual function is, and behind it what is left of another.
 *
 * DEVIATION: a physical function has the capability for Alternative Routing IDs next. QEMU's reset of SR-IOV's BARs
 * writes 8 bytes at each of 7 registers, past the 6 that there are, and so clears that capability's header: software
 * finds ID 0000h at its place, and the end of the list. So here.
 */
function addSriov(
  config: ConfigSpace,
  offset: number,
  { firstVfOffset, vfStride, vfDeviceId, virtualFunctions }: NonNullable<VirtioPciOptions['sriov']>,
): SriovCapability {
  const bars = (virtualFunctions[0]?.config.bars ?? []).map(({ bar, is64, size, prefetchable }) => ({
    bar,
    kind: is64 ? ('memory64' as const) : ('memory32' as const),
    size,
    prefetchable,
  }))
  const totalVfs = virtualFunctions.length
  const sriov = new SriovCapability(config, { offset, totalVfs, firstVfOffset, vfStride, vfDeviceId, bars })
  config.addExtendedCapability(
    0,
    0,
    readOnlyImage(new Uint8Array(ARI_CAPABILITY_BYTES)),
    offset + SRIOV_CAPABILITY.size,
  )
  return sriov
}
