import type { IommuDomain } from '@dmascope/dma'
import { IovaSpace } from '@dmascope/dma'
import type { DeviceRegion } from '../iommu/device-region.ts'
import type { GroupDomain } from '../iommu/group-domain.ts'
import { mergeRegions } from '../iommu/reserved-regions.ts'

const PAGE = 4096
/** Where the program's own choice of addresses begins. What lies below is left for trying the kernel's checks. */
const FIRST_ADDRESS = 0x10_0000

export interface IovaRange {
  readonly start: number
  readonly end: number
}

/** Regions that a user may not map: all but those that firmware no longer needs. */
const keptFromUsers = (regions: readonly DeviceRegion[]): readonly DeviceRegion[] =>
  regions.filter(({ type }) => type !== 'direct-relaxable')

/** What VFIO_IOMMU_GET_INFO says: addresses that the hardware translates, without reserved regions. Both ends count. */
export function iovaRanges(apertureEnd: number, regions: readonly DeviceRegion[]): IovaRange[] {
  const ranges: IovaRange[] = []
  let at = 0
  const taken = mergeRegions(keptFromUsers(regions).map(({ start, end }) => ({ start, end: end + 1 })))
  for (const { start, end } of taken) {
    if (start > at) ranges.push({ start: at, end: Math.min(start, apertureEnd) - 1 })
    at = Math.max(at, end)
  }
  if (at < apertureEnd) ranges.push({ start: at, end: apertureEnd - 1 })
  return ranges.filter(({ start, end }) => start <= end)
}

/** Ranges that are in all of these. */
export const commonRanges = (all: readonly (readonly IovaRange[])[]): IovaRange[] =>
  all.reduce<IovaRange[]>(
    (left, right) =>
      left.flatMap((a) =>
        right.flatMap((b) => {
          const start = Math.max(a.start, b.start)
          const end = Math.min(a.end, b.end)
          return start <= end ? [{ start, end }] : []
        }),
      ),
    [{ start: 0, end: Number.MAX_SAFE_INTEGER }],
  )

/** A user's domain for a group: addresses from the bottom up, as programs choose them that map their memory in one piece. */
export function userDomain(domain: IommuDomain, regions: readonly DeviceRegion[]): GroupDomain {
  const { apertureEnd } = domain
  const reserved = keptFromUsers(regions)
    .map(({ start, end }) => ({ start: Math.floor(start / PAGE) * PAGE, end: Math.min(end + 1, apertureEnd) }))
    .filter(({ start, end }) => start < end)
  const software = regions.find((region) => region.software === true)
  return {
    domain,
    space: new IovaSpace({
      domain,
      reserved: mergeRegions([...reserved, { start: 0, end: FIRST_ADDRESS }]),
      order: 'bottom-up',
    }),
    ...(software !== undefined && { doorbells: { next: software.start } }),
  }
}

/** Mappings that a program asks for by address (`vfio_dma_do_map`), judged in the kernel's order. */
export class UserMappings {
  readonly #domains: readonly IommuDomain[]
  readonly #ranges: readonly IovaRange[]
  readonly #mapped: IovaRange[] = []

  constructor(domains: readonly IommuDomain[], ranges: readonly IovaRange[]) {
    this.#domains = domains
    this.#ranges = ranges
  }

  map(iova: number, physical: number, length: number): 'ok' | 'EEXIST' | 'EINVAL' | 'ENOMEM' {
    const end = iova + length - 1
    if (this.#mapped.some((one) => iova <= one.end && end >= one.start)) return 'EEXIST'
    if (!this.#ranges.some((one) => iova >= one.start && end <= one.end)) return 'EINVAL'
    for (const domain of this.#domains) if (!domain.map(iova, physical, length, 3)) return 'ENOMEM'
    this.#mapped.push({ start: iova, end })
    return 'ok'
  }

  unmapAll(): void {
    for (const { start, end } of this.#mapped.splice(0)) {
      for (const domain of this.#domains) {
        domain.unmap(start, end - start + 1)
        domain.flush({ iova: start, length: end - start + 1 })
      }
    }
  }
}
