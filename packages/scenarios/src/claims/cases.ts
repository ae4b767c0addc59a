import type { HypervisorName } from '@dmascope/machine'
import type { Cell, Observed } from '../cell/cell.ts'
import { requirePlatform } from '../cell/describe-cell.ts'
import type { DeviceName } from '../cell/devices.ts'
import type { IommuState, PlatformName } from '../cell/platforms.ts'

/** Values of each axis: their combinations are cells. */
export interface CellSet {
  readonly guest: readonly string[] | string
  readonly hypervisor: readonly HypervisorName[] | HypervisorName
  readonly platform: readonly PlatformName[] | PlatformName
  readonly iommu: readonly IommuState[] | IommuState
  readonly device?: readonly DeviceName[] | DeviceName
}

const list = <T>(one: T | readonly T[]): readonly T[] => (Array.isArray(one) ? one : [one as T])

/** Every combination that a platform has a state for. */
function cells(set: CellSet): Cell[] {
  const found: Cell[] = []
  for (const guest of list(set.guest)) {
    for (const hypervisor of list(set.hypervisor)) {
      for (const platform of list(set.platform)) {
        const { states } = requirePlatform(platform)
        for (const iommu of list(set.iommu)) {
          if (states[iommu] === undefined) continue
          for (const device of list(set.device ?? 'virtio-blk'))
            found.push({ guest, hypervisor, platform, iommu, device })
        }
      }
    }
  }
  return found
}

/** Each cell for itself. */
export const each = (set: CellSet): Cell[][] => cells(set).map((cell) => [cell])

/** Each cell beside the same one with something else in it. */
export const beside = (set: CellSet, other: Partial<Cell>): Cell[][] =>
  cells(set).map((cell) => [cell, { ...cell, ...other }])

export const works = ({ verdict }: Observed): boolean => verdict === 'works'
export const refuses = ({ verdict }: Observed): boolean => verdict === 'refused'
/** It came to nothing, and not by a clean refusal. */
export const breaks = ({ verdict }: Observed): boolean =>
  verdict === 'faults' || verdict === 'hangs' || verdict === 'corrupts'
/** Its DMA went to memory as the device gave it, with nothing between. */
export const isPassthrough = ({ status }: Observed): boolean => status === 'passthrough'
export const isTranslated = ({ status }: Observed): boolean => status === 'translated'

/** From best to worst. Fixed before anything runs. */
const ORDER: readonly Observed['verdict'][] = ['works', 'untested', 'refused', 'faults', 'hangs', 'corrupts']
/** Below 0 where `a` came out better. */
export const compareVerdicts = (a: Observed, b: Observed): number => ORDER.indexOf(a.verdict) - ORDER.indexOf(b.verdict)

export const X86_IOMMUS = ['x86-vtd', 'x86-amdvi', 'x86-virtio-iommu'] as const satisfies readonly PlatformName[]
export const ARM_IOMMUS = ['arm64-smmuv3', 'arm64-virtio-iommu'] as const satisfies readonly PlatformName[]
export const NO_IOMMU = ['x86', 'arm64'] as const satisfies readonly PlatformName[]
