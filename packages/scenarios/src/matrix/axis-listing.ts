import { listGuests } from '@dmascope/guest'
import { HYPERVISORS } from '@dmascope/machine'
import { DEVICES } from '../cell/devices.ts'
import { PLATFORMS } from '../cell/platforms.ts'
import { STATES } from '../cell/states.ts'
import { DEFAULT_AXES } from './axes.ts'

/** One axis, for a command line's help. */
export interface AxisListing {
  readonly option: 'guest' | 'hypervisor' | 'platform' | 'iommu' | 'device'
  readonly values: readonly { readonly name: string; readonly summary: string; readonly byDefault: boolean }[]
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
    axis('iommu', STATES, DEFAULT_AXES.iommu),
    axis('device', DEVICES, DEFAULT_AXES.devices),
  ]
}
