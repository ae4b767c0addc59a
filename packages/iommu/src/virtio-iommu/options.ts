import { chosenFeatures } from '../chosen-features.ts'
import type { RequesterId } from '../translator.ts'

/** A range of virtual addresses, both ends in it, that is not for mappings. */
export interface ReservedRegion {
  /** `msi`: writes there are interrupt messages, and pass as they are. `reserved`: nothing may go there. */
  readonly kind: 'msi' | 'reserved'
  /** Below 2^53. */
  readonly start: number
  readonly end: number
}

/** What the device offers, and where the specification leaves it a choice. */
export interface VirtioIommuFeatures {
  /** Bytes: the lowest bit of `page_size_mask`, which has all bits above it too. A power of two from 4096 to 65536. */
  readonly granule: number
  /** `input_range` is [0, 2^inputBits). 32 to 64. */
  readonly inputBits: number
  /** `domain_range`, both ends in it. */
  readonly domainRange: { readonly start: number; readonly end: number }
  /** Bytes for the properties of a PROBE request; 0: VIRTIO_IOMMU_F_PROBE is not offered. */
  readonly probeSize: number
  /** VIRTIO_IOMMU_F_MMIO. */
  readonly mmio: boolean
  /**
   * What lets endpoints pass that are in no domain: `config`, VIRTIO_IOMMU_F_BYPASS_CONFIG with the field `bypass`;
   * `feature`, VIRTIO_IOMMU_F_BYPASS once it is negotiated; `none`.
   */
  readonly bypass: 'config' | 'feature' | 'none'
  /** What `bypass` of the configuration is at first. */
  readonly bootBypass: boolean
  /** Of every endpoint: what a PROBE request tells. Ascending, and disjoint. */
  readonly reservedRegions: readonly ReservedRegion[]
  /**
   * Requests are checked as the specification asks: reserved fields of ATTACH, `domain_range`, `input_range`, the
   * granule, reserved regions.
   */
  readonly checksRequests: boolean
  /** A request of an unknown type is answered with VIRTIO_IOMMU_S_UNSUPP; else it comes back with nothing written. */
  readonly answersUnknownRequests: boolean
  /** A request too short for head and tail makes the device need a reset; else it comes back with nothing written. */
  readonly breaksOnShortRequests: boolean
  /** Fault events say whether it was a read or a write also where nothing is mapped at all. */
  readonly tellsAccessOfFaults: boolean
  /** Mappings of all domains together; VIRTIO_IOMMU_S_NOMEM beyond. */
  readonly maxMappings: number
}

/** A fault, for an observer. */
export interface SeenFault {
  readonly requester: RequesterId
  readonly access: 'read' | 'write' | 'interrupt'
  readonly hi: number
  readonly lo: number
  /** A value of `FAULTS`, or `UNSUPPORTED_REQUEST`. */
  readonly reason: number
  readonly text: string
  /** False: no event tells the driver of it (no buffer for one, too many at a time, or nothing that is ever told). */
  readonly recorded: boolean
}

/** What a device is wired to, besides its transport. */
export interface VirtioIommuWiring {
  /** Whether there is an endpoint of this ID. Left out: every ID of 16 bits has one. */
  readonly endpointExists?: (endpoint: number) => boolean
  /** The device has work to do that no driver told it of: a fault to report. `work` must be called. */
  readonly wake?: () => void
  readonly onFault?: (fault: SeenFault) => void
}

export type VirtioIommuOptions = Partial<VirtioIommuFeatures> & VirtioIommuWiring

/** A device without options left out: what the specification says, all of it offered, and nothing passes unasked. */
const DEFAULT_FEATURES: VirtioIommuFeatures = {
  granule: 4096,
  inputBits: 64,
  domainRange: { start: 0, end: 0xffff_ffff },
  probeSize: 512,
  mmio: true,
  bypass: 'config',
  bootBypass: false,
  reservedRegions: [],
  checksRequests: true,
  answersUnknownRequests: false,
  breaksOnShortRequests: false,
  tellsAccessOfFaults: true,
  maxMappings: 0x4_0000,
}

/** Bytes of a RESV_MEM property. */
const RESV_MEM_BYTES = 24

/**
 * The features with their defaults.
 *
 * @throws RangeError where a number is outside of what the configuration can say; TypeError where features contradict
 */
export function completeFeatures(options: Partial<VirtioIommuFeatures>): VirtioIommuFeatures {
  const features = chosenFeatures(DEFAULT_FEATURES, options)
  const { granule, inputBits, domainRange, probeSize, reservedRegions, maxMappings } = features
  const power = Number.isInteger(Math.log2(granule))
  if (!(power && granule >= 4096 && granule <= 65_536)) {
    throw new RangeError(`granule is a power of two from 4096 to 65536, got ${granule}`)
  }
  if (!(Number.isInteger(inputBits) && inputBits >= 32 && inputBits <= 64)) {
    throw new RangeError(`inputBits is 32 to 64, got ${inputBits}`)
  }
  const { start, end } = domainRange
  if (!(Number.isInteger(start) && Number.isInteger(end) && start >= 0 && start <= end && end <= 0xffff_ffff)) {
    throw new RangeError(`domainRange goes from one 32-bit ID up to another, got ${start} to ${end}`)
  }
  if (!(Number.isInteger(probeSize) && probeSize >= 0 && probeSize <= 65_536)) {
    throw new RangeError(`probeSize is 0 to 65536 bytes, got ${probeSize}`)
  }
  if (!(Number.isInteger(maxMappings) && maxMappings > 0 && maxMappings <= 0x100_0000)) {
    throw new RangeError(`maxMappings is 1 to 2^24, got ${maxMappings}`)
  }
  let after = 0
  for (const region of reservedRegions) {
    const safe = Number.isSafeInteger(region.start) && Number.isSafeInteger(region.end)
    if (!(safe && region.start >= after && region.end >= region.start)) {
      throw new RangeError(`reserved regions ascend below 2^53, got ${region.start} to ${region.end}`)
    }
    after = region.end + 1
  }
  if (reservedRegions.length * RESV_MEM_BYTES > probeSize) {
    throw new TypeError(`${reservedRegions.length} reserved regions need a probeSize that holds their properties`)
  }
  return features
}
