import type { ReportAssignedDevice, ReportAssignment } from '../assignments.ts'
import type { Finding, FindingLevel, ReportDevice } from '../report.ts'
import { shortId } from '../short-id.ts'

/** A rule about what came of giving devices to a user's program. */
export interface AssignmentRule {
  readonly id: string
  readonly level: FindingLevel
  readonly title: string
  /** What it finds, about which devices. */
  find(assignment: ReportAssignment, devices: readonly ReportDevice[]): readonly Omit<Finding, 'id' | 'level'>[]
}

type Found = Omit<Finding, 'id' | 'level'>
type Refusal = NonNullable<ReportAssignment['refusal']>

/** A finding about a refusal of this kind; about the first device asked for where the refusal names none. */
const refused =
  (
    reasons: readonly Refusal['reason'][],
    tell: (refusal: Refusal, assignment: ReportAssignment, device: string) => Omit<Found, 'device'>,
  ): AssignmentRule['find'] =>
  (assignment) => {
    const { refusal, devices } = assignment
    if (refusal === null || !reasons.includes(refusal.reason)) return []
    const device = refusal.reason === 'not-viable' ? devices[0]! : (refusal.device ?? devices[0]!)
    return [{ device, ...tell(refusal, assignment, device) }]
  }

const log = ({ log: line }: Refusal): string => (line === null ? '' : ` The kernel's log: "${line}"`)

/** How the whole group could be had. */
function wholeGroup({ devices, groups }: ReportAssignment): string {
  const all = groups.flatMap((group) =>
    group.devices.filter(({ id, part }) => part === 'holds' || devices.includes(id)).map(({ id }) => shortId(id)),
  )
  return `give the whole group to one program: assign=${[...new Set(all)].join('+')}`
}

const used =
  (
    applies: (one: ReportAssignedDevice) => boolean,
    tell: (one: ReportAssignedDevice, device: ReportDevice | undefined) => Omit<Found, 'device'>,
  ): AssignmentRule['find'] =>
  (assignment, devices) =>
    assignment.used.filter(applies).map((one) => {
      const device = devices.find(({ id }) => id === one.id)
      return { device: one.id, ...tell(one, device) }
    })

const lacksAccessPlatform = (device: ReportDevice | undefined): boolean =>
  device?.virtio !== undefined && !device.virtio.negotiated.includes(33)

export const ASSIGNMENT_RULES: readonly AssignmentRule[] = [
  {
    id: 'DMA-0030',
    level: 'error',
    title: 'A group is not viable, so that none of its devices can be assigned',
    find: refused(['not-viable'], ({ because }, assignment, device) => ({
      message: `${shortId(device)} cannot be assigned: ${because}.`,
      fix: wholeGroup(assignment),
    })),
  },
  {
    id: 'DMA-0031',
    level: 'error',
    title: 'Firmware wants a mapping for a device that no user’s domain has',
    find: refused(['direct-mapping'], (refusal, _assignment, device) => ({
      message: `${shortId(device)} cannot be assigned: ${refusal.because}.${log(refusal)}`,
      fix: 'have the firmware leave the region out of its tables (a BIOS setting, where there is one), or assign another device',
    })),
  },
  {
    id: 'DMA-0032',
    level: 'error',
    title: 'An assigned device reaches memory that its user never mapped',
    find: used(
      ({ reach }) => reach === 'open',
      ({ id }, device) => ({
        message:
          `${shortId(id)} can be assigned, and then gives its user all memory: ` +
          (lacksAccessPlatform(device)
            ? 'without VIRTIO_F_ACCESS_PLATFORM it takes every address for a physical one, whatever its domain maps.'
            : 'its DMA is not translated, whatever its domain maps.'),
        fix: lacksAccessPlatform(device)
          ? `-device ${device?.kind ?? 'virtio'}-pci,...,iommu_platform=on,disable-legacy=on`
          : 'see to it that the IOMMU translates, or assign nothing here',
      }),
    ),
  },
  {
    id: 'DMA-0033',
    level: 'error',
    title: 'Nothing keeps the interrupts of an assigned device to itself',
    find: refused(['interrupts'], (refusal, _assignment, device) => ({
      message: `${shortId(device)} cannot be assigned: ${refusal.because}.${log(refusal)}`,
      fix: 'turn interrupt remapping on (-device intel-iommu,intremap=on), or, where all users are trusted, -append "vfio_iommu_type1.allow_unsafe_interrupts=1"',
    })),
  },
  {
    id: 'DMA-0034',
    level: 'error',
    title: 'A device that VFIO cannot take',
    find: refused(
      ['no-device', 'probe-never-ends', 'is-iommu', 'deferred', 'bridge', 'no-group', 'no-capability', 'no-domain'],
      (refusal, _assignment, device) => ({
        message: `${shortId(device)} cannot be assigned: ${refusal.because}.${log(refusal)}`,
        fix: null,
      }),
    ),
  },
  {
    id: 'DMA-0035',
    level: 'warning',
    title: 'An assigned device moves no data by the addresses that its user mapped',
    find: used(
      ({ io }) => io.attempted && !io.ok,
      ({ id, io }) => ({
        message: `${shortId(id)} can be assigned, and moves no data by the addresses that its user mapped: ${io.detail}.`,
        fix: null,
      }),
    ),
  },
]

/** Findings of one boot's assignments, each once. */
export function findInAssignments(
  assignments: readonly ReportAssignment[],
  devices: readonly ReportDevice[],
): Finding[] {
  const found = new Map<string, Finding>()
  for (const assignment of assignments) {
    for (const { id, level, find } of ASSIGNMENT_RULES) {
      for (const one of find(assignment, devices)) found.set(JSON.stringify([id, one]), { id, level, ...one })
    }
  }
  return [...found.values()]
}
