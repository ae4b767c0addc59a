import { listGuests, parseGuest } from '@dmascope/guest'
import { DmascopeError, nearestName } from '@dmascope/layout'
import { HYPERVISORS, type HypervisorName, requireHypervisor } from '@dmascope/machine'
import type { Cell } from '../cell/cell.ts'
import { requireDevice, requirePlatform } from '../cell/describe-cell.ts'
import { DEVICES, type DeviceName } from '../cell/devices.ts'
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
  hypervisors: ['qemu', 'qemu-2.4', 'iommu-flag', 'physical', 'physical-no-flag'],
  platforms: PLATFORMS.map(({ name }) => name),
  iommu: IOMMU_STATES,
  devices: ['virtio-blk', 'virtio-blk+platform'],
}

/** Words for each axis, as somebody typed them. What is left out is the default's; `*` stands for any letters. */
export type AxisWords = { readonly [Axis in keyof MatrixAxes]?: readonly string[] | undefined }

const PROFILES: readonly string[] = listGuests().profiles.map(({ name }) => name)
const HYPERVISOR_ORDER: readonly string[] = HYPERVISORS.map(({ name }) => name)
const PLATFORM_ORDER: readonly string[] = PLATFORMS.map(({ name }) => name)
const DEVICE_ORDER: readonly string[] = DEVICES.map(({ name }) => name)

/** Releases, oldest first, then proposals as they are listed. */
const GUEST_ORDER: readonly string[] = [
  ...PROFILES.filter((name) => name.startsWith('linux-')).reverse(),
  ...PROFILES.filter((name) => !name.startsWith('linux-')),
]

/**
 * The axes that the words name, each value once and in the lists' own order, so that the same words in another order
 * are the same matrix.
 *
 * @throws DmascopeError SCENARIO_CELL, GUEST_*, MACHINE_HYPERVISOR for a word that no axis has
 */
export function readAxes(words: AxisWords): MatrixAxes {
  return {
    guests: inOrder(
      words.guests?.flatMap((word) => named('guest', word, PROFILES, (one) => parseGuest(one).text)) ??
        DEFAULT_AXES.guests,
      compareGuests,
    ),
    hypervisors: inOrder(
      words.hypervisors?.flatMap((word) =>
        named('hypervisor', word, HYPERVISOR_ORDER, (one) => requireHypervisor(one).name),
      ) ?? DEFAULT_AXES.hypervisors,
      byPlace(HYPERVISOR_ORDER),
    ),
    platforms: inOrder(
      words.platforms?.flatMap((word) => named('platform', word, PLATFORM_ORDER, (one) => requirePlatform(one).name)) ??
        DEFAULT_AXES.platforms,
      byPlace(PLATFORM_ORDER),
    ),
    iommu: inOrder(
      words.iommu?.flatMap((word) => named('IOMMU state', word, IOMMU_STATES, requireState)) ?? DEFAULT_AXES.iommu,
      byPlace(IOMMU_STATES),
    ),
    devices: inOrder(
      words.devices?.flatMap((word) => named('device', word, DEVICE_ORDER, (one) => requireDevice(one).name)) ??
        DEFAULT_AXES.devices,
      byPlace(DEVICE_ORDER),
    ),
  }
}

/** The values that a word stands for. */
function named<T extends string>(axis: string, word: string, known: readonly string[], read: (one: string) => T): T[] {
  if (!word.includes('*')) return [read(word)]
  const pattern = word.split('*').map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&'))
  const matcher = new RegExp(`^${pattern.join('.*')}$`)
  const found = known.filter((one) => matcher.test(one))
  if (found.length > 0) return found.map(read)
  const nearest = nearestName(word.replaceAll('*', ''), known)
  throw new DmascopeError(
    'SCENARIO_CELL',
    `no ${axis} is like "${word}"${nearest === null ? '; ' : `; did you mean ${nearest}? `}known are ${known.join(', ')}`,
    { axis, name: word, nearest, known },
  )
}

const inOrder = <T extends string>(values: readonly T[], compare: (a: string, b: string) => number): T[] =>
  [...new Set(values)].sort(compare)

const byPlace =
  (order: readonly string[]) =>
  (a: string, b: string): number =>
    order.indexOf(a) - order.indexOf(b)

/** Of one profile, the one without options first. */
function compareGuests(a: string, b: string): number {
  const rank = (text: string): number => GUEST_ORDER.indexOf(text.split(',', 1)[0] ?? '')
  return rank(a) - rank(b) || (a < b ? -1 : a > b ? 1 : 0)
}

/**
 * The words of a list with commas. A guest's options, which hold `=`, stay with it: `linux-4.4,linux-6.12,restricted=on`
 * are two.
 */
export function splitWords(text: string): string[] {
  const words: string[] = []
  for (const part of text.split(',')) {
    const last = words.length - 1
    if (part.includes('=') && last >= 0) words[last] += `,${part}`
    else words.push(part.trim())
  }
  return words
}

/** Every cell, in order: devices change fastest. */
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

const byHypervisor = byPlace(HYPERVISOR_ORDER)
const byPlatform = byPlace(PLATFORM_ORDER)
const byState = byPlace(IOMMU_STATES)
const byDevice = byPlace(DEVICE_ORDER)

/** The order in which {@link cellsOf} names cells. */
export const compareCells = (a: Cell, b: Cell): number =>
  (a.guest === b.guest ? 0 : compareGuests(a.guest, b.guest)) ||
  byHypervisor(a.hypervisor, b.hypervisor) ||
  byPlatform(a.platform, b.platform) ||
  byState(a.iommu, b.iommu) ||
  byDevice(a.device, b.device)
