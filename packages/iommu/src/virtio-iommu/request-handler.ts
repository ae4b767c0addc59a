import { DMA_OK, DMA_PENDING } from '@dmascope/memory'
import { SERVE_BROKEN, SERVE_WAIT } from '@dmascope/virtio-devices'
import type { DeviceQueue } from '@dmascope/virtqueue/device'
import type { Domains } from './domains.ts'
import { above, type Pair } from './mapping-table.ts'
import type { VirtioIommuFeatures } from './options.ts'
import { VIRTIO_IOMMU_FEATURES } from './spec/config.ts'
import {
  VIRTIO_IOMMU_PROBE_T_RESV_MEM,
  VIRTIO_IOMMU_RESV_MEM_T_MSI,
  VIRTIO_IOMMU_RESV_MEM_T_RESERVED,
  virtio_iommu_probe_property,
  virtio_iommu_probe_resv_mem,
} from './spec/properties.ts'
import {
  VIRTIO_IOMMU_ATTACH_FLAGS,
  VIRTIO_IOMMU_MAP_FLAGS,
  VIRTIO_IOMMU_S_DEVERR,
  VIRTIO_IOMMU_S_INVAL,
  VIRTIO_IOMMU_S_NOENT,
  VIRTIO_IOMMU_S_NOMEM,
  VIRTIO_IOMMU_S_OK,
  VIRTIO_IOMMU_S_RANGE,
  VIRTIO_IOMMU_S_UNSUPP,
  VIRTIO_IOMMU_T_ATTACH,
  VIRTIO_IOMMU_T_DETACH,
  VIRTIO_IOMMU_T_MAP,
  VIRTIO_IOMMU_T_PROBE,
  VIRTIO_IOMMU_T_UNMAP,
  virtio_iommu_req_attach,
  virtio_iommu_req_detach,
  virtio_iommu_req_head,
  virtio_iommu_req_map,
  virtio_iommu_req_probe,
  virtio_iommu_req_tail,
  virtio_iommu_req_unmap,
} from './spec/requests.ts'

const F = VIRTIO_IOMMU_FEATURES.fields
const { type } = virtio_iommu_req_head.fields
const ATTACH = virtio_iommu_req_attach.fields
const DETACH = virtio_iommu_req_detach.fields
const MAP = virtio_iommu_req_map.fields
const UNMAP = virtio_iommu_req_unmap.fields
const PROBE = virtio_iommu_req_probe.fields
const RESV_MEM = virtio_iommu_probe_resv_mem.fields
const { VIRTIO_IOMMU_ATTACH_F_BYPASS } = VIRTIO_IOMMU_ATTACH_FLAGS.fields
const MAP_FLAGS = VIRTIO_IOMMU_MAP_FLAGS.fields
const TAIL_BYTES = virtio_iommu_req_tail.size
const LARGEST_REQUEST = virtio_iommu_req_probe.size
const READ_WRITE = MAP_FLAGS.VIRTIO_IOMMU_MAP_F_READ.loMask | MAP_FLAGS.VIRTIO_IOMMU_MAP_F_WRITE.loMask
/** No answer: the request comes back with nothing written. */
const UNANSWERED = -1

/** Bytes of the device-readable part, by type. */
const SIZES: Readonly<Record<number, number>> = {
  [VIRTIO_IOMMU_T_ATTACH]: virtio_iommu_req_attach.size,
  [VIRTIO_IOMMU_T_DETACH]: virtio_iommu_req_detach.size,
  [VIRTIO_IOMMU_T_MAP]: virtio_iommu_req_map.size,
  [VIRTIO_IOMMU_T_UNMAP]: virtio_iommu_req_unmap.size,
  [VIRTIO_IOMMU_T_PROBE]: virtio_iommu_req_probe.size,
}

/** Does what requests ask for (virtio 1.3 §5.13.6), and answers with the status that the specification names. */
export class RequestHandler {
  /** Lower half of the negotiated features. */
  negotiated = 0
  readonly #features: VirtioIommuFeatures
  readonly #domains: Domains
  readonly #isThere: (endpoint: number) => boolean
  readonly #request = new DataView(new ArrayBuffer(LARGEST_REQUEST))
  readonly #answer: Uint8Array
  readonly #properties: Uint8Array

  constructor(features: VirtioIommuFeatures, domains: Domains, endpointExists: (endpoint: number) => boolean) {
    this.#features = features
    this.#domains = domains
    this.#isThere = endpointExists
    this.#answer = new Uint8Array(features.probeSize + TAIL_BYTES)
    this.#properties = propertiesOf(features)
  }

  #endpointExists(endpoint: number): boolean {
    return endpoint <= 0xffff && this.#isThere(endpoint)
  }

  /**
   * One request, with the chain that the queue stands at.
   *
   * @param breaks - called where the device cannot go on
   * @returns bytes written, or one of the queue pump's other answers
   */
  serve(queue: DeviceQueue, breaks: (reason: string) => void): number {
    const { readableBytes, writableBytes } = queue
    if (readableBytes < virtio_iommu_req_head.size || writableBytes < TAIL_BYTES) {
      if (!this.#features.breaksOnShortRequests) return 0
      breaks(`a request of ${readableBytes} bytes with room for ${writableBytes} has no head or no tail`)
      return SERVE_BROKEN
    }
    const bytes = Math.min(readableBytes, LARGEST_REQUEST)
    const read = queue.read(0, new Uint8Array(this.#request.buffer, 0, bytes))
    if (read === DMA_PENDING) return SERVE_WAIT
    const asked = type.get(this.#request, 0)
    const status = read === DMA_OK ? this.#statusOf(asked, bytes, writableBytes) : VIRTIO_IOMMU_S_DEVERR
    if (status === UNANSWERED) return 0
    // The tail ends the request; of a PROBE, properties come before it.
    const answer = this.#answer
    const isProbe = asked === VIRTIO_IOMMU_T_PROBE && read === DMA_OK
    const tail = isProbe ? Math.min(this.#features.probeSize, writableBytes - TAIL_BYTES) : 0
    if (isProbe) {
      if (status === VIRTIO_IOMMU_S_OK) answer.set(this.#properties)
      else answer.fill(0)
    }
    answer.fill(0, tail, tail + TAIL_BYTES)
    answer[tail] = status
    const written = queue.write(0, answer.subarray(0, tail + TAIL_BYTES))
    if (written === DMA_PENDING) return SERVE_WAIT
    return written === DMA_OK ? tail + TAIL_BYTES : 0
  }

  #statusOf(asked: number, bytes: number, writableBytes: number): number {
    const size = SIZES[asked]
    const isOffered =
      asked === VIRTIO_IOMMU_T_PROBE
        ? this.#features.probeSize > 0
        : (asked !== VIRTIO_IOMMU_T_MAP && asked !== VIRTIO_IOMMU_T_UNMAP) ||
          (this.negotiated & F.VIRTIO_IOMMU_F_MAP_UNMAP.loMask) !== 0
    if (size === undefined || !isOffered) {
      return this.#features.answersUnknownRequests ? VIRTIO_IOMMU_S_UNSUPP : UNANSWERED
    }
    if (bytes < size) return VIRTIO_IOMMU_S_INVAL
    switch (asked) {
      case VIRTIO_IOMMU_T_ATTACH:
        return this.#attach()
      case VIRTIO_IOMMU_T_DETACH:
        return this.#detach()
      case VIRTIO_IOMMU_T_MAP:
        return this.#map()
      case VIRTIO_IOMMU_T_UNMAP:
        return this.#unmap()
      default:
        return this.#probe(writableBytes)
    }
  }

  #attach(): number {
    const request = this.#request
    const { checksRequests } = this.#features
    const flags = ATTACH.flags.get(request, 0)
    const known =
      (this.negotiated & F.VIRTIO_IOMMU_F_BYPASS_CONFIG.loMask) !== 0 ? VIRTIO_IOMMU_ATTACH_F_BYPASS.loMask : 0
    if ((flags & ~known) !== 0) return VIRTIO_IOMMU_S_INVAL
    if (checksRequests && ATTACH.reserved.get(request, 0).some((byte) => byte !== 0)) return VIRTIO_IOMMU_S_INVAL
    const id = ATTACH.domain.get(request, 0)
    const { start, end } = this.#features.domainRange
    if (checksRequests && (id < start || id > end)) return VIRTIO_IOMMU_S_RANGE
    const endpoint = ATTACH.endpoint.get(request, 0)
    if (!this.#endpointExists(endpoint)) return VIRTIO_IOMMU_S_NOENT
    const bypass = (flags & VIRTIO_IOMMU_ATTACH_F_BYPASS.loMask) !== 0
    const domains = this.#domains
    domains.learn(endpoint)
    // As a DETACH and then the ATTACH: the old domain may end by that, and be the one that is asked for.
    if (domains.of(endpoint)?.id !== id) domains.detach(endpoint)
    const domain = domains.find(id)
    if (domain !== undefined && domain.bypass !== bypass) return VIRTIO_IOMMU_S_INVAL
    if (domains.of(endpoint) === undefined) domains.attach(endpoint, id, bypass)
    return VIRTIO_IOMMU_S_OK
  }

  #detach(): number {
    const request = this.#request
    const endpoint = DETACH.endpoint.get(request, 0)
    if (!this.#endpointExists(endpoint)) return VIRTIO_IOMMU_S_NOENT
    const domain = this.#domains.of(endpoint)
    if (domain === undefined || domain.id !== DETACH.domain.get(request, 0)) return VIRTIO_IOMMU_S_INVAL
    this.#domains.detach(endpoint)
    return VIRTIO_IOMMU_S_OK
  }

  #map(): number {
    const request = this.#request
    const known = READ_WRITE | (this.#mmioNegotiated ? MAP_FLAGS.VIRTIO_IOMMU_MAP_F_MMIO.loMask : 0)
    const flags = MAP.flags.get(request, 0)
    if ((flags & ~known) !== 0) return VIRTIO_IOMMU_S_INVAL
    const domain = this.#domains.find(MAP.domain.get(request, 0))
    if (domain === undefined) return VIRTIO_IOMMU_S_NOENT
    if (domain.bypass) return VIRTIO_IOMMU_S_INVAL
    const start = pairAt(MAP.virt_start, request)
    const end = pairAt(MAP.virt_end, request)
    const phys = pairAt(MAP.phys_start, request)
    if (above(start.hi, start.lo, end.hi, end.lo)) return VIRTIO_IOMMU_S_INVAL
    if (this.#features.checksRequests) {
      const refused = this.#judgeRange(start, end, phys)
      if (refused !== VIRTIO_IOMMU_S_OK) return refused
    }
    switch (domain.mappings.add(start, end, phys, flags)) {
      case 'overlaps':
        return VIRTIO_IOMMU_S_INVAL
      case 'no room':
        return VIRTIO_IOMMU_S_NOMEM
      case 'added':
        return VIRTIO_IOMMU_S_OK
    }
  }

  get #mmioNegotiated(): boolean {
    return (this.negotiated & F.VIRTIO_IOMMU_F_MMIO.loMask) !== 0
  }

  #judgeRange(start: Pair, end: Pair, phys: Pair): number {
    const { granule, inputBits, reservedRegions } = this.#features
    const inner = granule - 1
    if (((start.lo | phys.lo | ((end.lo + 1) >>> 0)) & inner) !== 0) return VIRTIO_IOMMU_S_RANGE
    if (inputBits < 64 && end.hi >= 2 ** (inputBits - 32)) return VIRTIO_IOMMU_S_RANGE
    for (const { start: first, end: last } of reservedRegions) {
      const [firstHi, firstLo] = halves(first)
      const [lastHi, lastLo] = halves(last)
      if (!above(start.hi, start.lo, lastHi, lastLo) && !above(firstHi, firstLo, end.hi, end.lo)) {
        return VIRTIO_IOMMU_S_INVAL
      }
    }
    return VIRTIO_IOMMU_S_OK
  }

  #unmap(): number {
    const request = this.#request
    const domain = this.#domains.find(UNMAP.domain.get(request, 0))
    if (domain === undefined) return VIRTIO_IOMMU_S_NOENT
    if (domain.bypass) return VIRTIO_IOMMU_S_INVAL
    const start = pairAt(UNMAP.virt_start, request)
    const end = pairAt(UNMAP.virt_end, request)
    if (above(start.hi, start.lo, end.hi, end.lo)) return VIRTIO_IOMMU_S_INVAL
    const removed = domain.mappings.remove(start, end)
    if (removed < 0) return VIRTIO_IOMMU_S_RANGE
    if (removed > 0) this.#domains.forget(domain)
    return VIRTIO_IOMMU_S_OK
  }

  #probe(writableBytes: number): number {
    const endpoint = PROBE.endpoint.get(this.#request, 0)
    if (!this.#endpointExists(endpoint)) return VIRTIO_IOMMU_S_NOENT
    if (writableBytes < this.#features.probeSize + TAIL_BYTES) return VIRTIO_IOMMU_S_INVAL
    return VIRTIO_IOMMU_S_OK
  }
}

interface QuadAccess {
  readonly lo: { get(view: DataView, base: number): number }
  readonly hi: { get(view: DataView, base: number): number }
}

const pairAt = (field: QuadAccess, view: DataView): Pair => ({ hi: field.hi.get(view, 0), lo: field.lo.get(view, 0) })

const halves = (value: number): readonly [hi: number, lo: number] => [Math.floor(value / 2 ** 32), value % 2 ** 32]

/** What every endpoint's PROBE request is answered with: its reserved regions, and zeros. */
function propertiesOf({ probeSize, reservedRegions }: VirtioIommuFeatures): Uint8Array {
  const view = new DataView(new ArrayBuffer(probeSize))
  for (const [index, { kind, start, end }] of reservedRegions.entries()) {
    const at = index * virtio_iommu_probe_resv_mem.size
    RESV_MEM.head.fields.type.set(view, at, VIRTIO_IOMMU_PROBE_T_RESV_MEM)
    RESV_MEM.head.fields.length.set(view, at, virtio_iommu_probe_resv_mem.size - virtio_iommu_probe_property.size)
    const subtype = kind === 'msi' ? VIRTIO_IOMMU_RESV_MEM_T_MSI : VIRTIO_IOMMU_RESV_MEM_T_RESERVED
    RESV_MEM.subtype.set(view, at, subtype)
    RESV_MEM.start.number.set(view, at, start)
    RESV_MEM.end.number.set(view, at, end)
  }
  return new Uint8Array(view.buffer)
}
