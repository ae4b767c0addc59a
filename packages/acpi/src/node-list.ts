import type { AnnotatedLine } from '@dmascope/layout'
import { annotateRaw } from './annotate.ts'
import { annotateRecords } from './annotate-records.ts'
import { fromHex, toHex } from './hex.ts'
import { hex, type Problem } from './problem.ts'
import { buildRecords, parseRecords, type RecordSet } from './records.ts'
import { TableWriter } from './table-writer.ts'
import { listOf, type PlainValues } from './values.ts'

/** Nodes that refer to each other by their offsets: as many as `nodeCount` says, from `nodeOffset` on. */
export interface NodeList {
  readonly kind: 'nodes'
  readonly key: 'nodes'
  readonly set: RecordSet
}

/** What plain data has of a list of nodes, besides the nodes. */
export interface NodeListExtras {
  /** As stored, only where it is not the number of nodes that were read. */
  nodeCount?: number
  /** As stored, only where the nodes do not follow the fixed fields at once. */
  nodeOffset?: number
  /** Bytes between the fixed fields and the first node, where they are not zero. */
  gap?: string
}

const bytesOf = (view: DataView, start: number, end: number): Uint8Array =>
  new Uint8Array(view.buffer, view.byteOffset + start, end - start)

/** Reads nodes behind the fixed fields, which end at `start`; answers where the last one ends. */
export function parseNodes(
  list: NodeList,
  view: DataView,
  start: number,
  end: number,
  table: PlainValues & { problems: Problem[] },
): number {
  const nodeCount = table.nodeCount as number
  const nodeOffset = table.nodeOffset as number
  const inside = nodeOffset >= start && nodeOffset <= end
  if (!inside && nodeCount > 0) {
    const message = `the nodes would start at ${hex(nodeOffset)}, but the table has ${hex(start)} to ${hex(end)} for them`
    table.problems.push({ code: 'ACPI_NODE_OFFSET', offset: start, message })
  }
  const from = inside ? nodeOffset : end
  const { records, end: rest } = parseRecords(view, from, end, list.set, table.problems, nodeCount)
  if (inside && rest === end && records.length < nodeCount) {
    const message = `the table says that it has ${nodeCount} nodes, there are ${records.length}`
    table.problems.push({ code: 'ACPI_NODE_COUNT', offset: start, message })
  }
  const behind = bytesOf(view, records.length === nodeCount ? (nodeCount === 0 ? start : rest) : end, end)
  if (behind.some((byte) => byte !== 0)) {
    const message = `${behind.length} bytes follow the ${nodeCount} nodes that the table says it has`
    table.problems.push({ code: 'ACPI_TRAILING', offset: end - behind.length, message })
  }
  table.nodes = records
  if (nodeCount === records.length) delete table.nodeCount
  if (nodeOffset === start) delete table.nodeOffset
  if (records.length === 0) return start
  const gap = toHex(bytesOf(view, start, from))
  if (/[^0]/.test(gap)) table.gap = gap
  return rest
}

/** Puts the nodes behind what was put, with what is before them. Answers what the fixed fields say of them. */
export function buildNodes(list: NodeList, values: PlainValues, out: TableWriter): PlainValues {
  const start = out.length
  const nodes = listOf(values.nodes, 'nodes')
  const nodeOffset = values.nodeOffset ?? start
  if (nodes.length > 0) {
    if (typeof nodeOffset !== 'number' || !(Number.isInteger(nodeOffset) && nodeOffset >= start)) {
      throw new RangeError(
        `nodeOffset: ${JSON.stringify(nodeOffset)} is not behind the fixed fields, which end at ${start}`,
      )
    }
    const gap = fromHex(String(values.gap ?? ''), 'gap')
    if (gap.length > nodeOffset - start) {
      throw new RangeError(`gap: ${gap.length} bytes do not fit before ${nodeOffset}`)
    }
    out.put(gap)
    out.reserve(nodeOffset - out.length)
    buildRecords(nodes, list.set, out)
  }
  return { nodeCount: values.nodeCount ?? nodes.length, nodeOffset }
}

/** The byte in the table that each node will stand at: what references to nodes are made of. */
export function placeNodes(
  list: NodeList,
  start: number,
  values: NodeListExtras & { nodes: readonly object[] },
): number[] {
  const first = values.nodeOffset ?? start
  const out = new TableWriter()
  return values.nodes.map((node) => {
    const at = first + out.length
    buildRecords([node], list.set, out)
    return at
  })
}

/** The lines of the nodes and of what is before and behind them, up to `end`. */
export function annotateNodes(
  list: NodeList,
  view: DataView,
  start: number,
  end: number,
  table: PlainValues,
): AnnotatedLine[] {
  const nodes = listOf(table.nodes, 'nodes')
  const from = nodes.length === 0 ? start : ((table.nodeOffset as number | undefined) ?? start)
  return [
    ...annotateRaw('Padding', view, start, from, 0),
    ...annotateRecords(view, from, end, list.set, 1, nodes.length),
  ]
}
