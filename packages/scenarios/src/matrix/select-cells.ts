import { parseGuest } from '@dmascope/guest'
import { DmascopeError } from '@dmascope/layout'
import { type HypervisorName, requireHypervisor } from '@dmascope/machine'
import type { Cell } from '../cell/cell.ts'
import { requireDevice, requirePlatform } from '../cell/describe-cell.ts'
import type { DeviceName } from '../cell/devices.ts'
import { IOMMU_STATES, requireState } from '../cell/parse-cell.ts'
import { type IommuState, PLATFORMS, type PlatformName } from '../cell/platforms.ts'

/** What a matrix is made of: every combination is a cell, but for states that a platform does not have. */
export interface MatrixAxes {
  readonly guests: readonly string[]
  readonly hypervisors: readonly HypervisorName[]
  readonly platforms: readonly PlatformName[]
  readonly iommu: readonly IommuState[]
  readonly devices: readonly DeviceName[]
}

/** The matrix that nobody narrowed: the kernels and hypervisors between which the argument went, on every platform. */
export const DEFAULT_AXES: MatrixAxes = {
  guests: ['linux-4.4', 'linux-4.8', 'linux-6.12', 'always-dma-api', 'iommu-flag'],
  hypervisors: ['qemu-2.4', 'qemu', 'iommu-flag', 'physical', 'physical-no-flag'],
  platforms: PLATFORMS.map(({ name }) => name),
  iommu: IOMMU_STATES,
  devices: ['virtio-blk', 'virtio-blk+platform'],
}

/** Words for each axis, as somebody typed them. What is left out is the default's. */
export type AxisWords = { readonly [Axis in keyof MatrixAxes]?: readonly string[] }

/** @throws DmascopeError SCENARIO_CELL, GUEST_*, MACHINE_HYPERVISOR for a word that no axis has */
export function readAxes(words: AxisWords): MatrixAxes {
  return {
    guests: words.guests?.map((word) => parseGuest(word).text) ?? DEFAULT_AXES.guests,
    hypervisors: words.hypervisors?.map((word) => requireHypervisor(word).name) ?? DEFAULT_AXES.hypervisors,
    platforms: words.platforms?.map((word) => requirePlatform(word).name) ?? DEFAULT_AXES.platforms,
    iommu: words.iommu?.map(requireState) ?? DEFAULT_AXES.iommu,
    devices: words.devices?.map((word) => requireDevice(word).name) ?? DEFAULT_AXES.devices,
  }
}

/** Every cell, in the order of the axes: devices change fastest. */
export function* cellsOf(axes: MatrixAxes): Generator<Cell> {
  for (const guest of axes.guests) {
    for (const hypervisor of axes.hypervisors) {
      for (const name of axes.platforms) {
        const { states } = requirePlatform(name)
        for (const iommu of axes.iommu) {
          if (states[iommu] === undefined) continue
          for (const device of axes.devices) yield { guest, hypervisor, platform: name, iommu, device }
        }
      }
    }
  }
}

/** A part of a matrix: the `index`-th of `count`, from 1 on. */
export interface Shard {
  readonly index: number
  readonly count: number
}

/** @throws DmascopeError SCENARIO_SHARD unless it is `i/n` with 1 <= i <= n */
export function parseShard(text: string): Shard {
  const [, index, count] = /^(\d{1,6})\/(\d{1,6})$/.exec(text) ?? []
  const shard = { index: Number(index), count: Number(count) }
  if (shard.index >= 1 && shard.index <= shard.count) return shard
  throw new DmascopeError('SCENARIO_SHARD', `--shard ${text}: write which part of how many, such as 1/4`, { text })
}

/** Every `count`-th cell, so that parts are about equally long. */
export function* shardOf(cells: Iterable<Cell>, { index, count }: Shard): Generator<Cell> {
  let at = 0
  for (const cell of cells) if (at++ % count === index - 1) yield cell
}
