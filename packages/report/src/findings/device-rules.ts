import type { GuestResult } from '@dmascope/guest'
import type { ClosedAs } from '@dmascope/machine'
import { plural } from '../plural.ts'
import type { ReportDevice } from '../report.ts'
import { shortId } from '../short-id.ts'
import { lacksAccessPlatform, offerAccessPlatform } from './access-platform.ts'
import { iommuName, iommuOf } from './iommu-name.ts'
import type { DeviceCase, DeviceRule } from './rules.ts'
import { staleBy, staleText } from './stale-text.ts'
import { firstStray, isLate, isOverwrite, nosyRead, strayText } from './stray-text.ts'

const WIRE_IT = 'wire the device behind the IOMMU, or leave it out of the tables'

const INTERRUPT: Record<ReportDevice['interrupt']['mode'], string> = {
  msix: 'MSI-X',
  msi: 'MSI',
  intx: 'INTx',
  wire: 'a wire of its own',
  adapter: 'adapter interruptions',
  subchannel: 'interruptions of its subchannel',
  none: 'it has none',
}

/** The device whose probe keeps the driver from this one; null where none does. */
function heldBy(guest: GuestResult, { id }: ReportDevice): string | null {
  const holder = guest.devices.find((one) => one.id === id)?.heldBy
  return holder === undefined ? null : shortId(holder)
}

const isUnmapped = ({ device, guest }: DeviceCase): boolean =>
  guest.devices.find((one) => one.id === device.id)?.io.unmapped === true

const CLOSED: Record<ClosedAs, string> = {
  enciphered: 'it read what only the guest can decipher, and what it wrote makes no sense there',
  lost: 'it read what only the guest can decipher, and what it wrote was dropped',
  blank: 'it read zeros there, and what it wrote was dropped',
}

/** What went wrong, where a bus with memory at addresses of its own was given physical ones; nothing elsewhere. */
const missedWindows = ({ guest: { windowsBy, dmaPath } }: ReportDevice): string =>
  windowsBy !== undefined && dmaPath === 'physical'
    ? ` It was given physical addresses, and its bus sees memory at others (${windowsBy}).`
    : ''

export const DEVICE_RULES: readonly DeviceRule[] = [
  {
    id: 'DMA-0003',
    level: 'warning',
    title: 'A device bypasses the IOMMU that the firmware puts it behind',
    applies: ({ device }) => device.status === 'passthrough' && device.passthrough === 'device-bypass',
    message: ({ device, guest }) =>
      `${shortId(device.id)} bypasses the IOMMU although the firmware puts it behind ${iommuName(guest, device)}. ` +
      (lacksAccessPlatform(device)
        ? device.guest.dmaPath === 'physical'
          ? 'It does not offer VIRTIO_F_ACCESS_PLATFORM, so the guest gives it physical addresses.'
          : 'It does not offer VIRTIO_F_ACCESS_PLATFORM, yet the guest gave it addresses that only the IOMMU understands.'
        : 'It is wired past it.'),
    fix: (on) => offerAccessPlatform(on) ?? WIRE_IT,
  },
  {
    id: 'DMA-0004',
    level: 'error',
    title: 'A request never completes because the device looks for it in the wrong place',
    applies: ({ device }) => device.verdict === 'hangs' && device.dma.stray > 0,
    message: ({ device }) =>
      `${shortId(device.id)} never completes a request: ${plural(device.dma.stray, 'access', 'accesses')} went astray, ` +
      `the first ${firstStray(device)}.` +
      (device.status === 'passthrough' && device.guest.dmaPath === 'iommu'
        ? ' It takes the IOVAs that it was given for physical addresses.'
        : missedWindows(device)),
    fix: (on) => offerAccessPlatform(on),
  },
  {
    id: 'DMA-0005',
    level: 'error',
    title: 'A device wrote over memory that is not its own',
    applies: ({ device }) => device.strays.some(isOverwrite),
    message: ({ device }) =>
      `${shortId(device.id)} overwrote memory that ${isLate(device) ? 'had been taken back from it' : 'it was never given'}: ${firstStray(device, isOverwrite)}.${missedWindows(device)}`,
    fix: (on) =>
      isLate(on.device) && on.device.guest.domain === 'dma-fq'
        ? '-append "iommu.strict=1"'
        : (offerAccessPlatform(on) ?? WIRE_IT),
  },
  {
    id: 'DMA-0006',
    level: 'error',
    title: 'The IOMMU refused a device’s DMA',
    applies: ({ device }) => device.verdict === 'faults',
    message: ({ device }) => {
      const fault = device.faults.find((one) => one.phase === 'probe' || one.phase === 'self-test')
      return `${shortId(device.id)} had a request at ${fault?.address ?? 'an unknown address'} refused by the IOMMU: ${fault?.text ?? 'no reason recorded'}.`
    },
    fix: () => null,
  },
  {
    id: 'DMA-0007',
    level: 'warning',
    title: 'The firmware leaves out a device that is behind the IOMMU',
    applies: ({ device }) => device.firmwareTruth === 'claims-bypass',
    message: ({ device }) => `${shortId(device.id)} is behind an IOMMU that the firmware's tables do not put it under.`,
    fix: ({ guest }) =>
      iommuOf(guest)?.kind === 'amdvi'
        ? 'name the device in an IVHD'
        : 'list the device in a DRHD scope, or give the unit INCLUDE_PCI_ALL',
  },
  {
    id: 'DMA-0008',
    level: 'note',
    title: 'A device passes through because the kernel asked for identity mappings',
    applies: ({ device }) => device.passthrough === 'identity',
    message: ({ device }) =>
      `${shortId(device.id)} is behind the IOMMU, in an identity domain: its addresses are physical.`,
    fix: ({ guest }) =>
      iommuOf(guest)?.kind === 'ioda' ? 'boot with iommu=nobypass' : 'boot without iommu=pt and iommu.passthrough=1',
  },
  {
    id: 'DMA-0009',
    level: 'error',
    title: 'Driver and device could not agree',
    applies: ({ device }) => device.verdict === 'refused',
    message: ({ device }) => `${shortId(device.id)} was refused: ${device.io.detail}.`,
    fix: (on) => offerAccessPlatform(on),
  },
  {
    id: 'DMA-0010',
    level: 'error',
    title: 'An interrupt never arrived',
    applies: (on) =>
      on.device.verdict === 'hangs' &&
      on.device.dma.stray === 0 &&
      on.seen.closed === undefined &&
      on.seen.staleReads === undefined &&
      !isUnmapped(on),
    message: ({ device }) =>
      `${shortId(device.id)} never completed a request: ${plural(device.interrupt.lost, 'request')} waited for an interrupt (${INTERRUPT[device.interrupt.mode]}) that did not come.`,
    fix: () => null,
  },
  {
    id: 'DMA-0045',
    level: 'error',
    title: 'A driver waits for ever for bus addresses',
    applies: isUnmapped,
    message: ({ device }) =>
      `${shortId(device.id)} was never asked for anything: ${device.io.detail}.${device.guest.dmaPath === 'iommu' ? ' Of a device that is not trusted, what is less than a page is bounced, and the kernel has no bounce buffers.' : ''}`,
    fix: ({ device }) => (device.guest.dmaPath === 'iommu' ? '--append swiotlb=force' : null),
  },
  {
    id: 'DMA-0046',
    level: 'warning',
    title: 'A device read memory that it was not given',
    applies: ({ device }) => device.verdict === 'works' && nosyRead(device) !== undefined,
    message: ({ device }) =>
      `${shortId(device.id)} read memory that it was not given: ${strayText(nosyRead(device)!)}; it saw ${nosyRead(device)?.after?.replaceAll(/[ 0]/g, '') === '' ? 'zeros' : nosyRead(device)?.after}.`,
    fix: () => null,
  },
  {
    id: 'DMA-0012',
    level: 'error',
    title: 'The guest programmed an IOMMU that does not translate',
    applies: ({ device }) => device.passthrough === 'iommu-inert',
    message: ({ device, guest }) =>
      `${shortId(device.id)} is in a translated domain of ${iommuName(guest, device)}, which let its DMA through untranslated.`,
    // QEMU's own is like that unless told otherwise.
    fix: ({ device, guest }) =>
      iommuOf(guest, device)?.kind === 'amdvi' ? '-device amd-iommu,...,dma-remap=on' : null,
  },
  {
    id: 'DMA-0013',
    level: 'error',
    title: 'Data came out wrong although the request completed',
    applies: ({ device, guest }) => guest.devices.find((one) => one.id === device.id)?.io.wrongData === true,
    message: ({ device }) => `${shortId(device.id)} completed its requests with wrong data: ${device.io.detail}.`,
    fix: () => null,
  },
  {
    id: 'DMA-0014',
    level: 'note',
    title: 'VIRTIO_F_ACCESS_PLATFORM was negotiated, and nothing translates',
    applies: ({ device }) =>
      device.virtio?.accessPlatform === true &&
      device.status === 'passthrough' &&
      device.passthrough !== 'identity' &&
      device.guest.dmaPath !== 'iommu' &&
      device.guest.dmaPath !== 'swiotlb' &&
      device.guest.windowsBy === undefined,
    message: ({ device }) =>
      `${shortId(device.id)} negotiated VIRTIO_F_ACCESS_PLATFORM, which only means that the guest uses the DMA API: ` +
      (device.guest.dmaPath === 'xen'
        ? 'it gets the machine’s own addresses of the guest’s memory, which nothing translates.'
        : 'its addresses are physical all the same.'),
    fix: () => null,
  },
  {
    id: 'DMA-0050',
    level: 'error',
    title: 'A device read memory before the processor’s data had come there',
    applies: ({ device }) => staleBy('device', device) !== undefined,
    message: ({ device }) =>
      `${shortId(device.id)} read what was out of date: ${staleText('device', device)}.` +
      (device.guest.dmaPath === 'physical' && staleBy('device', device)?.between !== 'mapping'
        ? ' Its driver skips the DMA API, which would have seen to that.'
        : ''),
    fix: (on) => (staleBy('device', on.device)?.between === 'mapping' ? null : offerAccessPlatform(on)),
  },
  {
    id: 'DMA-0051',
    level: 'error',
    title: 'The processor read a copy of its own in place of what a device had written',
    applies: ({ device }) => staleBy('processor', device) !== undefined,
    message: ({ device }) =>
      `the processor missed what ${shortId(device.id)} had written: ${staleText('processor', device)}.`,
    fix: (on) => (staleBy('processor', on.device)?.between === 'mapping' ? null : offerAccessPlatform(on)),
  },
  {
    id: 'DMA-0044',
    level: 'error',
    title: 'A device was sent to memory that is closed to it',
    applies: ({ seen }) => seen.closed !== undefined,
    message: ({ device, seen }) => {
      const { closed = 0, closedAs = 'enciphered' } = seen
      const where = closedAs === 'blank' ? 'memory outside the restricted pool' : 'private memory of the guest'
      const passed = device.guest.dmaPath === 'physical'
      const pool = passed
        ? ' It was given physical addresses, past the DMA API, which alone knows of pools.'
        : ' The kernel’s DMA API knows of no such pools.'
      const shared = passed
        ? ' It was given physical addresses, past the DMA API, which would have bounced its data through shared pages.'
        : ''
      return `${shortId(device.id)} was sent to ${where} ${plural(closed, 'time')}: ${CLOSED[closedAs]}.${closedAs === 'blank' ? pool : shared}`
    },
    fix: (on) =>
      offerAccessPlatform(on) ??
      (on.seen.closedAs === 'blank' && on.device.guest.dmaPath === 'direct'
        ? 'a kernel with CONFIG_DMA_RESTRICTED_POOL: --guest linux-6.12,restricted-pools=on'
        : null),
  },
  {
    id: 'DMA-0036',
    level: 'error',
    title: 'The kernel cuts off what firmware left running in a device',
    applies: ({ device }) => (device.resident?.refused ?? 0) > 0,
    message: ({ device, guest }) =>
      `${shortId(device.id)} has something of the firmware's running in it, which ${iommuName(guest, device)} refused its memory at ${device.resident?.start} ${plural(device.resident?.refused ?? 0, 'time')}: the kernel did not map the region that the table asks for.`,
    fix: () => 'have the kernel map RMRRs and IVMDs: --guest without firmware-regions=ignore',
  },
  {
    id: 'DMA-0018',
    level: 'warning',
    title: 'The guest puts a device into no domain, and the IOMMU lets it pass',
    applies: ({ device }) => device.passthrough === 'unattached',
    message: ({ device, guest }) =>
      `${shortId(device.id)} is behind ${iommuName(guest, device)} and in no domain of it: nobody translates its DMA.`,
    fix: () => null,
  },
  {
    id: 'DMA-0019',
    level: 'error',
    title: 'A device is never probed, because the probe of another never ends',
    applies: ({ device, guest }) => heldBy(guest, device) !== null,
    message: ({ device, guest }) =>
      `${shortId(device.id)} is never probed: its driver waits for ever in the probe of ${heldBy(guest, device)}.`,
    fix: () => null,
  },
]
