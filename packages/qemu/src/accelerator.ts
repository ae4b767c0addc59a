import type { PropertyValue } from '@dmascope/machine'
import type { Collected } from './collected.ts'
import { textOf } from './key-value.ts'
import { type Place, refusal, unknownName } from './refusal.ts'

const ACCELERATORS = ['tcg', 'kvm', 'qtest', 'xen', 'hvf', 'whpx', 'nvmm', 'mshv', 'nitro', 'hax']

const KEYS = [
  'accel',
  'kernel-irqchip',
  'thread',
  'tb-size',
  'one-insn-per-tb',
  'split-wx',
  'igd-passthru',
  'kvm-shadow-mem',
  'dirty-ring-size',
  'eager-split-size',
  'notify-vmexit',
  'notify-window',
  'honor-guest-pat',
  'hyperv',
  'device',
  'arch-capabilities',
  'ssd',
]

const IRQCHIP = ['on', 'off', 'split']

/**
 * What `-accel`, `-enable-kvm` and `-machine accel=` come down to: `accel`, the first of a list, and
 * `kernel-irqchip`, which newer QEMU takes there too.
 *
 * @throws DmascopeError QEMU_VALUE
 */
export function acceleratorProperties(collected: Collected): Record<string, PropertyValue> {
  const { accel, machine, machinePlace } = collected
  const place: Place = { text: '-accel', written: '-accel' }
  for (const key of accel.keys()) {
    if (!KEYS.includes(key)) throw unknownName('QEMU_VALUE', place, `Property '${key}' not found`, key, KEYS)
  }
  const properties: Record<string, PropertyValue> = {}
  const name = textOf(accel, 'accel') ?? textOf(machine, 'accel')
  if (name !== null) {
    const first = name.split(':')[0]!
    if (!ACCELERATORS.includes(first)) {
      const at = accel.has('accel') ? place : machinePlace
      throw unknownName('QEMU_VALUE', at, `invalid accelerator ${first}`, first, ACCELERATORS)
    }
    properties.accel = first
  }
  const irqchip = textOf(accel, 'kernel-irqchip')
  if (irqchip !== null) {
    if (!IRQCHIP.includes(irqchip)) {
      throw refusal(
        'QEMU_VALUE',
        place,
        `Parameter 'kernel-irqchip' does not accept '${irqchip}'; it takes on, off, split`,
      )
    }
    properties['kernel-irqchip'] = irqchip
  }
  return properties
}
