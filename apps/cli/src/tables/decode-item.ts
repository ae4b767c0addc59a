import {
  type AcpiTable,
  findHostBridges,
  formatRawTable,
  formatTable,
  HEADER_SIZE,
  parseRawTable,
  parseTable,
} from '@dmascope/acpi'
import { TABLE_NAMES } from '@dmascope/acpi/text'
import { buildDtb, type DeviceTree, type DtNode, parseDtb } from '@dmascope/devicetree'
import { annotateDtb } from '@dmascope/devicetree/annotate'
import { plainTree } from '@dmascope/devicetree/plain'
import { type AnnotatedLine, DmascopeError } from '@dmascope/layout'
import type { AcpiItem, FirmwareItem, TreeItem } from '../sources/firmware-input.ts'
import { parseSource } from '../sources/source-tree.ts'
import { formatHostBridge } from './format-host-bridge.ts'

/** Something wrong with a table or tree, at a byte of it, or at a line of the text that it stands in. */
interface ItemProblem {
  readonly code: string
  readonly offset: number
  readonly line?: number
  readonly message: string
}

/** A table or tree that was read, with its views. */
export interface DecodedItem {
  /** For a heading: what it is. */
  readonly title: string
  readonly bytes: Uint8Array
  readonly problems: readonly ItemProblem[]
  /** Every byte, for people. */
  lines(): Iterable<AnnotatedLine>
  /** How lines lie in columns, where that is not found out from the lines. */
  readonly columns?: { readonly field: number; readonly end: number }
  readonly bytesPerRow?: number
  /** What else is found in it, a line each. */
  findings(): readonly string[]
  /** What `build` takes: by its form, the table, the tree, or bytes of which nothing could be made. */
  plain(): PlainItem
}

type PlainItem =
  | { readonly format: 'acpi'; readonly table: object }
  | { readonly format: 'devicetree'; readonly tree: object }
  | { readonly format: 'bytes'; readonly data: string }

/** @throws DmascopeError DTS_* where a source text cannot be compiled */
export const decodeItem = (item: FirmwareItem): DecodedItem =>
  item.kind === 'acpi' ? decodeTable(item) : decodeTree(item)

function decodeTable(item: AcpiItem): DecodedItem {
  const { bytes, signature, source } = item
  const name = TABLE_NAMES[signature]
  const title = `${signature.trim()}${name === undefined ? '' : `, ${name}`}`
  const texts = item.problems.map(({ line, message }) => ({ code: 'ACPI_TEXT', offset: bytes.length, line, message }))
  let read: (AcpiTable & { problems: ItemProblem[] }) | DmascopeError
  try {
    read = parseTable(bytes, { source })
  } catch (error) {
    if (!(error instanceof DmascopeError)) throw error
    read = error
  }
  if (read instanceof DmascopeError) {
    return {
      title,
      bytes,
      problems: [problemOf(read), ...texts],
      lines: () => linesOfDamaged(bytes, signature),
      findings: () => [],
      plain: () => rawItem(bytes),
    }
  }
  const { problems, ...table } = read
  return {
    title,
    bytes,
    problems: [...problems, ...texts],
    lines: () => formatTable(table as AcpiTable),
    findings: () => (isDefinitionBlock(table as AcpiTable) ? findHostBridges(bytes).flatMap(formatHostBridge) : []),
    plain: () => ({ format: 'acpi', table }),
  }
}

const isDefinitionBlock = ({ signature }: AcpiTable): boolean => signature === 'DSDT' || signature === 'SSDT'
const rawItem = (bytes: Uint8Array): PlainItem => ({ format: 'bytes', data: Buffer.from(bytes).toString('hex') })

/** An error of a reader as a problem: its message without the place, which stands beside it. */
function problemOf({ code, message, context }: DmascopeError): ItemProblem {
  const { offset } = context
  const text = message.replace(/^.*? at byte 0x[0-9a-f]+: /, '')
  return { code, offset: typeof offset === 'number' ? offset : 0, message: text }
}

/** A table whose fixed fields are cut off: its header where there is one, and bytes. */
function linesOfDamaged(bytes: Uint8Array, signature: string): AnnotatedLine[] {
  const hasHeader = bytes.length >= HEADER_SIZE && signature !== 'FACS' && signature !== 'RSD PTR '
  return hasHeader ? formatRawTable(parseRawTable(bytes)) : rawLines(bytes)
}

function rawLines(bytes: Uint8Array): AnnotatedLine[] {
  const lines: AnnotatedLine[] = []
  for (let offset = 0; offset < bytes.length; offset += 16) {
    const row = Buffer.from(bytes.subarray(offset, offset + 16))
    const value = row.toString('latin1').replace(/[^\x20-\x7e]/g, '.')
    lines.push({ offset, size: row.length, bytes: row.toString('hex'), field: 'Bytes', value, meaning: '', depth: 0 })
  }
  return lines
}

/** Of `last_comp_version`, the longest name of a field in a blob. */
const LONGEST_TREE_FIELD = 17
/** A property's token, length and name. */
const TREE_ROW = 12

function decodeTree(item: TreeItem): DecodedItem {
  const { source, kind } = item
  const bytes = kind === 'dtb' ? item.bytes : buildDtb(parseSource(item))
  let read: DeviceTree | DmascopeError
  try {
    read = parseDtb(bytes, { source })
  } catch (error) {
    if (!(error instanceof DmascopeError)) throw error
    read = error
  }
  const tree = read instanceof DmascopeError ? null : read
  const views = {
    bytes,
    lines: () => annotateDtb(bytes, tree),
    columns: { field: LONGEST_TREE_FIELD, end: bytes.length },
    bytesPerRow: TREE_ROW,
    findings: () => [],
  }
  if (tree === null) {
    return { ...views, title: 'device tree', problems: [problemOf(read as DmascopeError)], plain: () => rawItem(bytes) }
  }
  const compiled = kind === 'dts' ? ', compiled from its source' : ''
  return {
    ...views,
    title: `device tree of ${countNodes(tree.root)} nodes${compiled}`,
    problems: tree.problems,
    plain: () => {
      try {
        return { format: 'devicetree', tree: plainTree(tree) }
      } catch (error) {
        // Nested deeper than anything reads.
        if (error instanceof DmascopeError && error.code === 'DTB_DEPTH') return rawItem(bytes)
        throw error
      }
    },
  }
}

function countNodes(root: DtNode): number {
  let count = 0
  const pending = [root]
  for (let one = pending.pop(); one !== undefined; one = pending.pop()) {
    count++
    for (const child of one.children) pending.push(child)
  }
  return count
}
