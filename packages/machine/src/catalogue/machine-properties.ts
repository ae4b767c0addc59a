import { DmascopeError, nearestName } from '@dmascope/layout'
import type { PropertyValue } from '../description.ts'
import type { Properties, Where } from './check-properties.ts'
import { describeType, type PropertyType, parsePropertyValue } from './property.ts'

const BOOL: PropertyType = { kind: 'bool' }
const TEXT: PropertyType = { kind: 'string' }
const ON_OFF_AUTO: PropertyType = { kind: 'enum', values: ['on', 'off', 'auto'] }

/**
 * Machine properties that bear on DMA or interrupts: QEMU's of `-machine`, under its names, and six of ours.
 */
export const MACHINE_PROPERTIES: Readonly<Record<string, PropertyType>> = {
  'kernel-irqchip': { kind: 'enum', values: ['on', 'off', 'split'] },
  default_bus_bypass_iommu: BOOL,
  /** Of ours: a mac99 has the DART of the real machine. */
  dart: BOOL,
  hpet: BOOL,
  smm: ON_OFF_AUTO,
  usb: BOOL,
  sata: BOOL,
  smbus: BOOL,
  pit: ON_OFF_AUTO,
  pic: ON_OFF_AUTO,
  i8042: BOOL,
  acpi: ON_OFF_AUTO,
  rtc: ON_OFF_AUTO,
  pcie: ON_OFF_AUTO,
  ioapic2: ON_OFF_AUTO,
  'isa-serial': BOOL,
  'auto-kernel-cmdline': BOOL,
  'gic-version': { kind: 'enum', values: ['2', '3', '4', 'host', 'max'] },
  its: BOOL,
  msi: { kind: 'enum', values: ['auto', 'its', 'gicv2m', 'none', 'off'] },
  iommu: { kind: 'enum', values: ['none', 'smmuv3'] },
  highmem: BOOL,
  'highmem-ecam': BOOL,
  'highmem-mmio': BOOL,
  'highmem-redists': BOOL,
  'compact-highmem': BOOL,
  virtualization: BOOL,
  secure: BOOL,
  spcr: BOOL,
  mte: BOOL,
  'dtb-randomness': BOOL,
  'dtb-kaslr-seed': BOOL,
  'ic-mode': { kind: 'enum', values: ['xics', 'xive', 'dual'] },
  'max-ram-below-4g': { kind: 'size' },
  'confidential-guest-support': TEXT,
  'memory-encryption': TEXT,
  'x-south-bridge': TEXT,
  // Ours: what QEMU's other options say.
  accel: { kind: 'enum', values: ['tcg', 'kvm', 'qtest', 'xen', 'hvf', 'whpx', 'nvmm', 'mshv', 'nitro', 'hax'] },
  vga: { kind: 'enum', values: ['none'] },
  defaultNic: BOOL,
  acpiHotplug: BOOL,
  firmware: TEXT,
  confidential: { kind: 'enum', values: ['sev', 'pef', 'pv'] },
}

/** Properties that name an object, which is another option's to tell of. */
const CONFIDENTIAL: readonly string[] = ['confidential-guest-support', 'memory-encryption']

/** QEMU takes `-` and `_` alike in these names. */
const plain = (name: string): string => name.replaceAll('_', '-')
const BY_PLAIN_NAME: ReadonlyMap<string, string> = new Map(
  Object.keys(MACHINE_PROPERTIES).map((name) => [plain(name), name]),
)

/** The property's name as QEMU spells it, or null where there is none that bears on DMA. */
export const machinePropertyName = (name: string): string | null => BY_PLAIN_NAME.get(plain(name)) ?? null

/**
 * Reads machine properties: typed values, under QEMU's names.
 *
 * @throws DmascopeError MACHINE_UNKNOWN_MACHINE_PROPERTY, MACHINE_PROPERTY_VALUE or MACHINE_NOT_MODELLED
 */
export function checkMachineProperties(properties: Properties, where: Where = ''): Properties {
  const typed: Record<string, PropertyValue> = {}
  for (const [key, value] of Object.entries(properties)) {
    const text = typeof where === 'string' ? where : where(key)
    const at = text === '' ? '' : `${text}: `
    const name = machinePropertyName(key)
    if (name === null) {
      const nearest = nearestName(key, Object.keys(MACHINE_PROPERTIES))
      throw new DmascopeError(
        'MACHINE_UNKNOWN_MACHINE_PROPERTY',
        `${at}machine property '${key}' not found${nearest === null ? '' : `; did you mean '${nearest}'?`}`,
        { where: text, property: key, nearest },
      )
    }
    const type = MACHINE_PROPERTIES[name]!
    const read = parsePropertyValue(type, value)
    if ('expected' in read) {
      throw new DmascopeError(
        'MACHINE_PROPERTY_VALUE',
        `${at}machine property '${key}' does not accept '${value}'; it takes ${describeType(type)}`,
        { where: text, property: key, value, expected: read.expected },
      )
    }
    if (CONFIDENTIAL.includes(name) && read.value !== '') {
      throw new DmascopeError(
        'MACHINE_NOT_MODELLED',
        `${at}machine property '${key}': the object that it names is none of a guest that is modelled; those of AMD SEV, of POWER and of s390x are, as sev-guest, pef-guest and s390-pv-guest, or confidential: sev in a machine file`,
        { where: text, property: key },
      )
    }
    typed[name] = read.value
  }
  return typed
}
