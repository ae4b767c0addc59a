import type { Finding, Reason, Report, ReportDevice } from '../report.ts'
import { shortId } from '../short-id.ts'
import { assignmentDetails, outcomeLines } from './assignments.ts'
import { wrap } from './columns.ts'
import { PLAIN, type Style } from './style.ts'
import { dmaText, firmwareText, groupText, headline } from './summary.ts'

const WIDTH = 100
const LABEL = 16
const STEP = 5

const PASSTHROUGH: Record<NonNullable<ReportDevice['passthrough']>, string> = {
  'no-iommu': 'the machine has no IOMMU',
  'iommu-disabled': 'the kernel left the IOMMU off',
  'iommu-inert': 'the IOMMU was programmed and does not translate',
  'not-covered': 'the tables leave the device out, so the kernel put it under no IOMMU',
  'device-bypass': 'the device bypasses the IOMMU that the tables put it behind',
  identity: 'the kernel gave it an identity domain',
  unattached: 'the kernel put it into no domain of the IOMMU, which lets it pass',
}

const TRUTH: Record<ReportDevice['firmwareTruth'], string> = {
  honest: 'honest: tables and wiring agree',
  'claims-covered': 'false: the tables put it behind an IOMMU, and it is wired past it',
  'claims-bypass': 'false: the tables leave it out, and it is wired behind an IOMMU',
  silent: 'silent: the tables name no IOMMU, and the device is behind none',
}

/** The chain of reasons for one device, each with the place that it came from, and the bytes where there are some. */
export function formatWhy(report: Report, device: ReportDevice, options: { readonly style?: Style } = {}): string {
  const style = options.style ?? PLAIN
  const { way, share } = dmaText(device)
  const reason = device.passthrough === null ? '' : `: ${PASSTHROUGH[device.passthrough]}`
  const by = device.firmware.by === null ? '' : ` (${device.firmware.by})`
  const title = `${shortId(device.id)} ${device.kind} [${device.vendor}:${device.device}] · ${headline(report)}`
  const lines = [
    ...wrap(title, WIDTH, 2).map(style.bold),
    '',
    ...labelled('firmware says', firmwareText(device, report) + by),
    ...labelled('guest decided', `${groupText(device)}; addresses: ${device.guest.dmaPath ?? 'none given'}`),
    ...labelled('DMA seen', `${way} ${share}`.trim() + reason),
    ...labelled('firmware truth', TRUTH[device.firmwareTruth]),
    ...labelled('verdict', device.verdict + (device.io.detail === '' ? '' : `: ${device.io.detail}`)),
    '',
    ...device.why.flatMap((step, index) => stepLines(step, index + 1, style)),
  ]
  for (const assignment of report.assignments ?? []) {
    if (!assignment.devices.includes(device.id)) continue
    lines.push('', ...outcomeLines(assignment).flatMap((outcome) => labelled('given to a user', outcome)))
    lines.push(
      ...assignmentDetails(assignment).flatMap((line) => wrap(`- ${line}`, WIDTH - 2, 2).map((one) => `  ${one}`)),
    )
  }
  for (const finding of report.findings) {
    if (finding.device === device.id) lines.push('', ...findingLines(finding))
  }
  return `${lines.join('\n')}\n`
}

const labelled = (label: string, text: string): string[] =>
  wrap(text, WIDTH - LABEL).map((line, index) => (index === 0 ? label : '').padEnd(LABEL) + line)

function stepLines({ fact, source, bytes }: Reason, number: number, style: Style): string[] {
  const indented = (text: string): string[] => wrap(text, WIDTH - STEP).map((line) => ' '.repeat(STEP) + line)
  const [first = '', ...rest] = wrap(fact, WIDTH - STEP)
  const lines = [`${String(number).padStart(STEP - 2)}. ${first}`, ...rest.map((line) => ' '.repeat(STEP) + line)]
  lines.push(...indented(`from ${source}`).map(style.dim))
  if (bytes !== undefined) lines.push(...indented(bytes).map(style.dim))
  return lines
}

function findingLines({ id, level, message, fix }: Finding): string[] {
  return [...wrap(`${id} ${level}: ${message}`, WIDTH), ...(fix === null ? [] : wrap(`Fix: ${fix}`, WIDTH, 2))]
}
