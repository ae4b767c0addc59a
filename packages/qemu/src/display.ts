import type { MachineName, PropertyValue } from '@dmascope/machine'
import type { Collected, Entry } from './collected.ts'
import { refusal, unknownName } from './refusal.ts'

/** The device of each type of `-vga`. */
const VGA_MODELS: Readonly<Record<string, string | null>> = {
  none: null,
  std: 'VGA',
  cirrus: 'cirrus-vga',
  vmware: 'vmware-svga',
  qxl: 'qxl-vga',
  virtio: 'virtio-vga',
}

/** Displays that take the default one's place when given with `-device`. */
const REPLACES_DEFAULT = /^(?:VGA|(?:cirrus|qxl|virtio|ati|isa|isa-cirrus)-vga|virtio-vga-gl|vmware-svga)$/

/** Whether the machine makes a display, of the kind that `-vga` names. */
export const hasDefaultDisplay = (machine: MachineName): boolean =>
  machine !== 'virt' && machine !== 'microvm' && machine !== 's390-ccw-virtio'

/** What becomes of the display. */
export interface Display {
  /** The default display is not to be added. */
  readonly replaced: boolean
  /** The device that `-vga` asks for, as `-device` would; it comes before all others. */
  readonly entry: Entry | null
}

/** @throws DmascopeError QEMU_VALUE for a type of `-vga` that there is not */
export function readDisplay(collected: Collected, machine: MachineName): Display {
  if (collected.vga === null) {
    const drivers = collected.entries.device.map(({ pairs }) => String(pairs.get('driver')))
    return { replaced: drivers.some((driver) => REPLACES_DEFAULT.test(driver)), entry: null }
  }
  const { type, place } = collected.vga
  const name = type.split(',')[0]!
  // QEMU warns, and goes on.
  if (!hasDefaultDisplay(machine)) return { replaced: false, entry: null }
  if (name === 'xenfb') throw refusal('QEMU_VALUE', place, 'xenfb is not modelled; Xen guests are not', { type: name })
  const driver = Object.hasOwn(VGA_MODELS, name) ? VGA_MODELS[name] : undefined
  if (driver === undefined) {
    throw unknownName('QEMU_VALUE', place, `unknown vga type: ${name}`, name, Object.keys(VGA_MODELS))
  }
  const pairs = new Map<string, PropertyValue>(driver === null ? [] : [['driver', driver]])
  return { replaced: true, entry: driver === null ? null : { id: null, pairs, place, json: false } }
}
