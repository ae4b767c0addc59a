/** One field of a table or blob for people: where it is, what it holds, what that means. */
export interface AnnotatedLine {
  /** Bytes from the start. */
  readonly offset: number
  readonly size: number
  /** The field's bytes as hexadecimal digits, in the order of memory; empty for a line that opens a record. */
  readonly bytes: string
  /** The specification's name; for a line that opens a record, the record's. */
  readonly field: string
  readonly value: string
  /** Named value or set flags; empty where there is nothing to add. */
  readonly meaning: string
  /** How deep the field lies within records: 0 for the table's own. */
  readonly depth: number
}

/** Something wrong, told below the line of the byte that it is about. */
interface Remark {
  readonly code: string
  readonly offset: number
  readonly message: string
}

/** How parts of the text are set off; each takes and answers text. */
export interface AnnotationStyle {
  readonly offset: (text: string) => string
  readonly bytes: (text: string) => string
  /** Lines that open a record. */
  readonly record: (text: string) => string
  readonly meaning: (text: string) => string
  readonly problem: (text: string) => string
}

export interface AnnotationOptions {
  /** Columns to stay within where words can be broken at blanks. Default 100. */
  readonly width?: number
  /** Bytes on one row. Default: 16 where most lines have more than 8, and values have room beside them; else 8. */
  readonly bytesPerRow?: number
  /**
   * What the columns have to hold, so that lines need not be gone through first: the longest field's characters with its
   * indent, and the bytes that there are.
   */
  readonly columns?: { readonly field: number; readonly end: number }
  /** What is wrong, in any order. */
  readonly problems?: readonly Remark[]
  readonly style?: AnnotationStyle
}

const same = (text: string): string => text
const PLAIN: AnnotationStyle = { offset: same, bytes: same, record: same, meaning: same, problem: same }

/** Of `0x` and sixteen digits. */
const WIDEST_VALUE = 18
/** Wider labels move their values to the right. */
const WIDEST_LABEL = 40
const INDENT = 2
const LEAST_TEXT = 20
const SHORT_ROW = 8
const LONG_ROW = 16
/** Short enough to be garbage before the collector must copy it. */
const CHUNK = 0x2000
const BLANK = 0x20

/** Three characters a byte, but for the last. */
const widthOf = (count: number): number => count * 3 - 1

const codes: number[] = []
/** Digits in pairs. Made at once: a tree has hundreds of thousands of them. */
function spaced(digits: string): string {
  codes.length = 0
  for (let at = 0; at < digits.length; at++) {
    if (at !== 0 && at % 2 === 0) codes.push(BLANK)
    codes.push(digits.charCodeAt(at))
  }
  return String.fromCharCode.apply(null, codes)
}

interface Measured {
  /** The longest field's characters with its indent. */
  readonly field: number
  readonly end: number
  /** Whether most lines have more bytes than a short row: bytes are what there is to see. */
  readonly isWide: boolean
}

/** What the columns have to hold. */
function measure(lines: readonly AnnotatedLine[]): Measured {
  let longestField = 0
  let end = 0
  let wide = 0
  for (const { field, depth, offset, size, bytes } of lines) {
    if (bytes !== '') {
      longestField = Math.max(longestField, field.length + depth * INDENT)
      if (size > SHORT_ROW) wide++
    }
    end = Math.max(end, offset + size)
  }
  return { field: longestField, end, isWide: wide * 2 > lines.length }
}

/** The columns of a text, the same for every line. */
class Columns {
  readonly digits: number
  readonly label: number
  readonly perRow: number
  readonly text: number

  constructor(held: Measured, width: number, perRow: number | undefined) {
    this.label = Math.min(held.field, WIDEST_LABEL)
    this.digits = Math.max(3, held.end.toString(16).length)
    const left = (count: number): number => this.digits + 2 + widthOf(count) + 2 + this.label + 2
    const isWide = held.isWide && left(LONG_ROW) + WIDEST_VALUE <= width
    this.perRow = perRow ?? (isWide ? LONG_ROW : SHORT_ROW)
    // Few lines have so many bytes: the others should not stand far from theirs.
    this.text = Math.max(LEAST_TEXT, width - left(this.perRow))
  }
}

/**
 * Words put on lines of at most `width` columns; what has no blank is cut. Lines below the first of an indented text
 * are indented further.
 */
function wrap(text: string, width: number): string[] {
  if (text.length <= width) return [text.trimEnd()]
  const rows: string[] = []
  const indent = text.length - text.trimStart().length
  const hang = indent === 0 ? '' : ' '.repeat(Math.min(indent + INDENT, width >>> 1))
  // Cut out of the text one after the other: to copy the rest each time would be quadratic.
  for (let start = 0; start < text.length; ) {
    const before = rows.length === 0 ? '' : hang
    const room = width - before.length
    let end = Math.min(start + room, text.length)
    if (end < text.length) {
      const blank = text.slice(start, end + 1).lastIndexOf(' ')
      if (blank > (rows.length === 0 ? indent : 0)) end = start + blank
    }
    rows.push(before + text.slice(start, end).trimEnd())
    start = end
    while (text.charCodeAt(start) === BLANK) start++
  }
  return rows
}

/**
 * Lines as text in columns: offset, bytes, field, value and meaning. Long fields go on in rows of their bytes, long
 * values and meanings in rows below, so that nothing is left out. Each problem stands below the field that has its byte.
 *
 * @returns text that ends with a line feed, in chunks of some KiB; none for no lines
 */
export function* formatAnnotated(
  lines: Iterable<AnnotatedLine>,
  options: AnnotationOptions = {},
): Generator<string, void, undefined> {
  const { width = 100, problems = [], style = PLAIN } = options
  const held = options.columns
  const all = held === undefined ? [...lines] : lines
  const measured = held === undefined ? measure(all as AnnotatedLine[]) : { ...held, isWide: true }
  const columns = new Columns(measured, width, options.bytesPerRow)
  const remarks = [...problems].sort((a, b) => a.offset - b.offset)
  let next = 0
  let text = ''
  for (const line of all) {
    while (next < remarks.length && line.bytes !== '' && remarks[next]!.offset < line.offset) {
      text += remarkText(remarks[next++]!, width, style)
    }
    text += rowsOf(line, columns, style)
    while (next < remarks.length && line.bytes !== '' && remarks[next]!.offset < line.offset + line.size) {
      text += remarkText(remarks[next++]!, width, style)
    }
    if (text.length > CHUNK) {
      yield text
      text = ''
    }
  }
  while (next < remarks.length) text += remarkText(remarks[next++]!, width, style)
  if (text !== '') yield text
}

function rowsOf(line: AnnotatedLine, columns: Columns, style: AnnotationStyle): string {
  const { offset, bytes, field, value, meaning, depth } = line
  const { digits, perRow } = columns
  const label = `${' '.repeat(depth * INDENT)}${field}`
  const at = (offset_: number): string => style.offset(offset_.toString(16).padStart(digits, '0'))
  const gap = widthOf(perRow) + 2
  if (bytes === '') {
    const words = [value, meaning].filter((text) => text !== '').join('  ')
    const text = style.record(label) + (words === '' ? '' : `  ${style.meaning(words)}`)
    return `${at(offset)}  ${' '.repeat(gap)}${text}\n`
  }
  const wide = perRow * 2
  const overhang = Math.max(0, label.length - columns.label)
  const words = wrap(meaning === '' ? value : `${value}  ${meaning}`, Math.max(LEAST_TEXT, columns.text - overhang))
  const count = Math.max(Math.ceil(bytes.length / wide), words.length)
  let text = ''
  for (let row = 0; row < count; row++) {
    const part = spaced(bytes.slice(row * wide, (row + 1) * wide))
    text += part === '' ? ' '.repeat(digits + 2) : `${at(offset + row * perRow)}  ${style.bytes(part)}`
    const shown = words[row]
    if (shown !== undefined) {
      const split = row === 0 ? Math.min(value.length, shown.length) : 0
      text += ' '.repeat(gap - part.length) + (row === 0 ? label : '').padEnd(shown === '' ? 0 : columns.label)
      if (shown !== '')
        text += `  ${shown.slice(0, split)}${split < shown.length ? style.meaning(shown.slice(split)) : ''}`
    }
    text += '\n'
  }
  return text
}

function remarkText({ code, offset, message }: Remark, width: number, style: AnnotationStyle): string {
  const rows = wrap(`${code} at 0x${offset.toString(16)}: ${message}`, Math.max(LEAST_TEXT, width - 4))
  return rows.map((row, index) => `${style.problem(`${index === 0 ? '!!' : '  '}  ${row}`)}\n`).join('')
}
