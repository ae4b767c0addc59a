import type { Finding, Report, ReportDevice, Verdict } from '../report.ts'
import { type Cell, layOut, wrap } from './columns.ts'
import { PLAIN, type Style } from './style.ts'
import { closingLine, dmaText, firmwareText, guestText, headline, iommuLine, numbered, shortId } from './summary.ts'

const WIDTH = 100

export interface TextOptions {
  readonly style?: Style
  /** How the reader would ask for evidence; the device's address is put at its end. */
  readonly whyCommand?: string
  /** List functions that do no DMA too, and the timeline. */
  readonly verbose?: boolean
}

/** The report for a person: a table that fits 100 columns, then the findings with what to write instead. */
export function formatText(report: Report, options: TextOptions = {}): string {
  const style = options.style ?? PLAIN
  const lines = [style.bold(headline(report)), ...report.iommus.map(iommuLine)]
  if (report.iommus.length === 0) lines.push('no IOMMU in the firmware tables')
  if (!report.guest.booted) lines.push(style.bad(`the guest did not boot: ${report.guest.halted ?? 'unknown reason'}`))
  lines.push('', ...deviceTable(report, style), '')
  for (const { number, finding } of numbered(report)) lines.push(...findingLines(number, finding, style), '')
  if (report.unseen.length > 0) {
    lines.push(
      `never seen by the guest: ${report.unseen.map(({ id, model }) => `${shortId(id)} ${model}`).join(', ')}`,
      '',
    )
  }
  if (options.verbose === true)
    lines.push(...report.timeline.map(({ step, event }) => `${String(step).padStart(4)}  ${event}`), '')
  const asked =
    report.devices.find((device) => device.findings.length > 0) ?? report.devices.find((one) => one.status !== 'none')
  const evidence =
    asked === undefined || options.whyCommand === undefined
      ? ''
      : `   Evidence: ${options.whyCommand} ${shortId(asked.id)}`
  lines.push(`${closingLine(report)}${evidence}`)
  return `${lines.join('\n')}\n`
}

function deviceTable(report: Report, style: Style): string[] {
  const notes = new Map<string, number[]>()
  for (const { number, finding } of numbered(report)) {
    if (finding.device !== null) notes.set(finding.device, [...(notes.get(finding.device) ?? []), number])
  }
  const head: Cell[] = ['DEVICE', '', 'FIRMWARE SAYS', 'GUEST DECIDED', 'DMA SEEN', '', 'VERDICT'].map((text) => ({
    text,
    paint: style.dim,
  }))
  const rows = report.devices.map((device): Cell[] => {
    const { way, share } = dmaText(device)
    const marks = (notes.get(device.id) ?? []).map((number) => `(${number})`).join(' ')
    return [
      { text: shortId(device.id) },
      { text: device.kind },
      { text: firmwareText(device, report) },
      { text: guestText(device) },
      { text: way, paint: wayPaint(device, style) },
      { text: share },
      {
        text: marks === '' ? device.verdict : `${device.verdict.padEnd(8)} ${marks}`,
        paint: verdictPaint(device.verdict, style),
      },
    ]
  })
  return layOut([head, ...rows])
}

function wayPaint(device: ReportDevice, style: Style): (text: string) => string {
  if (device.status === 'translated') return style.good
  if (device.status === 'blocked') return style.bad
  return device.status === 'passthrough' ? style.warn : style.dim
}

function verdictPaint(verdict: Verdict, style: Style): (text: string) => string {
  if (verdict === 'works') return style.good
  return verdict === 'untested' ? style.dim : style.bad
}

function findingLines(number: number, finding: Finding, style: Style): string[] {
  const mark = `(${number}) `
  const indent = ' '.repeat(mark.length)
  const paint = finding.level === 'error' ? style.bad : finding.level === 'warning' ? style.warn : style.dim
  const head = `${finding.id} ${finding.level}: `
  const [first = '', ...rest] = wrap(`${head}${finding.message}`, WIDTH - mark.length)
  const lines = [
    `${mark}${paint(first.slice(0, head.length))}${first.slice(head.length)}`,
    ...rest.map((line) => indent + line),
  ]
  if (finding.fix !== null) lines.push(`${indent}${style.bold('Fix:')} ${finding.fix}`)
  return lines
}
