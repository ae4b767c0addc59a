import { PLAIN, type Style, wrap } from '@dmascope/report'
import type { MatrixDocument } from '../document.ts'
import { type Grid, type GridBlock, type GridCell, gridOf, STATUSES, VERDICTS } from '../grid.ts'
import { STATUS_SAYS, summaryOf, VERDICT_SAYS } from './words.ts'

const WIDTH = 100
const GAP = 2
const INDENT = 2
/** The widest verdict, and a letter behind it. */
const CELL = 10

/** A grid that a terminal holds: kernels down, hypervisors across. */
export function formatMatrix(document: MatrixDocument, style: Style = PLAIN): string {
  const grid = gridOf(document.results)
  const lines = [
    ...grid.blocks.flatMap((block) => [...blockLines(block, style), '']),
    ...legend(grid),
    ...grid.notes.flatMap((note, index) => wrap(`(${index + 1}) ${note}`, WIDTH, 4)),
    ...wrap(summaryOf(grid, document.asked), WIDTH),
    'One of them with all its reasons: dmascope matrix --cell KERNEL/HYPERVISOR/PLATFORM/STATE/DEVICE --why asked',
  ]
  return `${lines.join('\n')}\n`
}

function blockLines(block: GridBlock, style: Style): string[] {
  const head = [style.bold(block.title), ...wrap(block.summary, WIDTH - INDENT).map((line) => `  ${style.dim(line)}`)]
  const first = Math.max('KERNEL'.length, ...block.guests.map((guest) => Math.min(guest.length, MOST_GUEST)))
  const tables = columnGroups(block.hypervisors, WIDTH - INDENT - first).flatMap((columns) => {
    const widths = columns.map((column) => Math.max(CELL, (block.hypervisors[column] ?? '').length))
    const line = (name: string, cells: readonly string[], paints: readonly ((text: string) => string)[]): string =>
      `  ${[name.padEnd(first), ...cells.map((text, at) => paints[at]?.(text.padEnd(widths[at] ?? 0)) ?? text)].join('  ')}`.trimEnd()
    const names = columns.map((column) => block.hypervisors[column] ?? '')
    return [
      line(
        'KERNEL',
        names,
        names.map(() => style.dim),
      ),
      ...block.guests.flatMap((guest, row) => {
        const cells = columns.map((column) => block.rows[row]?.[column] ?? null)
        // A kernel with many options stands on a line of its own.
        const long = guest.length > first
        const painted = line(
          long ? '' : guest,
          cells.map(cellText),
          cells.map((cell) => paintOf(cell, style)),
        )
        return long ? [...wrap(guest, WIDTH - INDENT).map((part) => `  ${part}`), painted] : [painted]
      }),
    ]
  })
  const absent = block.absent.map(({ hypervisor, note }) => `${hypervisor} (${note})`).join(', ')
  return [
    ...head,
    ...tables,
    ...(absent === '' ? [] : wrap(`no such machine: ${absent}`, WIDTH - INDENT, INDENT).map((line) => `  ${line}`)),
  ]
}

const MOST_GUEST = 30

/** Indices of columns that fit beside each other. */
function columnGroups(names: readonly string[], room: number): number[][] {
  const groups: number[][] = []
  let left = 0
  names.forEach((name, index) => {
    const width = GAP + Math.max(CELL, name.length)
    const last = groups.at(-1)
    if (last === undefined || width > left) {
      groups.push([index])
      left = room - width
    } else {
      last.push(index)
      left -= width
    }
  })
  return groups
}

const cellText = (cell: GridCell | null): string =>
  cell === null ? 'not run' : 'note' in cell ? `(${cell.note})` : `${cell.verdict} ${STATUS_SAYS[cell.status].letter}`

function paintOf(cell: GridCell | null, style: Style): (text: string) => string {
  if (cell === null || 'note' in cell) return style.dim
  return {
    works: style.good,
    untested: style.warn,
    refused: style.warn,
    faults: style.bad,
    hangs: style.bad,
    corrupts: style.bad,
  }[cell.verdict]
}

/** Of what stands in the grid. */
function legend({ counts }: Grid): string[] {
  const statuses = STATUSES.filter((one) => counts.statuses.has(one))
  const verdicts = VERDICTS.filter((one) => counts.verdicts.has(one))
  return [
    ...statuses.map((one) => `${STATUS_SAYS[one].letter.padEnd(8)}  ${STATUS_SAYS[one].says}`),
    ...verdicts.map((one) => `${one.padEnd(8)}  ${VERDICT_SAYS[one]}`),
  ]
}
