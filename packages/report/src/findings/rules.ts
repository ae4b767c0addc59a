import type { GuestResult } from '@dmascope/guest'
import type { DeviceObservation, MachineDescription } from '@dmascope/machine'
import type { FindingLevel, ReportDevice } from '../report.ts'

/** Which machine it is, for fixes that can be had on it. */
export type MachineKind = Pick<
  MachineDescription,
  'machine' | 'machineProperties' | 'hypervisor' | 'inbound' | 'memorySystem' | 'restrictedPool' | 'xen'
>

/** What a rule about one device looks at. */
export interface DeviceCase {
  readonly device: ReportDevice
  readonly seen: DeviceObservation
  readonly guest: GuestResult
  readonly machine: MachineKind
}

/** A rule that may say something about a device. IDs are stable and never reused; each has a page under docs/findings. */
export interface DeviceRule {
  readonly id: string
  readonly level: FindingLevel
  readonly title: string
  applies(on: DeviceCase): boolean
  message(on: DeviceCase): string
  fix(on: DeviceCase): string | null
}

/** What came before the kernel, and what the machine saw of it. */
export interface FirmwareAccount {
  /** What firmware waited for that never came, so that it started no kernel; null where it got to the end. */
  readonly hung: string | null
  readonly seen: readonly DeviceObservation[]
  readonly machine: MachineKind
}

/** A rule about the machine as a whole. */
export interface MachineRule {
  readonly id: string
  readonly level: FindingLevel
  readonly title: string
  applies(guest: GuestResult, devices: readonly ReportDevice[], firmware: FirmwareAccount): boolean
  message(guest: GuestResult, devices: readonly ReportDevice[], firmware: FirmwareAccount): string
  fix(guest: GuestResult, devices: readonly ReportDevice[], firmware: FirmwareAccount): string | null
}
