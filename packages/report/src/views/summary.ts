import { plural } from '../plural.ts'
import type { Report, ReportDevice, ReportIommu } from '../report.ts'
import { shortId } from '../short-id.ts'
import { notesOf } from './notes.ts'

const DOMAIN: Record<ReportDevice['guest']['domain'], string> = {
  dma: 'DMA',
  'dma-fq': 'DMA-FQ',
  identity: 'identity',
  blocked: 'blocked',
  unknown: 'unknown',
  none: 'none',
}
const KIND: Record<ReportIommu['kind'], string> = {
  vtd: 'VT-d',
  amdvi: 'AMD-Vi',
  'virtio-iommu': 'virtio-iommu',
  smmuv3: 'SMMUv3',
  tce: 'sPAPR TCE',
  ioda: 'IODA',
  dart: 'DART',
  sun4u: 'sun4u IOMMU',
}

/** Machines that QEMU does not have: their devices are its all the same. */
const FOREIGN: readonly string[] = ['bcm3384']

/** `q35 (QEMU 11.1), preset default · guest linux-6.12 · intel_iommu=on`. */
export function headline({ machine, guest }: Report): string {
  const name = machine.source === 'preset' ? `, preset ${machine.name}` : `, ${machine.name}`
  const own = ['', machine.type].includes(machine.name.trim()) ? '' : name
  return [`${machine.type} (${rulesText(machine)})${own}`, `guest ${guest.profile}`, machine.commandLine]
    .filter((part) => part !== '')
    .join(' · ')
}

/** `no virtual functions of 00:03.0: 9 VFs, where sriov_totalvfs is 7 (-ERANGE)`. */
export const refusedVirtualFunctions = ({ virtualFunctions = [] }: Report): string[] =>
  virtualFunctions.flatMap(({ device, refused }) =>
    refused === null ? [] : [`no virtual functions of ${shortId(device)}: ${refused}`],
  )

function rulesText({ type, qemuVersion, hypervisor, addedSegments, addedWindows }: Report['machine']): string {
  if (FOREIGN.includes(type)) {
    return hypervisor === undefined
      ? `devices of QEMU ${qemuVersion}, which has no such machine`
      : `hypervisor ${hypervisor}`
  }
  const rules = hypervisor === undefined ? `QEMU ${qemuVersion}` : `hypervisor ${hypervisor}`
  return `${rules}${segmentsText(addedSegments)}${windowsText(addedWindows)}`
}

/** What is said at once of a machine that no QEMU has. */
function segmentsText(segments: readonly number[] = []): string {
  if (segments.length === 0) return ''
  const names = segments.map((segment) => segment.toString(16).padStart(4, '0'))
  return `, but for PCI segment${segments.length === 1 ? '' : 's'} ${names.join(', ')}, which it does not have`
}

const windowsText = (windows = 0): string =>
  windows === 0 ? '' : `, but for ${windows === 1 ? 'a window' : `${windows} windows`} between host bridge and memory`

/** `dmar0  VT-d, 48 bit, at 0xfed90000: enabled, default domain DMA-FQ, interrupts remapped`. */
export function iommuLine(iommu: ReportIommu): string {
  const state = iommu.enabled ? `enabled, default domain ${DOMAIN[iommu.default]}` : 'not enabled'
  const interrupts = iommu.interruptRemapping ? 'interrupts remapped' : 'interrupts not remapped'
  const place = iommu.base === null ? '' : `, at ${iommu.base}`
  const width = iommu.addressWidth === 0 ? '' : `, ${iommu.addressWidth} bit`
  const mode = iommu.mode === undefined ? '' : ` in ${iommu.mode} mode`
  return `${shortId(iommu.id)}  ${KIND[iommu.kind]}${mode}${width}${place}: ${state}, ${interrupts}`
}

/** What the firmware's tables claim of a device. Which unit they mean is told by where its registers are, or by name. */
export function firmwareText({ firmware }: ReportDevice, { iommus }: Report): string {
  if (iommus.length === 0) return 'no IOMMU'
  if (!firmware.covered) return 'not covered'
  const named = firmware.by?.split(/[ ,]/) ?? []
  const unit = iommus.find(({ id, base }) => named.includes(base ?? id)) ?? iommus[0]
  return `behind ${unit === undefined ? 'an IOMMU' : shortId(unit.id)}`
}

/** Group and domain. */
export const groupText = ({ guest: { iommuGroup, domain } }: ReportDevice): string =>
  iommuGroup === null ? 'no group' : `group ${iommuGroup}, ${DOMAIN[domain]}`

/** Group and domain for a column; without a group, what addresses the device was given. */
export function guestText(device: ReportDevice): string {
  const { iommuGroup, dmaPath } = device.guest
  if (iommuGroup !== null) return groupText(device).replace(', ', '  ')
  return dmaPath === null ? 'no group' : `no group, ${dmaPath}`
}

/** What its DMA did: `translated 41/41`, of all accesses of the self-test how many went that way. */
export function dmaText(device: ReportDevice): { way: string; share: string } {
  const { translated, untranslated, faulted } = device.dma
  const total = translated + untranslated + faulted
  if (device.status === 'none') return { way: 'none seen', share: '' }
  const ours = { translated, passthrough: untranslated, blocked: faulted }[device.status]
  return { way: device.status, share: total === 0 ? '' : `${ours}/${total}` }
}

/**
 * A function that was there and did nothing: no DMA, no test, nothing found, and no name that the user gave it. A
 * chipset has several.
 */
export const isBystander = ({ status, verdict, findings, name, io }: ReportDevice): boolean =>
  status === 'none' && verdict === 'untested' && findings.length === 0 && name === null && !io.attempted

/** `00:00.0 mch, 00:1f.0 ICH9-LPC`. */
export const listFunctions = (
  functions: readonly { readonly id: string; readonly kind?: string; readonly model?: string }[],
): string => functions.map(({ id, kind, model }) => `${shortId(id)} ${kind ?? model}`).join(', ')

/** `1 device in passthrough, 2 translated, 1 finding.` What is found of several devices alike counts once. */
export function closingLine(report: Report): string {
  const inState = (status: ReportDevice['status']): number =>
    report.devices.filter((device) => device.status === status).length
  const parts = [`${plural(inState('passthrough'), 'device')} in passthrough`, `${inState('translated')} translated`]
  if (inState('blocked') > 0) parts.push(`${inState('blocked')} blocked`)
  const found = notesOf(report).length
  parts.push(`${inState('none')} without DMA`, found === 0 ? 'no findings' : plural(found, 'finding'))
  return `${parts.join(', ')}.`
}
