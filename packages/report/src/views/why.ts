import type { Report, ReportDevice } from '../report.ts'
import { layOut, wrap } from './columns.ts'
import { PLAIN, type Style } from './style.ts'
import { dmaText, firmwareText, guestText, headline, shortId } from './summary.ts'

const PASSTHROUGH: Record<NonNullable<ReportDevice['passthrough']>, string> = {
  'no-iommu': 'the machine has no IOMMU',
  'iommu-disabled': 'the kernel left the IOMMU off',
  'iommu-inert': 'the IOMMU was programmed and does not translate',
  'not-covered': 'the tables leave the device out, so the kernel put it under no IOMMU',
  'device-bypass': 'the device bypasses the IOMMU that the tables put it behind',
  identity: 'the kernel gave it an identity domain',
}

/** The chain of reasons for one device, each with the place that it came from, and the bytes where there are some. */
export function formatWhy(report: Report, device: ReportDevice, options: { readonly style?: Style } = {}): string {
  const style = options.style ?? PLAIN
  const { way, share } = dmaText(device)
  const reason = device.passthrough === null ? '' : `: ${PASSTHROUGH[device.passthrough]}`
  const lines = [
    style.bold(`${shortId(device.id)} ${device.kind} [${device.vendor}:${device.device}] · ${headline(report)}`),
    '',
    ...layOut([
      [
        { text: 'firmware says' },
        { text: firmwareText(device, report) + (device.firmware.by === null ? '' : ` (${device.firmware.by})`) },
      ],
      [{ text: 'guest decided' }, { text: `${guestText(device)}, addresses: ${device.guest.dmaPath ?? 'none given'}` }],
      [{ text: 'DMA seen' }, { text: `${way} ${share}`.trim() + reason }],
      [{ text: 'firmware truth' }, { text: device.firmwareTruth }],
      [{ text: 'verdict' }, { text: `${device.verdict}${device.io.detail === '' ? '' : `: ${device.io.detail}`}` }],
    ]),
    '',
  ]
  device.why.forEach((step, index) => {
    const mark = `${String(index + 1).padStart(3)}. `
    const [first = '', ...rest] = wrap(step.fact, 92)
    lines.push(mark + first, ...rest.map((line) => `     ${line}`), style.dim(`     from ${step.source}`))
    if (step.bytes !== undefined) lines.push(...wrap(step.bytes, 92).map((line) => style.dim(`     ${line}`)))
  })
  for (const finding of report.findings) {
    if (finding.device !== device.id) continue
    lines.push('', ...wrap(`${finding.id} ${finding.level}: ${finding.message}`, 100))
    if (finding.fix !== null) lines.push(`Fix: ${finding.fix}`)
  }
  return `${lines.join('\n')}\n`
}
