import {
  type DeviceModel,
  DmascopeError,
  describeType,
  deviceModels,
  type Properties,
  type PropertyValue,
  parsePropertyValue,
  type QemuVersion,
} from '@dmascope/machine'
import type { Global } from './collected.ts'
import type { CompatibleDefault } from './kept-defaults.ts'
import { refusal, unknownName } from './refusal.ts'

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

/**
 * Checks each `-global`: its driver must be known, and a driver of the catalogue must have the property.
 *
 * @returns the options that concern the built-in devices, as written, for the list of ignored ones
 * @throws DmascopeError QEMU_GLOBAL
 */
export function checkGlobals(globals: readonly Global[], version: QemuVersion): string[] {
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
 */
export function globalProperties(
  model: DeviceModel,
  globals: readonly Global[],
  kept: readonly CompatibleDefault[],
  version: QemuVersion,
): Properties {
  const values: Record<string, PropertyValue> = {}
  for (const { driver, property, value } of [...kept, ...globals]) {
    const spec = reaches(driver, model) ? specOf(model, property, version) : null
    if (spec === null) continue
    const read = parsePropertyValue(spec.type, value)
    if ('expected' in read) throw new DmascopeError('QEMU_VALUE', `${driver}.${property}: '${value}'`)
    values[property] = read.value
  }
  return values
}
