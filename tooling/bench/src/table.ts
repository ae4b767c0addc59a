import type { BenchResult } from './runner.ts'

const rate = (ops: number): string =>
  ops >= 1e6
    ? `${(ops / 1e6).toFixed(ops >= 1e8 ? 0 : 1)} M`
    : ops >= 1e3
      ? `${(ops / 1e3).toFixed(1)} k`
      : ops.toFixed(1)

/** What the same work is compared with: ids with one of these words before them. */
export const REFERENCES = ['floor', 'checked', 'v86', 'no-iommu'] as const

/** The results as a table for a person: a row per case, with its ratio to each reference that was measured with it. */
export function formatTable(results: readonly BenchResult[]): string {
  const byId = new Map(results.map((one) => [one.id, one]))
  const isReference = (id: string): boolean => REFERENCES.some((name) => id.startsWith(`${name}/`))
  const references = REFERENCES.filter((name) => results.some(({ id }) => id.startsWith(`${name}/`)))
  const rows: string[][] = [['case', 'ops per CPU-s', ...references.flatMap((name) => [name, 'ratio']), 'target']]
  for (const { id, ops, target, leastOf } of results) {
    if (isReference(id)) continue
    const compared = references.flatMap((name) => {
      const other = byId.get(`${name}/${id}`)
      return other === undefined ? ['', ''] : [rate(other.ops), `${(ops / other.ops).toFixed(2)}x`]
    })
    const verdict = (reached: boolean): string => (reached ? 'reached' : 'MISSED')
    const other = leastOf && byId.get(`${leastOf.reference}/${id}`)
    const wanted = other
      ? `${leastOf.ratio.toFixed(2)}x ${verdict(ops >= leastOf.ratio * other.ops)}`
      : target === undefined
        ? ''
        : `${rate(target)} ${verdict(ops >= target)}`
    rows.push([id, rate(ops), ...compared, wanted])
  }
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows
    .map((row) =>
      row
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
