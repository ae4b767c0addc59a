// The errors of bad input, so that packages that build on machine descriptions need no other import for them.
export { DmascopeError, nearestName } from '@dmascope/layout'
export type { BuiltMachine } from './build/built-machine.ts'
export { createMachine } from './build/create-machine.ts'
export { hasVirtioBuses, noVirtioBus } from './build/virtio-buses.ts'
export { capabilitiesOn, deviceModels, findModel, nearestModel, requireModel, romSize } from './catalogue/catalogue.ts'
export type { Properties, Where } from './catalogue/check-properties.ts'
export { checkProperties, propertyNames, withDefaults } from './catalogue/check-properties.ts'
export { checkMachineProperties, MACHINE_PROPERTIES, machinePropertyName } from './catalogue/machine-properties.ts'
export type {
  BackendModel,
  BarModel,
  BridgeModel,
  BusNature,
  CapabilityModel,
  DeviceModel,
  ModelKind,
  PciModel,
  PlugRule,
  VirtioBusModel,
  VirtioModel,
} from './catalogue/model.ts'
export type { ParsedValue, PropertySpec, PropertyType } from './catalogue/property.ts'
export {
  describeType,
  parseInteger,
  parsePciAddress,
  parsePropertyValue,
  parseSize,
  QEMU_VERSIONS,
} from './catalogue/property.ts'
export { DEFAULT_DISK_SIZE, missingProperty, ownBackend, plainBackend } from './catalogue/requirements.ts'
export type {
  DeviceBackend,
  DeviceDescription,
  ForeignMachineName,
  MachineDescription,
  MachineName,
  PcName,
  ProcessorTopology,
  PropertyValue,
  QemuVersion,
  SourceLocation,
  TableEditDescription,
  XenDescription,
} from './description.ts'
export type { TracedAccess } from './fabric/ledger.ts'
export { DEFAULT_FILE_MEMORY } from './file/describe-machine.ts'
export type { DeviceContent, MachineFileContent } from './file/schema.ts'
export type { Hypervisor, HypervisorName } from './hypervisor/hypervisor.ts'
export { HYPERVISORS, requireHypervisor } from './hypervisor/hypervisors.ts'
export { Machine } from './machine.ts'
export type { ClosedAs, DeviceObservation, DmaCounts, StrayAccess } from './observation.ts'
export type { Preset } from './presets/preset.ts'
export { DEFAULT_PRESET, describePreset, findPreset, listPresets } from './presets/presets.ts'
