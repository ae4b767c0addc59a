export type { DeviceTlbAnswer, SeenFault, VtdFeatures, VtdOptions, VtdWiring } from './options.ts'
export { capabilityOf, extendedCapabilityOf } from './options.ts'
export { vtdOptionsFor } from './qemu.ts'
export { VtdUnit } from './vtd-unit.ts'
