import type { Report, ReportDevice } from '../report.ts'
import { shortId } from '../short-id.ts'
import { assignedText, outcomeLines } from './assignments.ts'
import { fixLabel, type Note, notesOf } from './notes.ts'
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

/** Text that Markdown shows as it is: on one line, nothing taken for markup. */
const prose = (text: string): string => text.replace(/\s+/g, ' ').replace(/[\\`*<[\]]/g, '\\$&')

/** A cell's text: a bar would end the cell, in code too. */
const cell = (text: string): string => text.replace(/\\*\|/g, (bars) => `${bars.slice(0, -1)}\\|`)

/** Code, fenced with one backtick more than it has in a row. */
function code(text: string): string {
  const longest = Math.max(0, ...[...text.matchAll(/`+/g)].map(([run]) => run.length))
  if (longest === 0) return `\`${text}\``
  const fence = '`'.repeat(longest + 1)
  return `${fence} ${text} ${fence}`
}

/** The report as a Markdown document, for an issue or a pull request. */
export function formatMarkdown(report: Report): string {
  const notes = notesOf(report)
  const lines = [`**${prose(headline(report))}**`, '']
  lines.push(...report.iommus.map((iommu) => `- ${prose(iommuLine(iommu))}`))
  if (report.iommus.length === 0) lines.push('- no IOMMU in the firmware tables')
  if (!report.guest.booted)
    lines.push('', `**The guest did not boot:** ${prose(report.guest.halted ?? 'unknown reason')}`)
  const bystanders = report.devices.filter(isBystander)
  const shown = report.devices.filter((device) => !bystanders.includes(device))
  if (shown.length > 0) {
    lines.push(
      '',
      '| Device | Kind | Firmware says | Guest decided | DMA seen | Verdict | Findings |',
      '|---|---|---|---|---|---|---|',
      ...shown.map((device) => deviceRow(device, report, notes)),
    )
  }
  if (bystanders.length > 0) lines.push('', `No DMA, no findings: ${prose(listFunctions(bystanders))}`)
  if (report.unseen.length > 0) lines.push('', `Never seen by the guest: ${prose(listFunctions(report.unseen))}`)
  for (const line of refusedVirtualFunctions(report)) lines.push(`**${line}**`, '')
  if (report.assignments !== undefined) {
    lines.push('', 'Given to users’ programs by VFIO:', '')
    for (const one of report.assignments) {
      for (const outcome of outcomeLines(one)) lines.push(`- ${code(assignedText(one))}: ${prose(outcome)}`)
    }
  }
  if (notes.length > 0) lines.push('')
  for (const { number, id, level, message, fixes } of notes) {
    lines.push(`${number}. **${id}** ${level}: ${prose(message)}`)
    lines.push(...fixes.map((one) => `   <br>${fixLabel(one)} ${code(one.fix)}`))
  }
  lines.push('', closingLine(report), '')
  return lines.join('\n')
}

function deviceRow(device: ReportDevice, report: Report, notes: readonly Note[]): string {
  const { way, share } = dmaText(device)
  const marks = notes.filter(({ devices }) => devices.includes(device.id)).map(({ number }) => `(${number})`)
  const cells = [
    code(shortId(device.id)),
    prose(device.kind),
    prose(firmwareText(device, report)),
    prose(guestText(device).replace('  ', ', ')),
    `${way} ${share}`.trim(),
    device.verdict,
    marks.join(' '),
  ]
  return `| ${cells.map(cell).join(' | ')} |`
}
