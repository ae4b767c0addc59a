import type { PropertyValue } from '@dmascope/machine'
import type { Pairs } from './key-value.ts'
import { type Place, refusal, unknownName } from './refusal.ts'

type Values = readonly string[] | 'size' | 'text'

const ON_OFF = ['on', 'off']
const ON_OFF_AUTO = ['on', 'off', 'auto']

/** `-machine` properties that bear on DMA or interrupts. Values stay as typed, but for sizes and switches. */
const BEARING: Readonly<Record<string, Values>> = {
  'kernel-irqchip': ['on', 'off', 'split'],
  'default-bus-bypass-iommu': ON_OFF,
  hpet: ON_OFF,
  smm: ON_OFF_AUTO,
  usb: ON_OFF,
  sata: ON_OFF,
  smbus: ON_OFF,
  pit: ON_OFF,
  pic: ON_OFF_AUTO,
  i8042: ON_OFF,
  acpi: ON_OFF_AUTO,
  accel: 'text',
  'max-ram-below-4g': 'size',
  'confidential-guest-support': 'text',
  'memory-encryption': 'text',
  'x-south-bridge': 'text',
}

/** Those that do not. */
const IGNORED = new Set([
  'vmport',
  'graphics',
  'nvdimm',
  'nvdimm-persistence',
  'hmat',
  'dump-guest-core',
  'mem-merge',
  'memory-backend',
  'suppress-vmdesc',
  'fd-bootchk',
  'max-fw-size',
  'pflash0',
  'pflash1',
  'x-oem-id',
  'x-oem-table-id',
  'bus-lock-ratelimit',
  'igd-passthru',
  'pcspk-audiodev',
  'dumpdtb',
  'dtb',
  'kernel',
  'initrd',
  'append',
  'firmware',
  'phandle-start',
  'dt-compatible',
  'spcr',
  'aux-ram-share',
  'enforce-config-section',
  'sgx-epc',
  'cxl',
  'cxl-fmw',
  'memory',
  'smp',
  'smp-cache',
  'boot',
  'kvm-type',
  'kvm-shadow-mem',
  'topology',
])

const canonical = (key: string): string => key.replaceAll('_', '-')

/** QEMU's own spelling in the description: this one property has underscores. */
const spelling = (key: string): string => (key === 'default-bus-bypass-iommu' ? 'default_bus_bypass_iommu' : key)

/**
 * Reads the properties of `-machine`, the type left out. Answers those that bear on DMA or interrupts, under QEMU's
 * names; switches become booleans where QEMU's property is one.
 *
 * @throws DmascopeError QEMU_MACHINE_PROPERTY or QEMU_VALUE
 */
export function machineProperties(
  pairs: Pairs,
  place: Place,
  parseSize: (text: string) => number | null,
): Record<string, PropertyValue> {
  const read: Record<string, PropertyValue> = {}
  for (const [key, value] of pairs) {
    const name = canonical(key)
    const values = Object.hasOwn(BEARING, name) ? BEARING[name] : undefined
    if (values === undefined) {
      const root = name.split('.')[0]!
      if (IGNORED.has(root)) continue
      if (name === 'iommu') {
        throw refusal('QEMU_MACHINE_PROPERTY', place, "Property 'iommu' not found; write -device intel-iommu instead", {
          property: key,
        })
      }
      throw unknownName('QEMU_MACHINE_PROPERTY', place, `Property '${key}' not found`, name, [
        'type',
        ...Object.keys(BEARING),
        ...IGNORED,
      ])
    }
    read[spelling(name)] = machineValue(key, values, String(value), place, parseSize)
  }
  return read
}

function machineValue(
  key: string,
  values: Values,
  value: string,
  place: Place,
  parseSize: (text: string) => number | null,
): PropertyValue {
  if (values === 'text') return value
  if (values === 'size') {
    const bytes = parseSize(value)
    if (bytes !== null) return bytes
    throw refusal('QEMU_VALUE', place, `Parameter '${key}' expects a size such as 3G, got '${value}'`, { key, value })
  }
  const plain = ({ yes: 'on', true: 'on', y: 'on', no: 'off', false: 'off', n: 'off' } as const)[value] ?? value
  if (values.includes(plain)) return values.length === 2 ? plain === 'on' : plain
  throw refusal('QEMU_VALUE', place, `Parameter '${key}' does not accept '${value}'; it takes ${values.join(', ')}`, {
    key,
    value,
  })
}
