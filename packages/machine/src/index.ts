export type {
  DeviceBackend,
  DeviceDescription,
  MachineDescription,
  PropertyValue,
  QemuVersion,
  SourceLocation,
} from './description.ts'
export type { DeviceObservation, DmaCounts, StrayAccess } from './observation.ts'
