import type { GuestResult } from '@dmascope/guest'
import type { DeviceObservation } from '@dmascope/machine'
import type { Finding, FindingLevel, ReportDevice } from './report.ts'

/** What a rule about one device looks at. */
export interface DeviceCase {
  readonly device: ReportDevice
  readonly seen: DeviceObservation
  readonly guest: GuestResult
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

/** A rule about the machine as a whole. */
export interface MachineRule {
  readonly id: string
  readonly level: FindingLevel
  readonly title: string
  applies(guest: GuestResult, devices: readonly ReportDevice[]): boolean
  message(guest: GuestResult, devices: readonly ReportDevice[]): string
  fix(guest: GuestResult): string | null
}

const ACCESS_PLATFORM = 33
const short = (id: string): string => id.replace(/^0000:/, '')
const isVirtio = (device: ReportDevice): boolean => device.virtio !== undefined
const offers33 = (device: ReportDevice): boolean => device.virtio?.offered.includes(ACCESS_PLATFORM) === true

/** `-device MODEL,...,` with these properties. The rest of the option stays as the user wrote it. */
function deviceOption(seen: DeviceObservation, properties: string): string {
  return `-device ${seen.described?.model ?? seen.model},...,${properties}`
}

const iommuName = (guest: GuestResult): string => guest.iommus[0]?.id ?? 'the IOMMU'

function firstStray(device: ReportDevice, kind: 'read' | 'write', landed?: 'ram'): string {
  const stray = device.strays.find((one) => one.kind === kind && (landed === undefined || one.landed === landed))
  if (stray === undefined) return 'nothing'
  const change =
    stray.before !== undefined && stray.after !== undefined ? ` (${stray.before} became ${stray.after})` : ''
  return `${stray.length} bytes at ${stray.physical} in ${stray.landed.toUpperCase()}${change}`
}

export const DEVICE_RULES: readonly DeviceRule[] = [
  {
    id: 'DMA-0003',
    level: 'warning',
    title: 'A device bypasses the IOMMU that the firmware puts it behind',
    applies: ({ device }) => device.status === 'passthrough' && device.passthrough === 'device-bypass',
    message: ({ device, guest }) =>
      `${short(device.id)} bypasses the IOMMU although the firmware says that it is behind ${iommuName(guest)}. ` +
      (isVirtio(device)
        ? device.guest.dmaPath === 'physical'
          ? 'It does not offer VIRTIO_F_ACCESS_PLATFORM, so the guest gives it physical addresses.'
          : 'It does not offer VIRTIO_F_ACCESS_PLATFORM, yet the guest gave it addresses that only the IOMMU understands.'
        : 'It is wired past it.'),
    fix: ({ device, seen }) =>
      isVirtio(device)
        ? deviceOption(seen, 'iommu_platform=on,disable-legacy=on')
        : 'wire the device behind the IOMMU, or leave it out of the tables',
  },
  {
    id: 'DMA-0004',
    level: 'error',
    title: 'A request never completes because the device looks for it in the wrong place',
    applies: ({ device }) => device.verdict === 'hangs' && device.dma.stray > 0,
    message: ({ device }) =>
      `${short(device.id)} never completes a request: it takes the IOVAs that it was given for physical addresses, and read ` +
      `${firstStray(device, 'read')} as its ring. ${device.dma.stray} accesses went astray.`,
    fix: ({ device, seen }) => (isVirtio(device) ? deviceOption(seen, 'iommu_platform=on,disable-legacy=on') : null),
  },
  {
    id: 'DMA-0005',
    level: 'error',
    title: 'A device wrote over memory that is not its own',
    applies: ({ device }) => device.strays.some((stray) => stray.kind === 'write' && stray.landed === 'ram'),
    message: ({ device }) =>
      `${short(device.id)} overwrote memory that it was never given: ${firstStray(device, 'write', 'ram')}.`,
    fix: ({ device, seen }) =>
      isVirtio(device)
        ? deviceOption(seen, 'iommu_platform=on,disable-legacy=on')
        : 'wire the device behind the IOMMU, or leave it out of the tables',
  },
  {
    id: 'DMA-0006',
    level: 'error',
    title: 'The IOMMU refused a device’s DMA',
    applies: ({ device }) => device.verdict === 'faults',
    message: ({ device }) => {
      const fault = device.faults.find((one) => one.phase !== 'firmware')
      return `${short(device.id)}: the IOMMU refused its DMA at ${fault?.address ?? 'an unknown address'}: ${fault?.text ?? 'no reason recorded'}.`
    },
    fix: () => null,
  },
  {
    id: 'DMA-0007',
    level: 'warning',
    title: 'The firmware leaves out a device that is behind the IOMMU',
    applies: ({ device }) => device.firmwareTruth === 'claims-bypass',
    message: ({ device }) => `${short(device.id)} is behind an IOMMU that the firmware's tables do not put it under.`,
    fix: () => 'list the device in a DRHD scope, or give the unit INCLUDE_PCI_ALL',
  },
  {
    id: 'DMA-0008',
    level: 'note',
    title: 'A device passes through because the kernel asked for identity mappings',
    applies: ({ device }) => device.passthrough === 'identity',
    message: ({ device }) =>
      `${short(device.id)} is behind the IOMMU, in an identity domain: its addresses are physical.`,
    fix: () => 'boot without iommu=pt and iommu.passthrough=1',
  },
  {
    id: 'DMA-0009',
    level: 'error',
    title: 'Driver and device could not agree',
    applies: ({ device }) => device.verdict === 'refused',
    message: ({ device }) => `${short(device.id)} was refused: ${device.io.detail}.`,
    fix: ({ device, seen }) =>
      isVirtio(device) && !offers33(device) ? deviceOption(seen, 'iommu_platform=on,disable-legacy=on') : null,
  },
  {
    id: 'DMA-0010',
    level: 'error',
    title: 'An interrupt never arrived',
    applies: ({ device }) => device.verdict === 'hangs' && device.dma.stray === 0,
    message: ({ device }) =>
      `${short(device.id)} never completed a request: ${device.interrupt.lost} waited for an interrupt (${device.interrupt.mode}) that did not come.`,
    fix: () => null,
  },
  {
    id: 'DMA-0011',
    level: 'note',
    title: 'A ring that the firmware left behind faulted when translation came on',
    applies: ({ device }) => device.faults.some((fault) => fault.phase === 'firmware'),
    message: ({ device }) =>
      `${short(device.id)} still held a ring of the firmware's when translation came on, and faulted once. The driver resets it; nothing is lost.`,
    fix: () => null,
  },
  {
    id: 'DMA-0012',
    level: 'error',
    title: 'The guest programmed an IOMMU that does not translate',
    applies: ({ device }) => device.passthrough === 'iommu-inert',
    message: ({ device, guest }) =>
      `${short(device.id)} is in a translated domain of ${iommuName(guest)}, which let its DMA through untranslated.`,
    fix: () => null,
  },
  {
    id: 'DMA-0013',
    level: 'error',
    title: 'Data came out wrong although the request completed',
    applies: ({ device, guest }) => guest.devices.find((one) => one.id === device.id)?.io.wrongData === true,
    message: ({ device }) => `${short(device.id)} completed its requests with wrong data: ${device.io.detail}.`,
    fix: () => null,
  },
  {
    id: 'DMA-0014',
    level: 'note',
    title: 'VIRTIO_F_ACCESS_PLATFORM was negotiated, and nothing translates',
    applies: ({ device }) =>
      device.virtio?.accessPlatform === true && device.status === 'passthrough' && device.passthrough !== 'identity',
    message: ({ device }) =>
      `${short(device.id)} negotiated VIRTIO_F_ACCESS_PLATFORM, which only means that the guest uses the DMA API: its addresses are physical all the same.`,
    fix: () => null,
  },
]

export const MACHINE_RULES: readonly MachineRule[] = [
  {
    id: 'DMA-0001',
    level: 'note',
    title: 'The IOMMU is there, and the kernel leaves it off',
    applies: (guest) => guest.iommus.length > 0 && !guest.iommus.some((iommu) => iommu.enabled),
    message: (guest) => `${iommuName(guest)} is exposed and not used: every device is in passthrough.`,
    fix: () => '-append "intel_iommu=on"',
  },
  {
    id: 'DMA-0002',
    level: 'note',
    title: 'There is no IOMMU',
    applies: (guest, devices) =>
      guest.iommus.length === 0 && devices.some((device) => device.passthrough === 'no-iommu'),
    message: () => 'The firmware names no IOMMU: every device is in passthrough.',
    fix: () => '-machine q35,kernel-irqchip=split -device intel-iommu,intremap=on',
  },
]

const RANK: Record<FindingLevel, number> = { error: 0, warning: 1, note: 2 }

/** All findings, the gravest first, then by device. */
export function findAll(guest: GuestResult, cases: readonly DeviceCase[]): Finding[] {
  const devices = cases.map(({ device }) => device)
  const found: Finding[] = MACHINE_RULES.filter((rule) => rule.applies(guest, devices)).map((rule) => ({
    id: rule.id,
    level: rule.level,
    device: null,
    message: rule.message(guest, devices),
    fix: rule.fix(guest),
  }))
  for (const one of cases) {
    for (const rule of DEVICE_RULES) {
      if (!rule.applies(one)) continue
      found.push({
        id: rule.id,
        level: rule.level,
        device: one.device.id,
        message: rule.message(one),
        fix: rule.fix(one),
      })
    }
  }
  return found.sort((a, b) => RANK[a.level] - RANK[b.level])
}
