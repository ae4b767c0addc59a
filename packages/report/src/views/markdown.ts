import type { Report } from '../report.ts'
import { closingLine, dmaText, firmwareText, guestText, headline, iommuLine, numbered, shortId } from './summary.ts'

const cell = (text: string): string => text.replaceAll('|', '\\|')

/** The report as a Markdown document, for an issue or a pull request. */
export function formatMarkdown(report: Report): string {
  const notes = numbered(report)
  const lines = [`**${headline(report)}**`, '', ...report.iommus.map((iommu) => `- ${iommuLine(iommu)}`)]
  if (report.iommus.length === 0) lines.push('- no IOMMU in the firmware tables')
  if (!report.guest.booted) lines.push('', `**The guest did not boot:** ${report.guest.halted ?? 'unknown reason'}`)
  lines.push(
    '',
    '| Device | Kind | Firmware says | Guest decided | DMA seen | Verdict | Findings |',
    '|---|---|---|---|---|---|---|',
  )
  for (const device of report.devices) {
    const { way, share } = dmaText(device)
    const marks = notes.filter(({ finding }) => finding.device === device.id).map(({ finding }) => finding.id)
    const cells = [
      `\`${shortId(device.id)}\``,
      device.kind,
      firmwareText(device, report),
      guestText(device).replace(/ {2,}/, ', '),
      `${way} ${share}`.trim(),
      device.verdict,
      marks.join(', '),
    ]
    lines.push(`| ${cells.map(cell).join(' | ')} |`)
  }
  if (notes.length > 0) lines.push('')
  for (const { finding } of notes) {
    lines.push(`- **${finding.id}** ${finding.level}: ${finding.message}`)
    if (finding.fix !== null) lines.push(`  Fix: \`${finding.fix}\``)
  }
  lines.push('', closingLine(report), '')
  return lines.join('\n')
}
