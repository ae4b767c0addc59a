import type { IommuDomain } from '@dmascope/dma'
import type { GroupDomain } from './attached-domain.ts'
import type { GroupOwnership } from './contract.ts'
import type { DeviceRegion } from './device-region.ts'
import type { IommuGroup, IommuGroups } from './groups/iommu-groups.ts'

/** An IOMMU's groups and domains, as far as owning groups goes. */
export interface GroupMover {
  readonly groups: IommuGroups
  /** An empty domain for a group's user; null where memory or IDs ran out. */
  createDomain(group: IommuGroup): IommuDomain | null
  /** Moves a group into a user's domain, or, with null, back. Answers why not. */
  move(group: IommuGroup, to: GroupDomain | null): string | null
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
