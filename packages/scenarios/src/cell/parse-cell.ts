import { parseGuest } from '@dmascope/guest'
import { DmascopeError, nearestName } from '@dmascope/layout'
import { requireHypervisor } from '@dmascope/machine'
import type { Cell } from './cell.ts'
import { requireDevice, requirePlatform } from './describe-cell.ts'
import type { IommuState } from './platforms.ts'
import { STATES } from './states.ts'

export const IOMMU_STATES: readonly IommuState[] = STATES.map(({ name }) => name)

/** @throws DmascopeError SCENARIO_CELL */
export function requireState(name: string): IommuState {
  const found = IOMMU_STATES.find((one) => one === name)
  if (found !== undefined) return found
  const nearest = nearestName(name, IOMMU_STATES)
  throw new DmascopeError(
    'SCENARIO_CELL',
    `unknown IOMMU state "${name}"${nearest === null ? '; ' : `; did you mean ${nearest}? `}known are ${IOMMU_STATES.join(', ')}`,
    { axis: 'iommu', name, nearest, known: IOMMU_STATES },
  )
}

/**
 * Reads `GUEST/HYPERVISOR/PLATFORM/IOMMU/DEVICE`.
 *
 * @throws DmascopeError SCENARIO_CELL, GUEST_*, MACHINE_HYPERVISOR
 */
export function parseCell(text: string): Cell {
  // An option of a guest may hold a slash, as that of virtual functions does.
  const [, guest, hypervisor, platform, iommu, device] = /^(.+)\/([^/]+)\/([^/]+)\/([^/]+)\/([^/]+)$/.exec(text) ?? []
  if (!guest || !hypervisor || !platform || !iommu || !device) {
    throw new DmascopeError(
      'SCENARIO_CELL',
      `"${text}" is no cell: write GUEST/HYPERVISOR/PLATFORM/IOMMU/DEVICE, such as linux-6.12/qemu/x86-vtd/on/virtio-blk`,
      { text },
    )
  }
  return {
    guest: parseGuest(guest).text,
    hypervisor: requireHypervisor(hypervisor).name,
    platform: requirePlatform(platform).name,
    iommu: requireState(iommu),
    device: requireDevice(device).name,
  }
}
