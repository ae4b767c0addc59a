import type { IommuDomain } from '@dmascope/dma'
import type { PciDevice } from './contract.ts'
import type { GroupDomain } from './group-domain.ts'
import type { IommuGroup, IommuGroups } from './groups/iommu-groups.ts'

/** Addresses of a device that are not a user's to map, as sysfs lists them (`reserved_regions`). Both ends are in it. */
export interface DeviceRegion {
  readonly start: number
  readonly end: number
  /** `direct`: must be mapped onto itself, always. `direct-relaxable`: only while the kernel has the device. */
  readonly type: 'direct' | 'direct-relaxable' | 'reserved' | 'msi'
  /** Of `msi`: software maps the interrupt controller's doorbell in there; the hardware knows nothing of it. */
  readonly software?: true
  /** Who says so: `an RMRR names it`. */
  readonly because: string
}

/**
 * What the IOMMU code offers to VFIO: groups taken from the DMA API and given back. Attaching answers why not, where it
 * cannot.
 */
export interface GroupOwnership {
  /** By which of VFIO's drivers users map memory: `type1` unless given. */
  readonly api?: 'type1' | 'spapr'
  /** In the order in which they came into the group. */
  members(group: number): readonly PciDevice[]
  /** Ascending. */
  regions(device: PciDevice): readonly DeviceRegion[]
  /** A driver of the IOMMU that will have no domain of a user's for this device, and how it says so. */
  ineligible?(device: PciDevice): string | null
  /** One past the last address of such domains as VFIO is told, where their tables reach less far; 2^53 for no end. */
  readonly geometryEnd?: number
  /** An empty domain for the group, whose unmaps are invalidated at once; null where memory or IDs ran out. */
  createDomain(group: number): IommuDomain | null
  /** Puts every device of the group into this domain; with null, back into its default domain. */
  attach(group: number, domain: GroupDomain | null): string | null
}

/** An IOMMU's groups and domains, as far as owning groups goes. */
export interface GroupMover {
  readonly groups: IommuGroups
  /** An empty domain for a group's user; null where memory or IDs ran out. */
  createDomain(group: IommuGroup): IommuDomain | null
  /** Moves a group into a user's domain, or, with null, back. Answers why not. */
  move(group: IommuGroup, to: GroupDomain | null): string | null
}

/**
 * Where Linux maps the doorbells of interrupt controllers in a domain of a user's, on hardware that translates messages
 * like any other write, and has no place of its own for them (`MSI_IOVA_BASE`, `MSI_IOVA_LENGTH`).
 */
export const SOFTWARE_MSI_REGION: DeviceRegion = {
  start: 0x800_0000,
  end: 0x80f_ffff,
  type: 'msi',
  software: true,
  because: 'the kernel maps the doorbells of messages there',
}

/** What all kinds have alike; `rules` are a kind's own. */
export function ownershipOf(mover: GroupMover, rules: Pick<GroupOwnership, 'regions' | 'ineligible'>): GroupOwnership {
  const found = (id: number): IommuGroup | undefined => mover.groups.groups[id]
  return {
    ...rules,
    members: (id) => found(id)?.devices ?? [],
    createDomain(id) {
      const group = found(id)
      return group === undefined ? null : mover.createDomain(group)
    },
    attach(id, domain) {
      const group = found(id)
      return group === undefined ? `there is no group ${id}` : mover.move(group, domain)
    },
  }
}

/** Ascending, one entry for what several devices share: what `reserved_regions` of a group says. */
export function regionsOfGroup(ownership: GroupOwnership, group: number): readonly DeviceRegion[] {
  const found = new Map<string, DeviceRegion>()
  for (const device of ownership.members(group)) {
    for (const region of ownership.regions(device)) {
      found.set(`${region.start} ${region.end} ${region.type}`, region)
    }
  }
  return [...found.values()].sort((a, b) => a.start - b.start)
}
