import type { PropertyValue, QemuVersion } from '../description.ts'
import type { PropertySpec, PropertyType } from './property.ts'
import { QEMU_VERSIONS } from './property.ts'

// The vocabulary in which the models' property lists are written.

export type PropertyList = Readonly<Record<string, PropertySpec>>

const spec = (type: PropertyType, value: PropertyValue | null): PropertySpec => ({
  type,
  defaults: { '7.2': value, '11.1': value },
  bearing: false,
  versions: QEMU_VERSIONS,
})

export const on: PropertySpec = spec({ kind: 'bool' }, true)
export const off: PropertySpec = spec({ kind: 'bool' }, false)
export const text: PropertySpec = spec({ kind: 'string' }, null)
export const mac: PropertySpec = spec({ kind: 'mac' }, null)
export const pciAddress: PropertySpec = spec({ kind: 'pci-address' }, null)
export const uint8 = (value: number | null): PropertySpec => spec({ kind: 'uint', bits: 8 }, value)
export const uint16 = (value: number | null): PropertySpec => spec({ kind: 'uint', bits: 16 }, value)
export const uint32 = (value: number | null): PropertySpec => spec({ kind: 'uint', bits: 32 }, value)
export const uint64 = (value: number | null): PropertySpec => spec({ kind: 'uint', bits: 64 }, value)
export const int32 = (value: number | null): PropertySpec => spec({ kind: 'int', bits: 32 }, value)
export const size = (value: number | null): PropertySpec => spec({ kind: 'size' }, value)
export const oneOf = (value: string | null, values: readonly string[]): PropertySpec =>
  spec({ kind: 'enum', values }, value)
export const onOffAuto = (value: 'on' | 'off' | 'auto'): PropertySpec => oneOf(value, ['on', 'off', 'auto'])

/** It changes where DMA goes, what the guest sees on PCI, or how interrupts travel. */
export const bearing = (property: PropertySpec): PropertySpec => ({ ...property, bearing: true })

/** Only one of the modelled QEMU releases has it. */
export const only = (version: QemuVersion, property: PropertySpec): PropertySpec => ({
  ...property,
  versions: [version],
})

/** The defaults differ. */
export const differs = (
  property: PropertySpec,
  before: PropertyValue | null,
  after: PropertyValue | null,
): PropertySpec => ({
  ...property,
  defaults: { '7.2': before, '11.1': after },
})

/** Several properties of one kind. */
export const all = (property: PropertySpec, ...names: readonly string[]): PropertyList =>
  Object.fromEntries(names.map((name) => [name, property]))
