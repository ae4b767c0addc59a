import type { GuestAssignment, GuestResult } from '@dmascope/guest'
import type { DeviceObservation } from '@dmascope/machine'

/** What came of giving devices to one user's program by VFIO: what was asked, what the kernel said, what DMA did then. */
export interface ReportAssignment {
  /** As asked for, in one program's hands: `0000:00:04.0`. */
  readonly devices: readonly string[]
  readonly outcome: 'assigned' | 'refused'
  /** The step that ended it; null where all went through. */
  readonly refusal: {
    readonly request: string
    /** As `errno` names it; `hangs` where the call never comes back, `crashes` where the kernel does not. */
    readonly answer: string
    readonly reason: NonNullable<GuestAssignment['refusal']>['reason']
    readonly because: string
    /** Null where it is about no single device. */
    readonly device: string | null
    /** What the kernel's log says, in the words of this version. */
    readonly log: string | null
  } | null
  readonly groups: readonly {
    readonly id: number
    readonly viable: boolean
    /** `holds`: has a driver that keeps the group from users. */
    readonly devices: readonly {
      readonly id: string
      readonly driver: string | null
      readonly part: 'assigned' | 'idle' | 'holds'
    }[]
    /** As `/sys/kernel/iommu_groups/N/reserved_regions`. */
    readonly regions: readonly {
      readonly start: string
      readonly end: string
      readonly type: 'direct' | 'direct-relaxable' | 'reserved' | 'msi'
      readonly because: string
    }[]
  }[]
  /** I/O virtual addresses that the program may map, both ends in them. */
  readonly iovas: readonly { readonly start: string; readonly end: string }[]
  readonly used: readonly ReportAssignedDevice[]
  /** Devices that have their driver again, and how they do with it. */
  readonly returned: readonly { readonly id: string; readonly driver: string; readonly io: AssignmentIo }[]
  readonly steps: readonly { readonly request: string; readonly answer: string; readonly log?: string }[]
}

interface AssignmentIo {
  readonly attempted: boolean
  readonly ok: boolean
  readonly detail: string
}

export interface ReportAssignedDevice {
  readonly id: string
  readonly group: number
  /** By addresses that the program had mapped. */
  readonly io: AssignmentIo
  readonly interrupt: string
  /** Accesses while it was a program's, with those to memory that was never mapped; of all programs that had it. */
  readonly dma: { readonly translated: number; readonly untranslated: number; readonly faulted: number }
  /** `open`: it reached memory that the program had never mapped. */
  readonly reach: 'contained' | 'open' | 'untested'
  readonly reachDetail: string
}

const hex = (value: number): string => `0x${value.toString(16)}`

const ioOf = ({ attempted, ok, detail }: AssignmentIo): AssignmentIo => ({ attempted, ok, detail })

/** What the guest tells of assignments, with what the machine saw of their DMA. */
export const joinAssignments = (
  { assignments = [] }: GuestResult,
  observations: readonly DeviceObservation[],
): readonly ReportAssignment[] =>
  assignments.map(({ devices, refusal, groups, iovas, used, returned, steps }) => ({
    devices,
    outcome: refusal === null ? 'assigned' : 'refused',
    refusal,
    groups: groups.map(({ id, viable, devices: members, regions }) => ({
      id,
      viable,
      devices: members,
      regions: regions.map(({ start, end, type, because }) => ({ start: hex(start), end: hex(end), type, because })),
    })),
    iovas,
    used: used.map(({ id, group, io, interrupt, reach, reachDetail }) => {
      const seen = observations.find((one) => one.id === id)?.dma.assigned
      const { translated = 0, untranslated = 0, faulted = 0 } = seen ?? {}
      return { id, group, io: ioOf(io), interrupt, dma: { translated, untranslated, faulted }, reach, reachDetail }
    }),
    returned: returned.map(({ id, driver, io }) => ({ id, driver, io: ioOf(io) })),
    steps,
  }))
