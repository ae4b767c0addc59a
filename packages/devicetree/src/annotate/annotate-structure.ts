import type { AnnotatedLine } from '@dmascope/layout'
import type { DeviceTree } from '../device-tree.ts'
import { formatValue } from '../dts/format.ts'
import type { DtNode } from '../node.ts'
import { DtProperty } from '../property.ts'
import { FDT_BEGIN_NODE, FDT_END, FDT_END_NODE, FDT_NOP, FDT_PROP } from '../spec/fdt.ts'
import { nameFromBytes } from '../values.ts'
import { explainProperty } from './explain-property.ts'
import type { LineMaker } from './lines.ts'

/** Deeper nodes are indented no further. */
const DEEPEST_INDENT = 8
/** §2.2.4.1 allows 31; a hostile name must not stand there again and again. */
const LONGEST_NAME = 255
const indents = Array.from({ length: DEEPEST_INDENT + 1 }, (_, depth) => '  '.repeat(depth))
const indentOf = (depth: number): string => indents[Math.min(depth, DEEPEST_INDENT)]!

/**
 * The tokens of the structure block in [start, end), each a line, with nodes in braces. Stops at what is no token and
 * tells the rest as bytes; answers where it ended.
 */
export function* annotateStructure(
  lines: LineMaker,
  start: number,
  end: number,
  strings: { readonly start: number; readonly size: number },
  tree: DeviceTree | null,
): Generator<AnnotatedLine, number> {
  const { bytes, view } = lines
  const aligned = (at: number): number => at + (-(at - start) & 3)
  yield lines.heading(start, { name: 'structure block', source: 'Devicetree Specification v0.4 §5.4' })
  // Nodes come in the order of their FDT_BEGIN_NODEs.
  const nodes = tree?.nodes()
  const open: (DtNode | null)[] = []
  let at = start
  let ended = false
  while (!ended && at + 4 <= end) {
    const token = view.getUint32(at)
    let next = at + 4
    if (token === FDT_BEGIN_NODE) {
      const nul = bytes.indexOf(0, next)
      next = aligned(nul + 1)
      if (nul < 0 || next > end) break
      const name = nameFromBytes(bytes, at + 4, nul)
      yield lines.line(
        at,
        next - at,
        'FDT_BEGIN_NODE',
        `${indentOf(open.length)}${open.length === 0 && name === '' ? '/' : name} {`,
      )
      open.push(nodes?.next().value ?? null)
    } else if (token === FDT_PROP) {
      if (at + 12 > end) break
      const length = view.getUint32(at + 4)
      next = aligned(at + 12 + length)
      if (next > end) break
      const nameAt = strings.start + view.getUint32(at + 8)
      const name = nameFromBytes(
        bytes,
        nameAt,
        Math.min(strings.start + strings.size, nameAt + LONGEST_NAME, bytes.length),
      )
      const made = new DtProperty(name, bytes, at + 12, length)
      const value = length === 0 ? '' : ` = ${formatValue(made)}`
      const node = open[open.length - 1]
      const meaning = tree === null || !node ? '' : explainProperty(tree, node, made)
      yield lines.line(at, next - at, 'FDT_PROP', `${indentOf(open.length)}${name}${value}`, meaning)
    } else if (token === FDT_END_NODE) {
      open.pop()
      yield lines.line(at, 4, 'FDT_END_NODE', `${indentOf(open.length)}}`)
    } else if (token === FDT_NOP) yield lines.line(at, 4, 'FDT_NOP', '')
    else if (token === FDT_END) {
      yield lines.line(at, 4, 'FDT_END', '')
      ended = true
    } else break
    at = next
  }
  if (ended) return at
  yield* lines.raw('no token', at, end)
  return end
}
