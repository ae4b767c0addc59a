import type { Finding, Report, ReportDevice, ReportIommu } from '../report.ts'

const DOMAIN: Record<ReportDevice['guest']['domain'], string> = {
  dma: 'DMA',
  'dma-fq': 'DMA-FQ',
  identity: 'identity',
  blocked: 'blocked',
  unknown: 'unknown',
  none: 'none',
}
const KIND: Record<ReportIommu['kind'], string> = { vtd: 'VT-d' }

/** Without the segment where that is 0: `00:03.0`. */
export const shortId = (id: string): string => id.replace(/^0000:/, '')

const plural = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`

/** `q35 (QEMU 11.1) · guest linux-6.12 · intel_iommu=on`. */
export function headline({ machine, guest }: Report): string {
  return [`${machine.name} (QEMU ${machine.qemuVersion})`, `guest ${guest.profile}`, machine.commandLine]
    .filter((part) => part !== '')
    .join(' · ')
}

/** `dmar0  VT-d, 48 bit, at 0xfed90000: enabled, default domain DMA-FQ, interrupts remapped`. */
export function iommuLine(iommu: ReportIommu): string {
  const state = iommu.enabled ? `enabled, default domain ${DOMAIN[iommu.default]}` : 'not enabled'
  const interrupts = iommu.interruptRemapping ? 'interrupts remapped' : 'interrupts not remapped'
  return `${iommu.id}  ${KIND[iommu.kind]}, ${iommu.addressWidth} bit, at ${iommu.base}: ${state}, ${interrupts}`
}

/** What the firmware's tables claim of a device. */
export function firmwareText(device: ReportDevice, report: Report): string {
  if (report.iommus.length === 0) return 'no IOMMU'
  return device.firmware.covered ? `behind ${report.iommus[0]?.id ?? 'an IOMMU'}` : 'not covered'
}

/** Group and domain. */
export function guestText(device: ReportDevice): string {
  const { iommuGroup, domain } = device.guest
  if (iommuGroup === null) return device.guest.dmaPath === null ? 'no group' : `no group, ${device.guest.dmaPath}`
  return `group ${iommuGroup}  ${DOMAIN[domain]}`
}

/** What its DMA did: `translated 41/41`, of all accesses of the self-test how many went that way. */
export function dmaText(device: ReportDevice): { way: string; share: string } {
  const { translated, untranslated, faulted } = device.dma
  const total = translated + untranslated + faulted
  if (device.status === 'none') return { way: 'none seen', share: '' }
  const ours = { translated, passthrough: untranslated, blocked: faulted }[device.status]
  return { way: device.status, share: total === 0 ? '' : `${ours}/${total}` }
}

/** `1 device in passthrough, 2 translated, 1 finding.` */
export function closingLine(report: Report): string {
  const inState = (status: ReportDevice['status']): number =>
    report.devices.filter((device) => device.status === status).length
  const parts = [`${plural(inState('passthrough'), 'device')} in passthrough`, `${inState('translated')} translated`]
  if (inState('blocked') > 0) parts.push(`${inState('blocked')} blocked`)
  parts.push(`${inState('none')} without DMA`, plural(report.findings.length, 'finding'))
  return `${parts.join(', ')}.`
}

/** Findings that say the same of several devices, in the order of the report. */
export function numbered(report: Report): readonly { readonly number: number; readonly finding: Finding }[] {
  return report.findings.map((finding, index) => ({ number: index + 1, finding }))
}
