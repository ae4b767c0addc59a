import type { CpuBus } from '@dmascope/memory/contracts'
import {
  INDICATOR_BYTES,
  VIRTIO_CCW_COMMAND,
  virtio_feature_desc,
  virtio_rev_info,
  virtio_thinint_area,
  vq_config_block,
  vq_info_block,
  vq_info_block_legacy,
} from '@dmascope/virtio-ccw/spec'
import { type FeatureBits, hasFeature, VIRTIO_F_VERSION_1 } from '@dmascope/virtio-pci/spec'
import type { AdapterArea, ChannelSite, CommandOutcome } from '../s390x/channel-site.ts'
import { NO_VECTOR, type OfferedQueue, type PlacedQueue, type VirtioTransport } from './transport.ts'

/** Linux's VIRTIO_CCW_REV_MAX. */
const HIGHEST_REVISION = 2
/** The first revision by which a driver reads the status back. */
const STATUS_IS_READ = 2
/** In the device's area: data of a command; configuration, and its bytes (VIRTIO_CCW_CONFIG_SIZE); indicators. */
const DATA = 0x40
const CONFIG = 0x100
const CONFIG_BYTES = 0x100
const INDICATORS = { queues: 0x300, configuration: 0x308 } as const
const RING_ALIGN = 4096
const WORD = 0x1_0000_0000

/** Virtio over channel I/O as Linux's `virtio_ccw` drives it: each step is a channel program of one command. */
export class CcwTransport implements VirtioTransport {
  readonly kind: 'modern' | 'legacy'
  readonly type: number
  readonly featureSource: string
  readonly queueAddressBits = 64
  readonly queueAlign = RING_ALIGN
  /** READ_CONF may fail where nobody has heard of it. */
  readonly generation = 0
  readonly revision: number
  readonly #bus: CpuBus
  readonly #site: ChannelSite
  readonly #area: number
  readonly #configuration = new Uint8Array(CONFIG_BYTES)
  #known = 0
  #status = 0

  constructor(bus: CpuBus, site: ChannelSite, revision: number, id: string) {
    this.#bus = bus
    this.#site = site
    this.#area = site.area.cpu
    this.revision = revision
    this.kind = revision === 0 ? 'legacy' : 'modern'
    this.type = site.cuModel
    this.featureSource = `virtio-ccw device ${id}, revision ${revision}, READ_FEAT`
  }

  /** What it was set to last, and, where the device can be asked, what it then is. */
  get status(): number {
    if (this.revision < STATUS_IS_READ) return this.#status
    this.#put(Uint8Array.of(this.#status))
    if (this.#run(VIRTIO_CCW_COMMAND.READ_STATUS, 1) === 'done') this.#status = this.#bus.read8(this.#area + DATA)
    return this.#status
  }

  /** Where the device rejects it, nothing has changed. */
  setStatus(value: number): void {
    this.#put(Uint8Array.of(value))
    if (this.#run(VIRTIO_CCW_COMMAND.WRITE_STATUS, 1) === 'done') this.#status = value & 0xff
  }

  reset(): boolean {
    this.#status = 0
    return this.#run(VIRTIO_CCW_COMMAND.VDEV_RESET, 0) === 'done'
  }

  readFeatures(): FeatureBits {
    const lo = this.#readFeatures(0)
    return { lo, hi: this.revision === 0 ? 0 : this.#readFeatures(1) }
  }

  #readFeatures(index: number): number {
    const { fields, size } = virtio_feature_desc
    const view = this.#payload(size)
    fields.index.set(view, 0, index)
    this.#put(bytesOf(view))
    if (this.#run(VIRTIO_CCW_COMMAND.READ_FEAT, size) !== 'done') return 0
    return fields.features.get(this.#get(size), 0)
  }

  writeFeatures(features: FeatureBits): void {
    const { fields, size } = virtio_feature_desc
    const words = this.revision === 0 ? [features.lo] : [features.lo, features.hi]
    for (const [index, word] of words.entries()) {
      const view = this.#payload(size)
      fields.features.set(view, 0, word)
      fields.index.set(view, 0, index)
      this.#put(bytesOf(view))
      this.#run(VIRTIO_CCW_COMMAND.WRITE_FEAT, size)
    }
  }

  declines(features: FeatureBits): string | null {
    if (this.revision === 0 || hasFeature(features, VIRTIO_F_VERSION_1)) return null
    return 'virtio: device uses revision 1 but does not have VIRTIO_F_VERSION_1'
  }

  /** All ones beyond what a driver here reads of any device. */
  readConfig(offset: number, width: 1 | 2 | 4): number {
    const length = offset + width
    if (length > CONFIG_BYTES || this.#site.command(VIRTIO_CCW_COMMAND.READ_CONF, CONFIG, length) !== 'done') {
      return 2 ** (8 * width) - 1
    }
    const bytes = this.#configuration.subarray(0, length)
    this.#bus.readBytes(this.#area + CONFIG, bytes)
    this.#known = Math.max(this.#known, length)
    const view = new DataView(this.#configuration.buffer)
    if (width === 4) return view.getUint32(offset, true)
    return width === 2 ? view.getUint16(offset, true) : view.getUint8(offset)
  }

  /** Configuration is written from its start on: with what it is known to be before `offset`. */
  writeConfig(offset: number, width: 1 | 2 | 4, value: number): void {
    const length = offset + width
    if (length > CONFIG_BYTES) return
    if (this.#known < offset) for (let at = 0; at < offset; at++) this.readConfig(at, 1)
    const view = new DataView(this.#configuration.buffer)
    for (let byte = 0; byte < width; byte++) view.setUint8(offset + byte, (value >>> (8 * byte)) & 0xff)
    this.#bus.writeBytes(this.#area + CONFIG, this.#configuration)
    this.#site.command(VIRTIO_CCW_COMMAND.WRITE_CONF, CONFIG, length)
  }

  /** There is none: indicators tell. */
  readIsr(): number {
    return 0
  }

  setConfigVector(_vector: number): number {
    return NO_VECTOR
  }

  setQueueVector(_queue: number, _vector: number): number {
    return NO_VECTOR
  }

  offeredQueue(queue: number): OfferedQueue | null {
    const { fields, size } = vq_config_block
    const view = this.#payload(size)
    fields.index.set(view, 0, queue)
    this.#put(bytesOf(view))
    if (this.#run(VIRTIO_CCW_COMMAND.READ_VQ_CONF, size) !== 'done') return null
    const entries = fields.max_num.get(this.#get(size), 0)
    return entries === 0 ? null : { size: entries }
  }

  placeQueue(queue: number, { size, desc, driver, device }: PlacedQueue): string | null {
    if (this.revision === 0) return this.#placeLegacyQueue(queue, size, desc)
    const { fields } = vq_info_block
    const view = this.#payload(vq_info_block.size)
    fields.index.set(view, 0, queue)
    fields.num.set(view, 0, size)
    for (const [field, address] of [
      [fields.desc, desc],
      [fields.driver, driver],
      [fields.device, device],
    ] as const) {
      field.hi.set(view, 0, address.hi)
      field.lo.set(view, 0, address.lo)
    }
    this.#put(bytesOf(view))
    const outcome = this.#run(VIRTIO_CCW_COMMAND.SET_VQ, vq_info_block.size)
    return outcome === 'done' ? null : `SET_VQ ${outcome}`
  }

  #placeLegacyQueue(queue: number, size: number, address: PlacedQueue['desc']): string | null {
    const { fields } = vq_info_block_legacy
    const view = this.#payload(vq_info_block_legacy.size)
    fields.queue.hi.set(view, 0, address.hi)
    fields.queue.lo.set(view, 0, address.lo)
    fields.align.set(view, 0, RING_ALIGN)
    fields.index.set(view, 0, queue)
    fields.num.set(view, 0, size)
    this.#put(bytesOf(view))
    const outcome = this.#run(VIRTIO_CCW_COMMAND.SET_VQ, vq_info_block_legacy.size)
    return outcome === 'done' ? null : `SET_VQ ${outcome}`
  }

  enableQueue(_queue: number): void {
    // It is enabled as it is placed.
  }

  removeQueue(queue: number): void {
    const nowhere = { hi: 0, lo: 0 }
    this.placeQueue(queue, { size: 0, desc: nowhere, driver: nowhere, device: nowhere })
  }

  notify(queue: number): void {
    this.#site.notify(queue)
  }

  setMsix(_enabled: boolean): void {
    // There are no messages.
  }

  /** SET_IND_ADAPTER. */
  setAdapterIndicators({ indicators, summary, firstBit, isc }: AdapterArea): CommandOutcome {
    const { fields, size } = virtio_thinint_area
    const view = this.#payload(size)
    fields.summary_indicator.lo.set(view, 0, summary)
    fields.indicator.lo.set(view, 0, indicators)
    fields.bit_nr.lo.set(view, 0, firstBit)
    fields.isc.set(view, 0, isc)
    this.#put(bytesOf(view))
    return this.#site.command(VIRTIO_CCW_COMMAND.SET_IND_ADAPTER, DATA, size, { anyLength: true })
  }

  /** SET_IND, SET_CONF_IND: a word of the device's own area. */
  setIndicators(of: 'queues' | 'configuration'): CommandOutcome {
    const address = this.#site.area.lo + INDICATORS[of]
    const view = this.#payload(INDICATOR_BYTES)
    this.#bus.writeBytes(this.#area + INDICATORS[of], bytesOf(view))
    view.setUint32(0, Math.floor(address / WORD))
    view.setUint32(4, address)
    this.#put(bytesOf(view))
    const code = of === 'queues' ? VIRTIO_CCW_COMMAND.SET_IND : VIRTIO_CCW_COMMAND.SET_CONF_IND
    return this.#run(code, INDICATOR_BYTES)
  }

  /** Bits of such a word that are set, lowest first; they are cleared by that. */
  takeIndicators(of: 'queues' | 'configuration'): readonly number[] {
    const at = this.#area + INDICATORS[of]
    const bytes = new Uint8Array(INDICATOR_BYTES)
    this.#bus.readBytes(at, bytes)
    const found: number[] = []
    for (let bit = 0; bit < INDICATOR_BYTES * 8; bit++) {
      if (((bytes[INDICATOR_BYTES - 1 - (bit >>> 3)]! >>> (bit & 7)) & 1) === 1) found.push(bit)
    }
    if (found.length > 0) this.#bus.writeBytes(at, new Uint8Array(INDICATOR_BYTES))
    return found
  }

  #payload(size: number): DataView {
    return new DataView(new ArrayBuffer(size))
  }

  #put(bytes: Uint8Array): void {
    this.#bus.writeBytes(this.#area + DATA, bytes)
  }

  #get(size: number): DataView {
    const bytes = new Uint8Array(size)
    this.#bus.readBytes(this.#area + DATA, bytes)
    return new DataView(bytes.buffer)
  }

  #run(code: number, count: number): CommandOutcome {
    return this.#site.command(code, DATA, count)
  }
}

const bytesOf = (view: DataView): Uint8Array => new Uint8Array(view.buffer)

/** Tries revisions from the highest on (`virtio_ccw_set_transport_rev`). @returns null where the device takes none */
export function chooseRevision(bus: CpuBus, site: ChannelSite): number | null {
  const { fields, size } = virtio_rev_info
  for (let revision = HIGHEST_REVISION; revision >= 0; revision--) {
    const view = new DataView(new ArrayBuffer(size))
    fields.revision.set(view, 0, revision)
    bus.writeBytes(site.area.cpu + DATA, bytesOf(view))
    const outcome = site.command(VIRTIO_CCW_COMMAND.SET_VIRTIO_REV, DATA, size)
    if (outcome === 'done') return revision
    if (outcome !== 'rejected') return null
  }
  return null
}
