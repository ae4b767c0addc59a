import type { PropertyValue } from '@dmascope/machine'
import type { Collected } from './collected.ts'
import { textOf } from './key-value.ts'
import { refusal, unknownName } from './refusal.ts'

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
  const { accel, machine } = collected
  for (const key of accel.values.keys()) {
    if (!KEYS.includes(key))
      throw unknownName('QEMU_VALUE', accel.placeOf(key), `Property '${key}' not found`, key, KEYS)
  }
  const properties: Record<string, PropertyValue> = {}
  const name = textOf(accel.values, 'accel') ?? textOf(machine.values, 'accel')
  if (name !== null) {
    const first = name.split(':')[0]!
    if (!ACCELERATORS.includes(first)) {
      const at = (accel.values.has('accel') ? accel : machine).placeOf('accel')
      throw unknownName('QEMU_VALUE', at, `invalid accelerator ${first}`, first, ACCELERATORS)
    }
    properties.accel = first
  }
  const irqchip = textOf(accel.values, 'kernel-irqchip')
  if (irqchip !== null) {
    if (!IRQCHIP.includes(irqchip)) {
      throw refusal(
        'QEMU_VALUE',
        accel.placeOf('kernel-irqchip'),
        `Parameter 'kernel-irqchip' does not accept '${irqchip}'; it takes on, off, split`,
      )
    }
    properties['kernel-irqchip'] = irqchip
  }
  return properties
}
