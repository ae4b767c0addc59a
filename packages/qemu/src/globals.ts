import {
  type DeviceModel,
  DmascopeError,
  describeType,
  deviceModels,
  type MachineName,
  type Properties,
  type PropertySpec,
  type PropertyValue,
  parsePropertyValue,
  type QemuVersion,
} from '@dmascope/machine'
import type { Global } from './collected.ts'
import type { CompatibleDefault } from './kept-defaults.ts'
import { type Place, refusal, unknownName } from './refusal.ts'

/** Drivers that are part of every machine or of the VMM, whose properties have no bearing on DMA. */
const BUILT_IN = [
  'ICH9-LPC',
  'ICH9-SMB',
  'PIIX4_PM',
  'PIIX3',
  'mch',
  'q35-pcihost',
  'i440FX',
  'i440FX-pcihost',
  'kvm-pit',
  'isa-pit',
  'kvmclock',
  'mc146818rtc',
  'hpet',
  'ioapic',
  'kvm-ioapic',
  'fw_cfg',
  'fw_cfg_io',
  'fw_cfg_mem',
  'i8042',
  'isa-parallel',
  'cfi.pflash01',
  'migration',
  'apic',
  'kvm-apic',
  'smbus-eeprom',
  'usb-device',
  'scsi-disk',
  'ide-drive',
  'isa-cirrus-vga',
  'piix3-ide-xen',
  'vmgenid',
]

const reaches = (driver: string, model: DeviceModel): boolean => driver === model.name || model.parents.includes(driver)

/** Drivers that `-global` can name. */
const drivers = (): string[] => [
  ...new Set([...deviceModels().flatMap(({ name, parents }) => [name, ...parents]), ...BUILT_IN]),
]

const isProcessor = (driver: string): boolean => /(?:^cpu$|-cpu$|^cpu-)/.test(driver)

/** Machines on which QEMU 11.1 makes one of each network card, to learn which there are (`qemu_get_nic_models`). */
const LOOKS_THROUGH_CARDS: readonly MachineName[] = ['q35', 'pc', 'virt', 'pseries', 'ppce500', 'mac99', 'sun4u']

function checkCards(globals: readonly Global[], version: QemuVersion): void {
  const cards = deviceModels()
    .filter(({ kind, plug, versions }) => CARDS.includes(kind) && plug === 'any' && versions.includes(version))
    .sort((a, b) => (a.name.toLowerCase() < b.name.toLowerCase() ? -1 : 1))
  for (const card of cards) {
    for (const global of globals) {
      const isKnown = deviceModels().some((model) => specOf(model, global.property, version) !== null)
      if (isKnown && reaches(global.driver, card) && specOf(card, global.property, version) === null) {
        throw cannotApply(global, card, global.place)
      }
    }
  }
}

const CARDS: readonly string[] = ['network', 'virtio-net']

const cannotApply = ({ driver, property, value }: Global, model: DeviceModel, place: Place): DmascopeError =>
  refusal(
    'QEMU_GLOBAL',
    place,
    `can't apply global ${driver}.${property}=${value}: Property '${model.name}.${property}' not found`,
    { driver, property, value, device: model.name },
  )

/**
 * Checks each `-global`: its driver must be known, and a driver of the catalogue must have the property. Where the machine
 * looks through all network cards, each that it reaches must.
 *
 * @returns the options that concern the built-in devices, as written, for the list of ignored ones
 * @throws DmascopeError QEMU_GLOBAL
 */
export function checkGlobals(globals: readonly Global[], version: QemuVersion, machine: MachineName): string[] {
  if (version === '11.1' && globals.length > 0 && LOOKS_THROUGH_CARDS.includes(machine)) checkCards(globals, version)
  const ignored: string[] = []
  for (const { driver, property, value, place } of globals) {
    const models = deviceModels().filter((model) => reaches(driver, model))
    if (models.length === 0) {
      if (!BUILT_IN.includes(driver) && !isProcessor(driver)) {
        throw unknownName(
          'QEMU_GLOBAL',
          place,
          `global ${driver}.${property} has invalid class name`,
          driver,
          drivers(),
        )
      }
      ignored.push(place.written)
      continue
    }
    const holder = models.find((model) => specOf(model, property, version) !== null)
    if (holder === undefined) {
      throw unknownName('QEMU_GLOBAL', place, `Property '${driver}.${property}' not found`, property, [
        ...new Set(models.flatMap(({ properties }) => Object.keys(properties))),
      ])
    }
    const { type } = holder.properties[property]!
    if ('expected' in parsePropertyValue(type, value)) {
      throw refusal(
        'QEMU_VALUE',
        place,
        `property '${driver}.${property}' does not accept '${value}'; it takes ${describeType(type)}`,
        {
          driver,
          property,
          value,
        },
      )
    }
  }
  return ignored
}

function specOf(model: DeviceModel, property: string, version: QemuVersion) {
  const found = Object.hasOwn(model.properties, property) ? model.properties[property] : undefined
  return found?.versions.includes(version) ? found : null
}

/**
 * What globals and the machine type's kept defaults give to a device, typed; what the device states itself stands
 * above them. A later global stands above an earlier one, and all of them above the machine type.
 *
 * @param place - what makes the device; null where the machine does
 * @throws DmascopeError QEMU_GLOBAL where the device lacks what a global gives to all of its kind
 */
export function globalProperties(
  model: DeviceModel,
  globals: readonly Global[],
  kept: readonly CompatibleDefault[],
  version: QemuVersion,
  place: Place | null = null,
): Properties {
  const values: Record<string, PropertyValue> = {}
  for (const { driver, property, value } of kept) {
    const spec = reaches(driver, model) ? specOf(model, property, version) : null
    if (spec !== null) values[property] = typed(spec, driver, property, value)
  }
  for (const global of globals) {
    const { driver, property, value } = global
    if (!reaches(driver, model)) continue
    const spec = specOf(model, property, version)
    if (spec === null) throw cannotApply(global, model, place ?? global.place)
    values[property] = typed(spec, driver, property, value)
  }
  return values
}

function typed(spec: PropertySpec, driver: string, property: string, value: PropertyValue): PropertyValue {
  const read = parsePropertyValue(spec.type, value)
  if ('expected' in read) throw new DmascopeError('QEMU_VALUE', `${driver}.${property}: '${value}'`)
  return read.value
}
