import { DmascopeError, nearestName } from '@dmascope/layout'
import type { PropertyValue, QemuVersion } from '../description.ts'
import type { DeviceModel } from './model.ts'
import { describeType, type PropertySpec, type PropertyType, parseInteger, parsePropertyValue } from './property.ts'

/** Property values by QEMU's names. */
export type Properties = Readonly<Record<string, PropertyValue>>

/** Where each property was written, for messages; one text for all, or by name. */
export type Where = string | ((property: string) => string)

const at = (where: Where, property: string): string => {
  const text = typeof where === 'string' ? where : where(property)
  return text === '' ? '' : `${text}: `
}

const own = (model: DeviceModel, name: string, version: QemuVersion): PropertySpec | null => {
  const found = Object.hasOwn(model.properties, name) ? model.properties[name] : undefined
  return found?.versions.includes(version) ? found : null
}

/** Names of the properties that the model has in this release. */
export const propertyNames = (model: DeviceModel, version: QemuVersion): string[] =>
  Object.keys(model.properties).filter((name) => own(model, name, version) !== null)

/**
 * Reads the properties given for a model: typed values, under QEMU's names, in the order given. Names are taken with
 * `-` and `_` as QEMU spells them.
 *
 * @throws DmascopeError MACHINE_UNKNOWN_PROPERTY (names the nearest known one), MACHINE_PROPERTY_VERSION (only another
 *   release has it) or MACHINE_PROPERTY_VALUE (says what is allowed)
 */
export function checkProperties(
  model: DeviceModel,
  properties: Properties,
  version: QemuVersion,
  where: Where = '',
): Properties {
  const typed: Record<string, PropertyValue> = {}
  for (const [name, value] of Object.entries(properties)) {
    const spec = own(model, name, version)
    if (spec === null) throw unknownProperty(model, name, version, where)
    const read = parsePropertyValue(spec.type, value)
    if ('expected' in read) {
      throw new DmascopeError(
        'MACHINE_PROPERTY_VALUE',
        `${at(where, name)}property '${model.name}.${name}' does not accept '${value}'${rangeText(spec.type, name, value)}; it takes ${read.expected}`,
        { device: model.name, property: name, value, expected: describeType(spec.type) },
      )
    }
    typed[name] = read.value
  }
  return typed
}

/** QEMU's words for a number that does not fit. */
const rangeText = (type: PropertyType, name: string, value: PropertyValue): string =>
  type.kind === 'uint' && type.bits < 64 && parseInteger(String(value)) !== null
    ? `: Parameter '${name}' expects uint${type.bits}_t`
    : ''

function unknownProperty(model: DeviceModel, name: string, version: QemuVersion, where: Where): DmascopeError {
  const elsewhere = Object.hasOwn(model.properties, name) ? model.properties[name] : undefined
  if (elsewhere !== undefined) {
    return new DmascopeError(
      'MACHINE_PROPERTY_VERSION',
      `${at(where, name)}property '${model.name}.${name}' not found in QEMU ${version}; QEMU ${elsewhere.versions.join(', ')} has it`,
      { device: model.name, property: name, version, versions: elsewhere.versions },
    )
  }
  const nearest = nearestName(name, propertyNames(model, version))
  return new DmascopeError(
    'MACHINE_UNKNOWN_PROPERTY',
    `${at(where, name)}property '${model.name}.${name}' not found${nearest === null ? '' : `; did you mean '${nearest}'?`}`,
    { device: model.name, property: name, nearest },
  )
}

/** QEMU's defaults of a model, by release: the catalogue's own, which no machine changes. */
const defaults = new WeakMap<DeviceModel, Map<QemuVersion, Properties>>()

function defaultsOf(model: DeviceModel, version: QemuVersion): Properties {
  let byVersion = defaults.get(model)
  if (byVersion === undefined) {
    byVersion = new Map()
    defaults.set(model, byVersion)
  }
  let values = byVersion.get(version)
  if (values === undefined) {
    const known = propertyNames(model, version).map(
      (name) => [name, model.properties[name]!.defaults[version]] as const,
    )
    values = Object.fromEntries(known.filter(([, value]) => value !== null)) as Properties
    byVersion.set(version, values)
  }
  return values
}

/** The values that hold: those given (already checked), and QEMU's defaults for the rest. Without those that have none. */
export function withDefaults(model: DeviceModel, properties: Properties, version: QemuVersion): Properties {
  const defaults = defaultsOf(model, version)
  return Object.keys(properties).length === 0 ? defaults : { ...defaults, ...properties }
}
