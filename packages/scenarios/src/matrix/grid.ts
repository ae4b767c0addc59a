import type { Status, Verdict } from '@dmascope/report'
import type { CellResult } from '../cell/cell.ts'
import { requirePlatform } from '../cell/describe-cell.ts'
import { compareCells } from './axes.ts'

/** What the views show: results as tables, one for each platform, state of its IOMMU and device. */
export interface Grid {
  readonly blocks: readonly GridBlock[]
  /** Why there are no such machines, each told once; `note` of a cell is its place here, from 1 on. */
  readonly notes: readonly string[]
  readonly counts: GridCounts
}

export interface GridBlock {
  readonly platform: string
  readonly title: string
  /** What the machine is, in a line. */
  readonly summary: string
  readonly guests: readonly string[]
  /** Columns: those of which any kernel has a machine. */
  readonly hypervisors: readonly string[]
  /** The others, and why not. */
  readonly absent: readonly { readonly hypervisor: string; readonly note: number }[]
  /** Row by row; null where the cell was not run. */
  readonly rows: readonly (readonly (GridCell | null)[])[]
}

export type GridCell = { readonly verdict: Verdict; readonly status: Status } | { readonly note: number }

interface GridCounts {
  readonly booted: number
  readonly impossible: number
  readonly verdicts: ReadonlyMap<Verdict, number>
  readonly statuses: ReadonlyMap<Status, number>
}

/** From best to worst. */
export const VERDICTS: readonly Verdict[] = ['works', 'untested', 'refused', 'faults', 'hangs', 'corrupts']
export const STATUSES: readonly Status[] = ['translated', 'passthrough', 'blocked', 'none']

/** @param results - in the order of the axes, which that of tables, rows and columns is */
export function gridOf(results: readonly CellResult[]): Grid {
  const notes: string[] = []
  const tables = new Map<string, CellResult[]>()
  for (const result of results) {
    const key = `${result.platform}/${result.iommu}/${result.device}`
    const table = tables.get(key)
    if (table === undefined) tables.set(key, [result])
    else table.push(result)
  }
  const blocks = [...tables.values()].map((table) => blockOf(table, notes)).sort(byMachine)
  return { blocks: blocks.map(({ block }) => block), notes, counts: countsOf(results) }
}

interface PlacedBlock {
  readonly first: CellResult
  readonly block: GridBlock
}

/** By platform, state and device alone. */
const byMachine = ({ first: a }: PlacedBlock, { first: b }: PlacedBlock): number =>
  compareCells({ ...a, guest: b.guest, hypervisor: b.hypervisor }, b)

function blockOf(table: readonly CellResult[], notes: string[]): PlacedBlock {
  const first = table[0] as CellResult
  const cells = new Map(table.map((one) => [`${one.guest}/${one.hypervisor}`, gridCell(one, notes)]))
  const guests = [...new Set(table.map(({ guest }) => guest))]
  const columns = [...new Set(table.map(({ hypervisor }) => hypervisor))].map((hypervisor) => {
    const column = guests.map((guest) => cells.get(`${guest}/${hypervisor}`) ?? null)
    return { hypervisor, column, note: reasonOf(column) }
  })
  const there = columns.filter(({ note }) => note === null)
  const { summary, states } = requirePlatform(first.platform)
  const append = states[first.iommu]
  return {
    first,
    block: {
      platform: first.platform,
      title: `${first.platform}, ${first.iommu}, ${first.device}`,
      summary: append === undefined || append === '' ? summary : `${summary}; ${append}`,
      guests,
      hypervisors: there.map(({ hypervisor }) => hypervisor),
      absent: columns.flatMap(({ hypervisor, note }) => (note === null ? [] : { hypervisor, note })),
      rows: guests.map((_, row) => there.map(({ column }) => column[row] ?? null)),
    },
  }
}

function gridCell({ verdict, status, impossible = '' }: CellResult, notes: string[]): GridCell {
  if (verdict !== undefined && status !== undefined) return { verdict, status }
  const known = notes.indexOf(impossible)
  return { note: known >= 0 ? known + 1 : notes.push(impossible) }
}

/** The one reason for which no kernel has a machine of this column. */
function reasonOf(column: readonly (GridCell | null)[]): number | null {
  const [first] = column
  if (!first || !('note' in first)) return null
  return column.every((one) => one !== null && 'note' in one && one.note === first.note) ? first.note : null
}

function countsOf(results: readonly CellResult[]): GridCounts {
  const verdicts = new Map<Verdict, number>()
  const statuses = new Map<Status, number>()
  let booted = 0
  for (const { verdict, status } of results) {
    if (verdict === undefined || status === undefined) continue
    booted++
    verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1)
    statuses.set(status, (statuses.get(status) ?? 0) + 1)
  }
  return { booted, impossible: results.length - booted, verdicts, statuses }
}
