import type { DmaPort } from '@dmascope/memory'
import type { FeatureBits, VirtioDevice } from '@dmascope/virtio-pci'
import { VIRTIO_STATUS_FEATURES_OK } from '@dmascope/virtio-pci/spec'
import {
  LEGACY_ONLY_FEATURES,
  type OfferOptions,
  offeredBits,
  type TransportOptions,
  VirtioTransport,
} from '@dmascope/virtio-pci/transport'
import { splitRingLayout } from '@dmascope/virtqueue'
import type { ChannelData } from './channel-data.ts'
import {
  type ChannelCommand,
  type ChannelDevice,
  type ChannelInterrupts,
  COMMAND_DATA_CHECK,
  COMMAND_DONE,
  COMMAND_PROGRAM_CHECK,
  COMMAND_REJECTED,
  type CommandResult,
} from './channel-device.ts'
import { Indicators } from './indicators.ts'
import {
  INDICATOR_BYTES,
  VIRTIO_CCW_COMMAND,
  VIRTIO_CCW_CU_TYPE,
  virtio_feature_desc,
  virtio_rev_info,
  virtio_thinint_area,
  vq_config_block,
  vq_info_block,
  vq_info_block_legacy,
} from './spec/index.ts'

export interface VirtioCcwOptions extends Omit<OfferOptions, 'legacy' | 'modern'>, Pick<TransportOptions, 'insists'> {
  readonly device: VirtioDevice
  /**
   * The highest revision that it takes: 0, the legacy one, which has no VIRTIO_F_VERSION_1; 1; or 2 (the default), from
   * which on drivers read the status back.
   */
  readonly maxRevision?: 0 | 1 | 2
}

const CLASSIC_QUEUES = 64
/** QEMU's VIRTIO_QUEUE_MAX. */
const MOST_QUEUES = 1024
/** Of rings of revision 0, and the only alignment that QEMU takes. */
const LEGACY_ALIGNMENT = 4096
/** Bytes of the longest payload of a fixed size. */
const PAYLOAD = Math.max(vq_info_block.size, virtio_thinint_area.size)

/**
 * A virtio device at the end of a subchannel (virtio 1.3 §4.3): negotiation, queues and indicators by channel commands.
 *
 * A driver that chooses no revision gets 0, the legacy one. DEVIATION: its rings and configuration are little-endian, where
 * they are big-endian as a driver of this architecture has them.
 */
export class VirtioCcwDevice implements ChannelDevice {
  readonly cuType = VIRTIO_CCW_CU_TYPE
  readonly cuModel: number
  readonly #transport: VirtioTransport
  readonly #maxRevision: number
  readonly #indicators = new Indicators()
  readonly #payload = new Uint8Array(PAYLOAD)
  readonly #view = new DataView(this.#payload.buffer)
  #interrupts: ChannelInterrupts | null = null
  /** -1 until the driver has chosen one. */
  #revision = -1
  /** As written, offered or not. */
  readonly #driverFeatures: [lo: number, hi: number] = [0, 0]

  constructor(options: VirtioCcwOptions) {
    const { device } = options
    this.#maxRevision = options.maxRevision ?? 2
    this.cuModel = device.type
    this.#transport = new VirtioTransport(
      device,
      offeredBits(device, { ...options, legacy: true, modern: this.#maxRevision > 0 }),
      { raise: (vector, config) => this.#raise(vector, config), clear: () => {} },
      options.insists === undefined ? {} : { insists: options.insists },
    )
  }

  /** The device status as it stands, DEVICE_NEEDS_RESET included. */
  get status(): number {
    return this.#transport.status
  }
  get offeredFeatures(): FeatureBits {
    return this.#transport.offered
  }
  /** What the driver accepted of it; final once FEATURES_OK stands. */
  get negotiatedFeatures(): FeatureBits {
    return this.#transport.negotiated
  }
  /** Why the device stopped and needs a reset; null where it does not. */
  get brokenReason(): string | null {
    return this.#transport.brokenReason
  }
  /** Revision 0, also before any is chosen. */
  get #isLegacy(): boolean {
    return this.#revision < 1
  }

  /** What the driver chose; null before. */
  get revision(): number | null {
    return this.#revision < 0 ? null : this.#revision
  }

  connect(dma: DmaPort, interrupts: ChannelInterrupts): void {
    this.#transport.connect(dma)
    this.#interrupts = interrupts
  }

  /** The driver's doorbell, which comes by DIAGNOSE. @returns false where there can be no such queue */
  notify(queue: number): boolean {
    if (!(Number.isInteger(queue) && queue >= 0 && queue < MOST_QUEUES)) return false
    this.#transport.notify(queue)
    return true
  }

  work(budget: number): 'idle' | 'more' | 'waiting' {
    return this.#transport.work(budget)
  }

  /** The next driver has to choose a revision again. */
  disabled(): void {
    this.#revision = -1
  }

  execute({ code, exact, data }: ChannelCommand): CommandResult {
    if (code === VIRTIO_CCW_COMMAND.SET_VIRTIO_REV) return this.#setRevision(exact, data)
    switch (code) {
      case VIRTIO_CCW_COMMAND.VDEV_RESET:
        this.#reset()
        return COMMAND_DONE
      case VIRTIO_CCW_COMMAND.READ_FEAT:
        return this.#readFeatures(exact, data)
      case VIRTIO_CCW_COMMAND.WRITE_FEAT:
        return this.#writeFeatures(exact, data)
      case VIRTIO_CCW_COMMAND.READ_CONF:
        return this.#readConfig(exact, data)
      case VIRTIO_CCW_COMMAND.WRITE_CONF:
        return this.#writeConfig(exact, data)
      case VIRTIO_CCW_COMMAND.READ_STATUS:
        return this.#readStatus(exact, data)
      case VIRTIO_CCW_COMMAND.WRITE_STATUS:
        return this.#writeStatus(exact, data)
      case VIRTIO_CCW_COMMAND.READ_VQ_CONF:
        return this.#readQueue(exact, data)
      case VIRTIO_CCW_COMMAND.SET_VQ:
        return this.#isLegacy ? this.#setLegacyQueue(exact, data) : this.#setQueue(exact, data)
      case VIRTIO_CCW_COMMAND.SET_IND:
      case VIRTIO_CCW_COMMAND.SET_CONF_IND:
        return this.#setIndicators(code, exact, data)
      case VIRTIO_CCW_COMMAND.SET_IND_ADAPTER:
        return this.#setTwoStage(exact, data)
      default:
        return COMMAND_REJECTED
    }
  }

  /** Takes a payload of this size into `#payload`. */
  #take(size: number, exact: boolean, data: ChannelData): CommandResult {
    if (exact ? data.count !== size : data.count < size) return COMMAND_PROGRAM_CHECK
    if (data.missing) return COMMAND_DATA_CHECK
    return data.read(this.#payload.subarray(0, size)) ? COMMAND_DONE : COMMAND_PROGRAM_CHECK
  }

  /** The payload again, as the device has made it. */
  #give(size: number, data: ChannelData): CommandResult {
    data.rewind()
    return data.write(this.#payload.subarray(0, size)) ? COMMAND_DONE : COMMAND_PROGRAM_CHECK
  }

  #setRevision(exact: boolean, data: ChannelData): CommandResult {
    const { size, fields } = virtio_rev_info
    if (data.count < size) return COMMAND_PROGRAM_CHECK
    const taken = this.#take(size, false, data)
    if (taken !== COMMAND_DONE) return taken
    const wanted = size + fields.length.get(this.#view, 0)
    if (data.count < wanted || (exact && data.count > wanted)) return COMMAND_PROGRAM_CHECK
    const revision = fields.revision.get(this.#view, 0)
    if (this.#revision >= 0 || revision > this.#maxRevision) return COMMAND_REJECTED
    this.#revision = revision
    return COMMAND_DONE
  }

  #reset(): void {
    this.#transport.reset()
    this.#driverFeatures.fill(0)
    this.#indicators.reset()
  }

  #readFeatures(exact: boolean, data: ChannelData): CommandResult {
    const { size, fields } = virtio_feature_desc
    const taken = this.#take(size, exact, data)
    if (taken !== COMMAND_DONE) return taken
    const { offered, device } = this.#transport
    const hidden = this.#isLegacy ? 0 : LEGACY_ONLY_FEATURES.lo | (device.legacyFeatures?.lo ?? 0)
    const index = fields.index.get(this.#view, 0)
    const word = index === 0 ? offered.lo & ~hidden : index === 1 && !this.#isLegacy ? offered.hi : 0
    fields.features.set(this.#view, 0, word >>> 0)
    return this.#give(size, data)
  }

  /** Words beyond the second, and beyond the first in revision 0, have no bits that anybody could accept. */
  #writeFeatures(exact: boolean, data: ChannelData): CommandResult {
    const { size, fields } = virtio_feature_desc
    const taken = this.#take(size, exact, data)
    if (taken !== COMMAND_DONE) return taken
    const index = fields.index.get(this.#view, 0)
    if (index > (this.#isLegacy ? 0 : 1)) return COMMAND_DONE
    this.#driverFeatures[index as 0 | 1] = fields.features.get(this.#view, 0)
    const [lo, hi] = this.#driverFeatures
    this.#transport.setDriverFeatures({ lo, hi })
    return COMMAND_DONE
  }

  #readConfig(exact: boolean, data: ChannelData): CommandResult {
    const { config } = this.#transport.device
    if (exact && data.count > config.size) return COMMAND_PROGRAM_CHECK
    if (data.missing) return COMMAND_DATA_CHECK
    const bytes = Uint8Array.from({ length: Math.min(data.count, config.size) }, (_, at) => config.read(at, 1))
    return data.write(bytes) ? COMMAND_DONE : COMMAND_PROGRAM_CHECK
  }

  /** From the start on: a driver writes back what it read before what it changes. */
  #writeConfig(exact: boolean, data: ChannelData): CommandResult {
    const { config } = this.#transport.device
    if (exact && data.count > config.size) return COMMAND_PROGRAM_CHECK
    if (data.missing) return COMMAND_DATA_CHECK
    const bytes = new Uint8Array(Math.min(data.count, config.size))
    if (!data.read(bytes)) return COMMAND_PROGRAM_CHECK
    for (const [at, byte] of bytes.entries()) if (config.read(at, 1) !== byte) config.write(at, 1, byte)
    return COMMAND_DONE
  }

  #readStatus(exact: boolean, data: ChannelData): CommandResult {
    const taken = this.#take(1, exact, data)
    if (taken !== COMMAND_DONE) return taken
    this.#payload[0] = this.#transport.status
    return this.#give(1, data)
  }

  /** A status that the device does not take, FEATURES_OK without what it insists on, is a command that it rejects. */
  #writeStatus(exact: boolean, data: ChannelData): CommandResult {
    const taken = this.#take(1, exact, data)
    if (taken !== COMMAND_DONE) return taken
    const status = this.#payload[0]!
    this.#transport.setStatus(status)
    if (status === 0) this.#reset()
    return (status & ~this.#transport.status & VIRTIO_STATUS_FEATURES_OK) !== 0 ? COMMAND_REJECTED : COMMAND_DONE
  }

  #readQueue(exact: boolean, data: ChannelData): CommandResult {
    const { size, fields } = vq_config_block
    const taken = this.#take(size, exact, data)
    if (taken !== COMMAND_DONE) return taken
    const index = fields.index.get(this.#view, 0)
    if (index >= MOST_QUEUES) return COMMAND_PROGRAM_CHECK
    fields.max_num.set(this.#view, 0, this.#transport.queues[index]?.size ?? 0)
    return this.#give(size, data)
  }

  /** Without an address for its descriptors a queue is taken away. */
  #setQueue(exact: boolean, data: ChannelData): CommandResult {
    const { size, fields } = vq_info_block
    const taken = this.#take(size, exact, data)
    if (taken !== COMMAND_DONE) return taken
    const view = this.#view
    const index = fields.index.get(view, 0)
    const num = fields.num.get(view, 0)
    if (index >= MOST_QUEUES) return COMMAND_PROGRAM_CHECK
    const state = this.#transport.queues[index]
    const most = this.#transport.device.queueSizes[index] ?? 0
    const descHi = fields.desc.hi.get(view, 0)
    const descLo = fields.desc.lo.get(view, 0)
    const placed = descHi !== 0 || descLo !== 0
    if (placed && (num > most || num === 0)) return COMMAND_PROGRAM_CHECK
    if (state === undefined) return COMMAND_DONE
    this.#transport.disableQueue(index)
    if (!placed) return COMMAND_DONE
    state.vector = index
    state.descHi = descHi
    state.descLo = descLo
    state.driverHi = fields.driver.hi.get(view, 0)
    state.driverLo = fields.driver.lo.get(view, 0)
    state.deviceHi = fields.device.hi.get(view, 0)
    state.deviceLo = fields.device.lo.get(view, 0)
    this.#transport.setQueueSize(index, num)
    this.#transport.enableQueue(index)
    return COMMAND_DONE
  }

  /** The ring is as large as the device has it, or the driver's is larger and not used up. */
  #setLegacyQueue(exact: boolean, data: ChannelData): CommandResult {
    const { size, fields } = vq_info_block_legacy
    const taken = this.#take(size, exact, data)
    if (taken !== COMMAND_DONE) return taken
    const view = this.#view
    const index = fields.index.get(view, 0)
    const [hi, lo] = [fields.queue.hi.get(view, 0), fields.queue.lo.get(view, 0)]
    const placed = hi !== 0 || lo !== 0
    const state = this.#transport.queues[index]
    const entries = state?.size ?? 0
    if (index >= MOST_QUEUES) return COMMAND_PROGRAM_CHECK
    if (placed && (fields.align.get(view, 0) !== LEGACY_ALIGNMENT || fields.num.get(view, 0) < entries)) {
      return COMMAND_PROGRAM_CHECK
    }
    if (state === undefined) return COMMAND_DONE
    this.#transport.disableQueue(index)
    if (!placed) return COMMAND_DONE
    const { driver, device } = splitRingLayout(entries, LEGACY_ALIGNMENT)
    state.vector = index
    state.descHi = hi
    state.descLo = lo
    state.driverHi = highAfter(hi, lo, driver)
    state.driverLo = (lo + driver) >>> 0
    state.deviceHi = highAfter(hi, lo, device)
    state.deviceLo = (lo + device) >>> 0
    this.#transport.enableQueue(index)
    return COMMAND_DONE
  }

  /** Address 0 takes them away. */
  #setIndicators(code: number, exact: boolean, data: ChannelData): CommandResult {
    const ofQueues = code === VIRTIO_CCW_COMMAND.SET_IND
    const taken = this.#take(INDICATOR_BYTES, exact, data)
    if (taken !== COMMAND_DONE) return taken
    const [hi, lo] = [this.#view.getUint32(0), this.#view.getUint32(4)]
    const address = hi === 0 && lo === 0 ? null : { hi, lo }
    if (!ofQueues) {
      this.#indicators.configuration = address
      return COMMAND_DONE
    }
    const tooMany = this.#transport.queues.length > CLASSIC_QUEUES
    if (this.#indicators.twoStage !== null || tooMany) return COMMAND_REJECTED
    this.#indicators.classic = address
    return COMMAND_DONE
  }

  #setTwoStage(exact: boolean, data: ChannelData): CommandResult {
    const { size, fields } = virtio_thinint_area
    const taken = this.#take(size, exact, data)
    if (taken !== COMMAND_DONE) return taken
    if (this.#indicators.classic !== null) return COMMAND_REJECTED
    const view = this.#view
    const [hi, lo] = [fields.indicator.hi.get(view, 0), fields.indicator.lo.get(view, 0)]
    const [summaryHi, summaryLo] = [fields.summary_indicator.hi.get(view, 0), fields.summary_indicator.lo.get(view, 0)]
    const bitHi = fields.bit_nr.hi.get(view, 0)
    // An area beyond what 32 bits count of bits would lie in no machine's memory.
    if (bitHi !== 0) return COMMAND_PROGRAM_CHECK
    const none = (hi === 0 && lo === 0) || (summaryHi === 0 && summaryLo === 0)
    const bit = fields.bit_nr.lo.get(view, 0)
    const isc = fields.isc.get(view, 0) & 7
    this.#indicators.twoStage = none ? null : { summaryHi, summaryLo, hi, lo, bit, isc }
    return COMMAND_DONE
  }

  #raise(vector: number, config: boolean): void {
    const interrupts = this.#interrupts
    if (interrupts === null) return
    if (config) this.#indicators.configurationChanged(this.#transport.dma, interrupts)
    else if (vector < this.#transport.queues.length) this.#indicators.queue(vector, this.#transport.dma, interrupts)
  }
}

/** The upper half of an address `offset` bytes on. */
const highAfter = (hi: number, lo: number, offset: number): number => (hi + (lo + offset >= 2 ** 32 ? 1 : 0)) >>> 0
