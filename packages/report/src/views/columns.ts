/** One cell: its text, and how to paint it once it is padded. */
export interface Cell {
  readonly text: string
  readonly paint?: (text: string) => string
}

export const GAP = '  '

/** How wide each column must be to hold its widest text. */
export function columnWidths(rows: readonly (readonly Cell[])[]): number[] {
  const widths: number[] = []
  for (const row of rows) {
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, cell.text.length)
    })
  }
  return widths
}

/** Lays cells out in columns as wide as their widest text; the last column is not padded. */
export function layOut(rows: readonly (readonly Cell[])[]): string[] {
  const widths = columnWidths(rows)
  return rows.map((row) =>
    row
      .map(({ text, paint }, column) => {
        const padded = column === row.length - 1 ? text : text.padEnd(widths[column] ?? 0)
        return paint === undefined ? padded : paint(padded)
      })
      .join(GAP)
      .trimEnd(),
  )
}

/** The text, or as much of it as fits with an ellipsis. */
export const shorten = (text: string, width: number): string =>
  text.length <= width ? text : `${text.slice(0, Math.max(width - 1, 0))}…`

/**
 * Breaks text at white space into lines of at most `width`; words that are longer are broken where the line ends. What
 * fits stays as it is.
 *
 * @param indent - spaces before all lines but the first, within `width`
 */
export function wrap(text: string, width: number, indent = 0): string[] {
  const plain = text.trim()
  if (plain.length <= width && !/[^\S ]/.test(plain)) return plain === '' ? [] : [plain]
  const lines: string[] = []
  const before = ' '.repeat(indent)
  let line = ''
  let room = width
  const end = (): void => {
    lines.push(lines.length === 0 ? line : before + line)
    room = width - indent
  }
  for (const word of plain.split(/\s+/)) {
    if (line === '') line = word
    else if (line.length + 1 + word.length <= room) line += ` ${word}`
    else {
      end()
      line = word
    }
    while (line.length > room) {
      const rest = line.slice(room)
      line = line.slice(0, room)
      end()
      line = rest
    }
  }
  if (line !== '') end()
  return lines
}
