import { listGuests } from '@dmascope/guest'
import { HYPERVISORS } from '@dmascope/machine'
import { DEVICES } from '../cell/devices.ts'
import { IOMMU_STATES } from '../cell/parse-cell.ts'
import { type IommuState, PLATFORMS } from '../cell/platforms.ts'
import { DEFAULT_AXES } from './axes.ts'

/** One axis, for a command line's help. */
export interface AxisListing {
  readonly option: 'guest' | 'hypervisor' | 'platform' | 'iommu' | 'device'
  readonly values: readonly { readonly name: string; readonly summary: string; readonly byDefault: boolean }[]
}

const STATE_SAYS: Readonly<Record<IommuState, string>> = {
  none: 'there is no IOMMU',
  on: 'the guest translates with it',
  pt: 'the guest passes all through it',
  off: 'the guest leaves it off',
  uncovered: 'the devices’ bus is wired past it, and the tables say so',
}

/** What cells can be made of. Guests take options too, which are not listed. */
export function matrixAxes(): readonly AxisListing[] {
  const axis = (
    option: AxisListing['option'],
    values: readonly { readonly name: string; readonly summary: string }[],
    chosen: readonly string[],
  ): AxisListing => ({
    option,
    values: values.map(({ name, summary }) => ({ name, summary, byDefault: chosen.includes(name) })),
  })
  return [
    axis('guest', listGuests().profiles, DEFAULT_AXES.guests),
    axis('hypervisor', HYPERVISORS, DEFAULT_AXES.hypervisors),
    axis('platform', PLATFORMS, DEFAULT_AXES.platforms),
    axis(
      'iommu',
      IOMMU_STATES.map((name) => ({ name, summary: STATE_SAYS[name] })),
      DEFAULT_AXES.iommu,
    ),
    axis('device', DEVICES, DEFAULT_AXES.devices),
  ]
}
