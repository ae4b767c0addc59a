import type { Report, ReportDevice, Verdict } from '../report.ts'
import { shortId } from '../short-id.ts'
import { assignedText, outcomeLines } from './assignments.ts'
import { type Cell, columnWidths, GAP, layOut, shorten, wrap } from './columns.ts'
import { fixLabel, type Note, notesOf } from './notes.ts'
import { PLAIN, type Style } from './style.ts'
import {
  closingLine,
  dmaText,
  firmwareText,
  guestText,
  headline,
  iommuLine,
  isBystander,
  listFunctions,
  refusedVirtualFunctions,
} from './summary.ts'

const WIDTH = 100
/** A column of names is not cut to less than this. */
const NARROWEST_NAME = 8
const VERDICT_WIDTH = 8
const NARROWEST_MARK = 4
const WIDEST_MARKS = 15
const COLUMNS = ['DEVICE', '', 'FIRMWARE SAYS', 'GUEST DECIDED', 'DMA SEEN', '', 'VERDICT']
const KIND_COLUMN = 1

export interface TextOptions {
  readonly style?: Style
  /** How the reader would ask for evidence; the device's address is put at its end. */
  readonly whyCommand?: string
  /** Give functions that do no DMA lines of their own too, and add the timeline. */
  readonly verbose?: boolean
}

/** The report for a person: a table that fits 100 columns, then the findings with what to write instead. */
export function formatText(report: Report, options: TextOptions = {}): string {
  const style = options.style ?? PLAIN
  const notes = notesOf(report)
  const shown = options.verbose === true ? report.devices : report.devices.filter((device) => !isBystander(device))
  const lines = wrap(headline(report), WIDTH, 2).map(style.bold)
  for (const iommu of report.iommus) lines.push(...wrap(iommuLine(iommu), WIDTH, 2))
  if (report.iommus.length === 0) lines.push('no IOMMU in the firmware tables')
  if (!report.guest.booted) {
    const why = `the guest did not boot: ${report.guest.halted ?? 'unknown reason'}`
    lines.push(...wrap(why, WIDTH, 2).map(style.bad))
  }
  if (shown.length > 0) lines.push('', ...deviceTable(shown, report, notes, style))
  lines.push('')
  const bystanders = report.devices.filter((device) => !shown.includes(device))
  if (bystanders.length > 0) lines.push(...functionList('no DMA, no findings', bystanders).map(style.dim), '')
  const refused = refusedVirtualFunctions(report)
  if (refused.length > 0) lines.push(...refused.flatMap((line) => wrap(line, WIDTH, 2)).map(style.bad), '')
  if (report.assignments !== undefined) lines.push(...assignmentLines(report.assignments), '')
  for (const note of notes) lines.push(...noteLines(note, style), '')
  if (report.unseen.length > 0) lines.push(...functionList('never seen by the guest', report.unseen), '')
  if (options.verbose === true && report.timeline.length > 0) lines.push(...timelineLines(report), '')
  lines.push(...closing(report, options.whyCommand))
  return `${lines.join('\n')}\n`
}

const assignmentLines = (assignments: NonNullable<Report['assignments']>): string[] => [
  "GIVEN TO USERS' PROGRAMS (VFIO)",
  ...assignments.flatMap((one) =>
    outcomeLines(one).flatMap((outcome) => wrap(`${assignedText(one)}  ${outcome}`, WIDTH, 2)),
  ),
]

const functionList = (title: string, functions: Parameters<typeof listFunctions>[0]): string[] =>
  wrap(`${title}: ${listFunctions(functions)}`, WIDTH, 2)

const timelineLines = ({ timeline }: Report): string[] =>
  timeline.flatMap(({ step, event }) =>
    wrap(event, WIDTH - 6).map((line, index) => `${index === 0 ? String(step).padStart(4) : '    '}  ${line}`),
  )

/** How things stand, and how to ask for evidence of the device that asks for it most. */
function closing(report: Report, whyCommand: string | undefined): string[] {
  const line = closingLine(report)
  const gravest = report.findings.find(({ device }) => device !== null)?.device
  const asked = gravest ?? report.devices.find((one) => one.status !== 'none')?.id
  if (asked === undefined || whyCommand === undefined) return wrap(line, WIDTH, 2)
  const evidence = `Evidence: ${whyCommand} ${shortId(asked)}`
  const gap = '   '
  // A command is there to be copied: it stays in one piece.
  if (line.length + gap.length + evidence.length > WIDTH) return [...wrap(line, WIDTH, 2), evidence]
  return [line + gap + evidence]
}

function deviceTable(devices: readonly ReportDevice[], report: Report, notes: readonly Note[], style: Style): string[] {
  const head = COLUMNS.map((text): Cell => ({ text, paint: style.dim }))
  const facts = devices.map((device) => factCells(device, report, style))
  const widths = columnWidths([head.slice(0, -1), ...facts])
  const others = widths.reduce((sum, width) => sum + width + GAP.length, 0) - widths[KIND_COLUMN]!
  const marks = devices.map(({ id }) =>
    notes
      .filter((note) => note.devices.includes(id))
      .map(({ number }) => `(${number})`)
      .join(' '),
  )
  // Names give way to the marks of findings, down to a point; beyond that, marks go on in the next line.
  const wanted = Math.min(Math.max(...marks.map((text) => text.length)), WIDEST_MARKS)
  const room = WIDTH - others - VERDICT_WIDTH - 1
  const kindWidth = Math.max(NARROWEST_NAME, Math.min(widths[KIND_COLUMN]!, room - wanted))
  const rows = facts.flatMap((cells, index): Cell[][] => {
    const device = devices[index]!
    const [first = '', ...rest] = wrap(marks[index]!, Math.max(room - kindWidth, NARROWEST_MARK))
    const named = cells.map((cell, column) =>
      column === KIND_COLUMN ? { ...cell, text: shorten(cell.text, kindWidth) } : cell,
    )
    const verdict = first === '' ? device.verdict : `${device.verdict.padEnd(VERDICT_WIDTH)} ${first}`
    return [
      [...named, { text: verdict, paint: verdictPaint(device.verdict, style) }],
      ...rest.map((more): Cell[] => [
        ...cells.map(() => ({ text: '' })),
        { text: ' '.repeat(VERDICT_WIDTH + 1) + more },
      ]),
    ]
  })
  return layOut([head, ...rows])
}

/** All of a device's cells but the verdict's. */
function factCells(device: ReportDevice, report: Report, style: Style): Cell[] {
  const { way, share } = dmaText(device)
  return [
    { text: shortId(device.id) },
    { text: device.kind },
    { text: firmwareText(device, report) },
    { text: guestText(device) },
    { text: way, paint: wayPaint(device, style) },
    { text: share.replace(/\d+/g, briefly) },
  ]
}

/** At most five characters for up to 10^10. */
function briefly(digits: string): string {
  const count = Number(digits)
  if (count < 1e5) return digits
  return count < 1e7 ? `${Math.floor(count / 1e3)}k` : `${Math.floor(count / 1e6)}M`
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

function noteLines(note: Note, style: Style): string[] {
  const mark = `(${note.number}) `
  const paint = note.level === 'error' ? style.bad : note.level === 'warning' ? style.warn : style.dim
  const head = `${note.id} ${note.level}: `
  const [first = '', ...rest] = wrap(mark + head + note.message, WIDTH, mark.length)
  const start = mark.length + head.length
  const lines = [`${mark}${paint(first.slice(mark.length, start))}${first.slice(start)}`, ...rest]
  for (const one of note.fixes) {
    const label = fixLabel(one)
    const [begin = '', ...more] = wrap(`${label} ${one.fix}`, WIDTH - mark.length, 2)
    const indent = ' '.repeat(mark.length)
    lines.push(`${indent}${style.bold(begin.slice(0, label.length))}${begin.slice(label.length)}`)
    lines.push(...more.map((line) => indent + line))
  }
  return lines
}
