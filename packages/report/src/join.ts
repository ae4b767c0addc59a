import type { GuestDevice, GuestResult } from '@dmascope/guest'
import type { DeviceObservation, MachineDescription } from '@dmascope/machine'
import { joinAssignments } from './assignments.ts'
import { findAll } from './findings/find-all.ts'
import type { DeviceCase } from './findings/rules.ts'
import { hypervisorName } from './hypervisor-name.ts'
import { type Accounts, firmwareTruthOf, passthroughReason, statusOf, verdictOf } from './judge.ts'
import { plural } from './plural.ts'
import type { Reason, Report, ReportDevice } from './report.ts'

/** What one boot left behind. */
export interface BootAccounts {
  /** For the report's head only: no status is taken from it. */
  readonly description: MachineDescription
  readonly guest: GuestResult
  readonly observations: readonly DeviceObservation[]
  /** What firmware waited for that never came; null or left out where it started the kernel. */
  readonly firmwareHung?: string | null
  /** Of the tool. */
  readonly version: string
}

/** What each machine type's processors are. */
const ARCHITECTURES: Readonly<Record<MachineDescription['machine'], Report['machine']['arch']>> = {
  q35: 'x86_64',
  pc: 'x86_64',
  microvm: 'x86_64',
  virt: 'aarch64',
  pseries: 'ppc64',
  powernv9: 'ppc64',
  sun4u: 'sparc64',
  ppce500: 'ppc64',
  mac99: 'ppc64',
  's390-ccw-virtio': 's390x',
  bcm3384: 'mipsel',
}

/** Kernels of a ppce500 have 32 bits, but on these processors. */
const architectureOf = ({ machine, cpu = '' }: MachineDescription): Report['machine']['arch'] =>
  machine === 'ppce500' && !/^e[56]500(,|$)/i.test(cpu) ? 'ppc' : ARCHITECTURES[machine]

const hex4 = (value: number): string => value.toString(16).padStart(4, '0')

/**
 * Joins what the guest believed with what the machine saw. The same accounts give the same report, byte for byte. A
 * device that the machine did not observe is left out: nothing can be told of its DMA.
 */
export function joinReport({ description, guest, observations, firmwareHung, version }: BootAccounts): Report {
  const seenById = new Map(observations.map((seen) => [seen.id, seen]))
  const cases: DeviceCase[] = []
  for (const device of guest.devices) {
    const key = device.seenAs ?? device.id
    const seen = seenById.get(key)
    if (seen === undefined) continue
    seenById.delete(key)
    cases.push({ device: joinDevice({ guest, device, seen }), seen, guest, machine: description })
  }
  const hung = firmwareHung ?? null
  const assignments = joinAssignments(guest, observations)
  const findings = findAll(guest, cases, { hung, seen: observations, machine: description }, assignments)
  const idsOf = (device: string): string[] => findings.filter((one) => one.device === device).map((one) => one.id)
  return {
    schemaVersion: 1,
    tool: { name: 'dmascope', version },
    machine: {
      name: description.name,
      type: description.machine,
      arch: architectureOf(description),
      qemuVersion: description.qemuVersion,
      source: description.source,
      commandLine: description.append,
      ignored: description.ignored,
      ...(description.hypervisor !== undefined && { hypervisor: hypervisorName(description) }),
      ...(description.segments !== undefined && {
        addedSegments: description.segments.map(({ segment }) => segment),
      }),
      ...(description.inbound?.[0] !== undefined && { addedWindows: description.inbound[0].windows.length }),
    },
    guest: {
      profile: guest.profile,
      booted: guest.booted,
      ...(guest.halted !== undefined && { halted: hung === null ? guest.halted : `firmware waits for ever: ${hung}` }),
    },
    iommus: guest.iommus.map(
      ({ id, kind, mode, base, addressWidth, exposed, enabled, interruptRemapping, default: fallback }) => ({
        id,
        kind,
        base: base === null ? null : `0x${base.toString(16)}`,
        addressWidth,
        exposed,
        enabled,
        interruptRemapping,
        default: fallback,
        ...(mode !== undefined && { mode }),
      }),
    ),
    devices: cases.map(({ device }) => ({ ...device, findings: idsOf(device.id) })),
    unseen: [...seenById.values()].map(({ id, model }) => ({ id, model })),
    ...(guest.virtualFunctions !== undefined && { virtualFunctions: guest.virtualFunctions }),
    ...(assignments.length > 0 && { assignments }),
    findings,
    timeline: guest.timeline.map((event, index) => ({ step: index + 1, event })),
  }
}

function joinDevice(accounts: Accounts): ReportDevice {
  const { device, seen } = accounts
  const status = isIommu(accounts) ? 'none' : statusOf(seen)
  const passthrough = status === 'passthrough' ? passthroughReason(accounts) : null
  const tested = seen.dma['self-test']
  const total = (phase: 'firmware' | 'probe'): number =>
    seen.dma[phase].reads + seen.dma[phase].writes + seen.dma[phase].faulted
  return {
    id: device.id,
    name: seen.deviceId,
    kind: kindOf(seen),
    vendor: device.vendor > 0xffff ? device.vendor.toString(16).padStart(8, '0') : hex4(device.vendor),
    device: hex4(device.device),
    driver: device.driver,
    firmware: device.firmware,
    guest: {
      iommuGroup: device.iommuGroup,
      domain: device.domain,
      dmaPath: device.dmaPath,
      ...(device.windowsBy !== undefined && { windowsBy: device.windowsBy }),
    },
    wiring: { behindIommu: seen.behindIommu },
    interrupt: device.interrupt,
    dma: {
      translated: tested.translated,
      untranslated: tested.untranslated,
      faulted: tested.faulted,
      stray: seen.strayCount,
      other: { firmware: total('firmware'), probe: total('probe'), msi: seen.msi },
    },
    io: ioOf(device),
    status,
    passthrough,
    verdict: verdictOf(accounts),
    firmwareTruth: isIommu(accounts) ? 'honest' : firmwareTruthOf(accounts),
    faults: seen.faults,
    strays: seen.strays,
    why: [...device.why, ...observedReasons(seen)],
    findings: [],
    // What not every device has comes last: a literal that goes on behind a spread is made anew, field by field.
    ...(device.sriov && { sriov: device.sriov }),
    ...(device.physicalFunction !== undefined && { physicalFunction: device.physicalFunction }),
    ...(device.virtio && {
      virtio: { ...device.virtio, status: `0x${device.virtio.status.toString(16).padStart(2, '0')}` },
    }),
    ...(seen.resident && { resident: seen.resident }),
    ...(seen.staleReads && { staleReads: seen.staleReads }),
  }
}

/** Requests of an IOMMU's own are no DMA that it could translate. */
const isIommu = ({ guest, device }: Accounts): boolean => guest.iommus.some(({ id }) => id === device.id)

/** The model's name without the bus that QEMU puts at its end: `virtio-blk` for `virtio-blk-pci`, `virtio-blk-device` or `virtio-blk-ccw`. */
const kindOf = (seen: DeviceObservation): string => seen.model.replace(/-(pci(-(non-)?transitional)?|device|ccw)$/, '')

function ioOf(device: GuestDevice): ReportDevice['io'] {
  const { kind, attempted, ok, detail } = device.io
  return { kind, attempted, ok, detail: device.refusal ?? detail }
}

function observedReasons(seen: DeviceObservation): Reason[] {
  const reasons: Reason[] = [
    {
      fact: seen.behindIommu ? 'its DMA enters the IOMMU' : 'its DMA reaches memory without entering an IOMMU',
      source: 'wiring of the machine',
    },
  ]
  for (const phase of ['firmware', 'probe', 'self-test', 'assigned'] as const) {
    const counts = seen.dma[phase]
    if (counts === undefined) continue
    const { reads, writes, bytes, translated, untranslated, faulted } = counts
    if (reads + writes + faulted === 0) continue
    reasons.push({
      fact:
        `${phase}: ${plural(reads, 'read')}, ${plural(writes, 'write')}, ${plural(bytes, 'byte')}; ` +
        `${translated} translated, ${untranslated} untranslated, ${faulted} refused`,
      source: 'DMA ledger',
    })
  }
  if (seen.closed !== undefined) {
    reasons.push({
      fact: `${plural(seen.closed, 'access', 'accesses')} to pages that are closed to it`,
      source: 'page states of the machine',
    })
  }
  if (seen.resident !== undefined) {
    const { start, end, turns, refused, refusedAssigned } = seen.resident
    reasons.push({
      fact: `what firmware left running in it used ${start} to ${end} ${turns} times, and was refused ${refused} times, and ${refusedAssigned} while a user had the device`,
      source: 'DMA ledger',
    })
  }
  for (const { reader, address, got, newest, count } of seen.staleReads ?? []) {
    reasons.push({
      fact: `the ${reader} read at ${address} what was out of date${count === 1 ? '' : `, ${count} times`}: ${got}, where ${newest} had been written`,
      source: 'memory as it would be without caches and buffers',
    })
  }
  for (const stray of seen.strays) {
    reasons.push({
      fact: `stray ${stray.kind} of ${plural(stray.length, 'byte')} at bus address ${stray.busAddress}, ${stray.physical === null ? 'which leads nowhere' : `landed in ${stray.landed}${stray.owner === undefined ? '' : ` of ${stray.owner}`} at ${stray.physical}`}${stray.takenBack ? ', which had been taken back from the device' : ''}${stray.count === 1 ? '' : `, ${stray.count} times`}`,
      source: 'DMA ledger',
      ...(stray.after !== undefined && {
        bytes: stray.before === undefined ? stray.after : `${stray.before} -> ${stray.after}`,
      }),
    })
  }
  for (const fault of seen.faults) {
    reasons.push({
      fact: `the IOMMU refused ${fault.address}: ${fault.text}`,
      source: `IOMMU fault record, reason 0x${fault.reason.toString(16)}`,
    })
  }
  return reasons
}
