import type { IommuTables } from '../iommu/iommu-tables.ts'
import type { EcamHostBridge } from '../pci/ecam-host-bridge.ts'
import type { PciFunction } from '../pci/pci-function.ts'
import type { PlatformDevice } from '../platform/platform-device.ts'
import type { GicV3Place } from './gic-v3.ts'

/** Where the interrupt controller is. */
export type GicPlace =
  | { readonly version: 2; readonly distributor: number; readonly cpuInterface: number }
  | ({ readonly version: 3 } & GicV3Place)

/** What makes messages into interrupts. */
export interface MessageControllerPlace {
  readonly kind: 'its' | 'gicv2m'
  readonly base: number
  /** Of a frame, where firmware says it and the frame need not be asked. */
  readonly spis?: { readonly first: number; readonly count: number }
}

/** What firmware tells of an Arm machine, by a device tree or by ACPI tables. */
export interface ArmPlatform {
  readonly gic: GicPlace
  readonly messageControllers: readonly MessageControllerPlace[]
  readonly hostBridges: readonly EcamHostBridge[]
  readonly iommu: IommuTables
  /** Devices on no bus, in the order in which firmware tells of them. */
  readonly devices: readonly PlatformDevice[]
  /** Where a read waits for the processor's writes to arrive; left out where they do so by themselves. */
  readonly writeBuffer?: { readonly register: number; readonly by: string }
  /** One past the last address in memory that all devices reach; left out where firmware sets them no bounds. */
  readonly dmaReach?: number
  /** Wired interrupts of IOMMUs that tell of faults, as GIC numbers. */
  readonly faultInterrupts: readonly { readonly intid: number; readonly trigger: 'edge' | 'level' }[]
  /** The interrupt that a pin on a root bus leads to. A text is why there is none. */
  routePin(at: PciFunction, pin: number): { readonly intid: number; readonly by: string } | string
  /**
   * Where messages with this requester ID go, and as which device's.
   *
   * @returns null where nothing takes them
   */
  routeMessages(segment: number, requester: number): MessageRoute | null
}

export interface MessageRoute {
  /** One of `messageControllers`. */
  readonly controller: MessageControllerPlace
  readonly deviceId: number
  readonly by: string
}
