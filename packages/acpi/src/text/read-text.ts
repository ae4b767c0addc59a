import { type U64, u64FromPair } from '../values.ts'
import { ByteList } from './byte-list.ts'
import type { FoundTable, TextProblem } from './found-table.ts'

/** `DSDT @ 0x000000007FFDCC40`, with which acpidump opens a table. */
const HEADING = /^\s*([!-~]{4}|RSD PTR ?) @ (?:0x)?([0-9A-Fa-f]{1,16})\s*$/
/** What iasl writes the bytes of a data table under: `Raw Table Data: Length 136 (0x88)`. */
const RAW_DATA = /^\s*Raw Table Data\b/
/** `    0010: 42 58 50 43 20 ...`: an offset, and what stands behind it. */
const ROW = /^\s*([0-9A-Fa-f]{4,16}): ?(.*)$/
const ROW_BYTES = 16

interface OpenTable {
  readonly form: 'acpidump' | 'iasl'
  readonly line: number
  readonly offset: number
  readonly address: U64 | undefined
  readonly bytes: ByteList
  readonly problems: TextProblem[]
  /** What follows cannot be the table's any more. */
  isClosed: boolean
}

/**
 * The tables in a text: what `acpidump` prints, and the raw data that `iasl -d` writes below a data table. Text between
 * them is passed over.
 *
 * A row that does not continue the one before it ends its table, which then is shorter than its header says; the row is
 * among the table's `problems`.
 *
 * @param charSize - bytes of the input that a character took, for offsets
 */
export function readTableText(text: string, charSize: 1 | 2 = 1): FoundTable[] {
  const found: FoundTable[] = []
  let open: OpenTable | null = null
  const close = (): void => {
    if (open !== null && open.bytes.length > 0) found.push(finish(open, charSize))
    open = null
  }
  const begin = (form: OpenTable['form'], line: number, offset: number, address?: U64): OpenTable => ({
    form,
    line,
    offset,
    address,
    bytes: new ByteList(),
    problems: [],
    isClosed: false,
  })
  let line = 0
  for (let start = 0; start < text.length; ) {
    line++
    const end = lineEnd(text, start)
    const content = text.slice(start, end)
    const at = start
    start = afterBreak(text, end)
    const row: RegExpExecArray | null = open === null ? null : ROW.exec(content)
    if (row !== null) {
      takeRow(open!, line, Number.parseInt(row[1]!, 16), row[2]!)
      continue
    }
    const heading = content.includes('@') ? HEADING.exec(content) : null
    if (heading !== null) {
      close()
      open = begin('acpidump', line, at, addressOf(heading[2]!))
    } else if (RAW_DATA.test(content)) {
      close()
      open = begin('iasl', line, at)
    } else if (content.trim() !== '' && open !== null) close()
  }
  close()
  return found
}

const finish = ({ form, line, offset, address, bytes, problems }: OpenTable, charSize: number): FoundTable => {
  const data = bytes.taken()
  return {
    bytes: data,
    form,
    offset: offset * charSize,
    line,
    ...(address !== undefined && { address }),
    problems,
  }
}

function addressOf(digits: string): U64 {
  const all = digits.padStart(16, '0')
  return u64FromPair(Number.parseInt(all.slice(0, 8), 16), Number.parseInt(all.slice(8), 16))
}

function takeRow(table: OpenTable, line: number, offset: number, rest: string): void {
  if (table.isClosed) return
  const { bytes, problems } = table
  if (offset !== bytes.length) {
    const message = `the row is for byte 0x${offset.toString(16)}, but 0x${bytes.length.toString(16)} is next; the rest is left out`
    problems.push({ line, message })
    table.isClosed = true
    return
  }
  const before = bytes.length
  // Two blanks, or a comment, part the bytes from their characters.
  for (let at = 0; bytes.length - before < ROW_BYTES; at += 3) {
    const value = byteAt(rest, at)
    if (value < 0) break
    bytes.push(value)
  }
  if (bytes.length === before) {
    problems.push({ line, message: 'the row has no bytes; the rest is left out' })
    table.isClosed = true
  }
}

/** The two hexadecimal digits at `at`, with nothing but a blank behind them; -1 where they are none. */
function byteAt(text: string, at: number): number {
  const high = digit(text.charCodeAt(at))
  const low = digit(text.charCodeAt(at + 1))
  const behind = text.charCodeAt(at + 2)
  return high < 0 || low < 0 || !(Number.isNaN(behind) || behind === 0x20 || behind === 9) ? -1 : high * 16 + low
}

function digit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const letter = code | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1
}

/** Where the line at `start` ends, before its line feed, carriage return or both. */
function lineEnd(text: string, start: number): number {
  const feed = text.indexOf('\n', start)
  const end = feed < 0 ? text.length : feed
  return end > start && text.charCodeAt(end - 1) === 13 ? end - 1 : end
}

const afterBreak = (text: string, end: number): number => (text.charCodeAt(end) === 13 ? end + 2 : end + 1)
