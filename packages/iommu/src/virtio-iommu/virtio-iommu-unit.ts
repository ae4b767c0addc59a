import type { Access } from '@dmascope/memory'
import { QueuePump } from '@dmascope/virtio-devices'
import type { FeatureBits, VirtioDevice, VirtioHost } from '@dmascope/virtio-pci'
import type { DeviceQueue } from '@dmascope/virtqueue/device'
import type { Fault, Msi, RequesterId, Translation, Translator } from '../translator.ts'
import { NO_PASID, UNSUPPORTED_REQUEST } from '../translator.ts'
import { ConfigSpaceFields } from './config-fields.ts'
import { type Domain, Domains, UNATTACHED_TAG } from './domains.ts'
import { EventQueue } from './event-queue.ts'
import { FAULTS, type FaultCause } from './faults.ts'
import { above, type MappingTable } from './mapping-table.ts'
import { completeFeatures, type SeenFault, type VirtioIommuFeatures, type VirtioIommuOptions } from './options.ts'
import { RequestHandler } from './request-handler.ts'
import { ReservedRanges } from './reserved-ranges.ts'
import { VIRTIO_ID_IOMMU, VIRTIO_IOMMU_EVENTQ, VIRTIO_IOMMU_FEATURES, VIRTIO_IOMMU_REQUESTQ } from './spec/config.ts'
import { VIRTIO_IOMMU_FAULT_FLAGS } from './spec/fault.ts'

const F = VIRTIO_IOMMU_FEATURES.fields
const { VIRTIO_IOMMU_FAULT_F_READ: FAULT_READ, VIRTIO_IOMMU_FAULT_F_WRITE: FAULT_WRITE } =
  VIRTIO_IOMMU_FAULT_FLAGS.fields
const QUEUE_SIZE = 256
/** Sizes that a translation is answered in: what the fabric's port TLBs tell apart. */
const SMALL_LOG2_SIZE = 12
const LARGE_LOG2_SIZE = 21
const HUGE_LOG2_SIZE = 30
const SMALL_INNER = 0xfff
const LARGE_INNER = 0x1f_ffff
const HUGE_INNER = 0x3fff_ffff
const WHOLE_LOG2_SIZE = 64

/**
 * A virtio IOMMU (virtio 1.3 §5.13): a virtio device towards the driver, whichever transport that comes by, and a
 * translator towards the fabric. What the driver maps, it maps by requests; the device keeps it, and looks in no memory
 * for it.
 */
export class VirtioIommuUnit implements Translator, VirtioDevice {
  readonly type = VIRTIO_ID_IOMMU
  readonly kind = 'virtio-iommu'
  readonly queueSizes = [QUEUE_SIZE, QUEUE_SIZE]
  readonly features: FeatureBits
  readonly config: VirtioDevice['config']
  /** What it was made with; `features` are the bits that it offers. */
  readonly options: VirtioIommuFeatures
  readonly #domains: Domains
  readonly #reserved: ReservedRanges
  readonly #requests: RequestHandler
  readonly #events: EventQueue
  readonly #configFields: ConfigSpaceFields
  readonly #pump = new QueuePump((_index, queue) => this.#requests.serve(queue, (reason) => this.#pump.fail(reason)))
  readonly #message: Translation = { hi: 0, lo: 0, log2Size: 0, rights: 0, tag: 0, route: 'bypass' }
  /** VIRTIO_IOMMU_F_BYPASS is negotiated. */
  #bypassNegotiated = false
  readonly #inputHighest: number

  /** @throws RangeError or TypeError for features that no device can have */
  constructor(options: VirtioIommuOptions) {
    const made = completeFeatures(options)
    this.options = made
    this.features = offeredBy(made)
    this.#domains = new Domains(made.maxMappings)
    this.#reserved = new ReservedRanges(made.reservedRegions)
    this.#requests = new RequestHandler(made, this.#domains, options.endpointExists ?? (() => true))
    this.#events = new EventQueue(options)
    this.#configFields = new ConfigSpaceFields(made, () => this.#domains.forgetUnattached())
    this.config = this.#configFields
    this.#inputHighest = made.inputBits === 64 ? 0xffff_ffff : 2 ** (made.inputBits - 32) - 1
  }

  get epochs(): Uint32Array {
    return this.#domains.epochs
  }

  /** The first faults since reset, told to the driver or not: for observers. At most 1024. */
  get faultsSeen(): readonly SeenFault[] {
    return this.#events.seen
  }

  /** All faults since reset. */
  get faultCount(): number {
    return this.#events.count
  }

  /** Domains that have an endpoint. */
  get domainCount(): number {
    return this.#domains.count
  }

  /** Mappings of all domains. */
  get mappingCount(): number {
    return this.options.maxMappings - this.#domains.mappingsLeft
  }

  activate(queues: readonly (DeviceQueue | null)[], negotiated: FeatureBits, host: VirtioHost): void {
    this.#requests.negotiated = negotiated.lo
    this.#configFields.activate(negotiated, host)
    this.#setBypassNegotiated((negotiated.lo & F.VIRTIO_IOMMU_F_BYPASS.loMask) !== 0)
    // The device looks at the event queue when it has an event; the driver need not say that it left buffers.
    this.#pump.activate([queues[VIRTIO_IOMMU_REQUESTQ] ?? null], host)
    this.#events.activate(queues[VIRTIO_IOMMU_EVENTQ] ?? null, host)
  }

  notify(queue: number): void {
    if (queue === VIRTIO_IOMMU_REQUESTQ) this.#pump.wake(queue)
  }

  work(budget: number): 'idle' | 'more' | 'waiting' {
    this.#events.work()
    return this.#pump.work(budget)
  }

  /** Endpoints are in no domain then. `bypass` of the configuration stays what it is (virtio 1.3 §5.13.4). */
  reset(): void {
    this.#pump.reset()
    this.#events.reset()
    this.#domains.clear()
    this.#requests.negotiated = 0
    this.#configFields.reset()
    this.#setBypassNegotiated(false)
  }

  #setBypassNegotiated(negotiated: boolean): void {
    if (negotiated === this.#bypassNegotiated) return
    this.#bypassNegotiated = negotiated
    this.#domains.forgetUnattached()
  }

  /** Whether endpoints in no domain are in bypass mode. */
  #unattachedPass(): boolean {
    const { bypass } = this.options
    return bypass === 'config' ? this.#configFields.bypass : bypass === 'feature' && this.#bypassNegotiated
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
    const high = hi >>> 0
    const low = lo >>> 0
    // There is no ATS, and there are no PASIDs.
    if (kind !== 'untranslated' || pasid !== NO_PASID) {
      const what =
        pasid !== NO_PASID ? 'request with a PASID' : `${kind === 'translated' ? 'translated' : 'translation'} request`
      return this.#refuse(requester, high, low, access, what)
    }
    const domain = this.#domains.of(requester & 0xffff)
    if (domain === undefined) return this.#translateUnattached(requester, high, low, access, out)
    if (domain.bypass) return pass(high, low, domain.tag, out)
    const region = this.#reserved.find(high, low)
    if (region >= 0) return this.#accessReserved(region, requester, high, low, access, out)
    const { mappings } = domain
    const place = mappings.find(high, low)
    if (place < 0) {
      const beyond = high > this.#inputHighest
      return this.#fault(beyond ? FAULTS.beyondInputRange : FAULTS.notMapped, requester, high, low, access)
    }
    // READ and WRITE are the bits of `Access`.
    const rights = mappings.flags(place) & 3
    if ((access & ~rights) !== 0) return this.#fault(FAULTS.noPermission, requester, high, low, access & ~rights)
    this.#answer(domain, place, high, low, rights, out)
    return 0
  }

  /** Fills in where a mapped address leads, and the largest aligned block around it that goes the same way. */
  #answer(domain: Domain, place: number, hi: number, lo: number, rights: number, out: Translation): void {
    const { mappings } = domain
    const offsetLo = (lo - mappings.startLo(place)) >>> 0
    const borrow = lo < mappings.startLo(place) ? 1 : 0
    const sum = offsetLo + mappings.physLo(place)
    out.lo = sum >>> 0
    out.hi = (hi - mappings.startHi(place) - borrow + mappings.physHi(place) + (sum > 0xffff_ffff ? 1 : 0)) >>> 0
    out.rights = rights
    out.route = 'translated'
    out.tag = domain.tag
    out.log2Size = SMALL_LOG2_SIZE
    const spanLo = (mappings.endLo(place) - mappings.startLo(place)) >>> 0
    // Most mappings are too short for a larger block to be looked for.
    if (spanLo >= LARGE_INNER || mappings.endHi(place) !== mappings.startHi(place)) {
      if (this.#covers(mappings, place, hi, lo, HUGE_INNER)) {
        out.log2Size = HUGE_LOG2_SIZE
        return
      }
      if (this.#covers(mappings, place, hi, lo, LARGE_INNER)) {
        out.log2Size = LARGE_LOG2_SIZE
        return
      }
    }
    // A mapping of less than a page, or across page offsets, which only a lax device lets in, holds for this access.
    if (!this.#covers(mappings, place, hi, lo, SMALL_INNER)) out.tag = -1
  }

  /**
   * Whether the aligned block around an address lies in the mapping, starts at an aligned output, and is all its own.
   *
   * @param inner - the bits of an address within a block
   */
  #covers(mappings: MappingTable, place: number, hi: number, lo: number, inner: number): boolean {
    if (((mappings.startLo(place) ^ mappings.physLo(place)) & inner) !== 0) return false
    const first = (lo & ~inner) >>> 0
    const last = (lo | inner) >>> 0
    return (
      !above(mappings.startHi(place), mappings.startLo(place), hi, first) &&
      !above(hi, last, mappings.endHi(place), mappings.endLo(place)) &&
      !this.#reserved.touches(hi, first, hi, last)
    )
  }

  #translateUnattached(requester: RequesterId, hi: number, lo: number, access: number, out: Translation): Fault {
    if (this.#unattachedPass()) return pass(hi, lo, UNATTACHED_TAG, out)
    if (!this.#domains.isKnown(requester & 0xffff)) {
      return this.#fault(FAULTS.unknownEndpoint, requester, hi, lo, access)
    }
    const region = this.#reserved.find(hi, lo)
    if (region >= 0) return this.#accessReserved(region, requester, hi, lo, access, out)
    return this.#fault(FAULTS.noDomain, requester, hi, lo, access)
  }

  /** A write to a doorbell goes there as it is; nothing else may go to a reserved region. */
  #accessReserved(
    region: number,
    requester: RequesterId,
    hi: number,
    lo: number,
    access: number,
    out: Translation,
  ): Fault {
    if (!this.#reserved.isMsi(region)) return this.#fault(FAULTS.reservedRegion, requester, hi, lo, access)
    if ((access & 1) !== 0) return this.#refuse(requester, hi, lo, access, 'read of a doorbell')
    pass(hi, lo, -1, out)
    out.log2Size = SMALL_LOG2_SIZE
    out.rights = 2
    return 0
  }

  /** There is no interrupt remapping: a message passes as it is, is mapped like any write, or is refused like one. */
  remapInterrupt(source: RequesterId, hi: number, lo: number, data: number, out: Msi): Fault {
    const route = this.#message
    const fault = this.translate(source, NO_PASID, 'untranslated', hi, lo, 2, route)
    if (fault !== 0) return fault
    out.hi = route.hi
    out.lo = route.lo
    out.data = data
    out.remapped = false
    return 0
  }

  /** @param wrong - the access, or what of it was not allowed */
  #fault(cause: FaultCause, requester: RequesterId, hi: number, lo: number, wrong: number): Fault {
    const tells = this.options.tellsAccessOfFaults || cause === FAULTS.noPermission
    const flags = (wrong & 1 ? FAULT_READ.loMask : 0) | (wrong & 2 ? FAULT_WRITE.loMask : 0)
    const seen = { requester, access: accessOf(wrong), hi, lo, reason: cause.value, text: cause.text }
    this.#events.report(seen, cause.reason, tells ? flags : 0)
    return cause.value
  }

  /** No event tells of it. */
  #refuse(requester: RequesterId, hi: number, lo: number, access: number, text: string): Fault {
    this.#events.observe({ requester, access: accessOf(access), hi, lo, reason: UNSUPPORTED_REQUEST, text })
    return UNSUPPORTED_REQUEST
  }
}

const accessOf = (access: number): 'read' | 'write' => (access & 2 ? 'write' : 'read')

function pass(hi: number, lo: number, tag: number, out: Translation): 0 {
  out.hi = hi
  out.lo = lo
  out.log2Size = WHOLE_LOG2_SIZE
  out.rights = 3
  out.tag = tag
  out.route = 'bypass'
  return 0
}

function offeredBy({ probeSize, mmio, bypass }: VirtioIommuFeatures): FeatureBits {
  let lo =
    F.VIRTIO_IOMMU_F_INPUT_RANGE.loMask | F.VIRTIO_IOMMU_F_DOMAIN_RANGE.loMask | F.VIRTIO_IOMMU_F_MAP_UNMAP.loMask
  if (probeSize > 0) lo |= F.VIRTIO_IOMMU_F_PROBE.loMask
  if (mmio) lo |= F.VIRTIO_IOMMU_F_MMIO.loMask
  if (bypass === 'feature') lo |= F.VIRTIO_IOMMU_F_BYPASS.loMask
  if (bypass === 'config') lo |= F.VIRTIO_IOMMU_F_BYPASS_CONFIG.loMask
  return { lo: lo >>> 0, hi: 0 }
}
