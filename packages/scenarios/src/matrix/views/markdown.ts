import type { MatrixDocument } from '../document.ts'
import { type GridBlock, type GridCell, gridOf, STATUSES, VERDICTS } from '../grid.ts'
import { STATUS_SAYS, summaryOf, VERDICT_SAYS } from './words.ts'

/** The matrix as Markdown with tables, for a page or a job's summary. */
export function formatMatrixMarkdown(document: MatrixDocument): string {
  const grid = gridOf(document.results)
  const statuses = STATUSES.filter((one) => grid.counts.statuses.has(one))
  const verdicts = VERDICTS.filter((one) => grid.counts.verdicts.has(one))
  const lines = [
    '# Matrix',
    '',
    escaped(summaryOf(grid, document.asked)),
    '',
    ...verdicts.map((one) => `- **${one}**: ${VERDICT_SAYS[one]}`),
    ...statuses.map((one) => `- *${STATUS_SAYS[one].word}*: ${STATUS_SAYS[one].says}`),
    ...grid.blocks.flatMap(blockLines),
    ...(grid.notes.length > 0 ? ['', '## Machines that cannot be', ''] : []),
    ...grid.notes.map((note, index) => `${index + 1}. ${escaped(note)}`),
  ]
  return `${lines.join('\n')}\n`
}

function blockLines({ title, summary, guests, hypervisors, absent, rows }: GridBlock): string[] {
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  const none = absent.map(({ hypervisor, note }) => `${hypervisor} (${note})`).join(', ')
  return [
    '',
    `## ${escaped(title)}`,
    '',
    `${escaped(summary)}.`,
    ...(hypervisors.length === 0
      ? []
      : [
          '',
          row(['Kernel', ...hypervisors]),
          row(['---', ...hypervisors.map(() => '---')]),
          ...guests.map((guest, at) => row([escaped(guest), ...(rows[at] ?? []).map(cellText)])),
        ]),
    ...(none === '' ? [] : ['', `No such machine: ${none}.`]),
  ]
}

const cellText = (cell: GridCell | null): string =>
  cell === null
    ? 'not run'
    : 'note' in cell
      ? `(${cell.note})`
      : `**${cell.verdict}**, *${STATUS_SAYS[cell.status].word}*`

/** Options of kernels hold underscores and stars; reasons may hold anything. */
const escaped = (text: string): string => text.replaceAll(/[\\`*_{}[\]<>#|]/g, '\\$&').replaceAll(/\s+/g, ' ')
