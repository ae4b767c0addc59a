import type { DeviceRegion } from '../iommu/device-region.ts'

/** Errors by which the kernel refuses, as `errno` names them. `hangs`: the call never comes back; `crashes`: nor does the kernel. */
export type Answer =
  | 'ok'
  | 'EAGAIN'
  | 'EEXIST'
  | 'EINVAL'
  | 'ENODEV'
  | 'ENOENT'
  | 'ENOMEM'
  | 'EPERM'
  | 'hangs'
  | 'crashes'

/** How a test of a device went. */
interface AssignmentIo {
  readonly attempted: boolean
  readonly ok: boolean
  readonly hung: boolean
  readonly detail: string
}

/** One thing that was asked of the kernel, and what it said. */
export interface AssignmentStep {
  /** `bind 0000:00:04.0 to vfio-pci`, `VFIO_GROUP_SET_CONTAINER, group 3`. */
  readonly request: string
  readonly answer: Answer
  /** What the kernel's log has of it, in its own words. */
  readonly log?: string
}

/** A group that devices to be assigned are in. */
export interface AssignmentGroup {
  readonly id: number
  /** Nobody in it has a driver of the kernel's that does DMA by itself. */
  readonly viable: boolean
  readonly devices: readonly {
    readonly id: string
    /** The driver as VFIO looks at the group; null for none. */
    readonly driver: string | null
    /** `holds`: its driver is why the group is not viable. */
    readonly part: 'assigned' | 'idle' | 'holds'
  }[]
  readonly regions: readonly DeviceRegion[]
}

/** How a device fared in the hands of a user's program. */
export interface AssignedDevice {
  readonly id: string
  readonly group: number
  /** By addresses that the program had mapped. */
  readonly io: AssignmentIo
  readonly interrupt: 'msix' | 'msi' | 'intx' | 'wire' | 'adapter' | 'subchannel' | 'none'
  /**
   * What became of DMA to memory that the program had never mapped: `contained` where none of it got through, `open`
   * where the device reached memory of the kernel.
   */
  readonly reach: 'contained' | 'open' | 'untested'
  readonly reachDetail: string
}

/** A device that its driver has again. */
export interface ReturnedDevice {
  readonly id: string
  readonly driver: string
  readonly io: AssignmentIo
}

/** What came of giving devices to one user's program by VFIO. */
export interface GuestAssignment {
  /** As asked for. */
  readonly devices: readonly string[]
  readonly refusal: {
    /** Which of the steps. */
    readonly request: string
    readonly answer: Answer
    readonly because: string
    /** `no-device`, `no-group`, `not-viable`, `direct-mapping`, `interrupts`, ...: stable, for programs. */
    readonly reason: RefusalReason
    /** The device that it is about; null where it is about a group. */
    readonly device: string | null
    readonly log: string | null
  } | null
  readonly groups: readonly AssignmentGroup[]
  readonly steps: readonly AssignmentStep[]
  /** I/O virtual addresses that the program may map, hexadecimal, both ends in them; none where it was refused before. */
  readonly iovas: readonly { readonly start: string; readonly end: string }[]
  readonly used: readonly AssignedDevice[]
  /** Devices that lost a driver to this, and how they do with it afterwards. */
  readonly returned: readonly ReturnedDevice[]
}

export type RefusalReason =
  | 'no-device'
  | 'probe-never-ends'
  | 'is-iommu'
  | 'deferred'
  | 'bridge'
  | 'no-group'
  | 'no-capability'
  | 'not-viable'
  | 'direct-mapping'
  | 'interrupts'
  | 'no-domain'
