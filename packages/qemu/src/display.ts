import type { DeviceDescription } from '@dmascope/machine'
import type { Collected } from './collected.ts'
import { unknownName } from './refusal.ts'

const VGA_TYPES = ['none', 'std', 'cirrus', 'vmware', 'qxl', 'xenfb', 'virtio']

/** Displays that take the default one's place when given with `-device`. */
const REPLACES_DEFAULT = [
  'VGA',
  'cirrus-vga',
  'qxl-vga',
  'vmware-svga',
  'ati-vga',
  'virtio-vga',
  'virtio-vga-gl',
  'isa-vga',
]

/**
 * `-vga`, or `none` where a display among the devices takes the default one's place. Null: nothing was said.
 *
 * @throws DmascopeError QEMU_VALUE
 */
export function displayType(collected: Collected, devices: readonly DeviceDescription[]): string | null {
  if (collected.vga !== null) {
    const { type, place } = collected.vga
    const name = type.split(',')[0]!
    if (VGA_TYPES.includes(name)) return name
    throw unknownName('QEMU_VALUE', place, `unknown vga type: ${name}`, name, VGA_TYPES)
  }
  return devices.some(({ model }) => REPLACES_DEFAULT.includes(model)) ? 'none' : null
}
