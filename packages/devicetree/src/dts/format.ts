import { DmascopeError } from '@dmascope/layout'
import { type DeviceTree, pathOf } from '../device-tree.ts'
import type { DtNode } from '../node.ts'
import type { DtProperty } from '../property.ts'
import { pairFromU64, type U64 } from '../values.ts'

const NAME = /^[a-zA-Z0-9,._+*#?@-]+$/
const LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*$/
/** Deeper nodes are indented no further: a hostile tree must not become mostly tabs. */
const DEEPEST_INDENT = 32

/**
 * A tree as devicetree source text, which `parseDts` and `dtc` read back to the same tree. A value is written as texts
 * where it looks like texts, else as cells where it is whole cells, else as bytes.
 *
 * @throws DmascopeError `DTS_UNSAYABLE` where a name cannot stand in a text, or two of one node have the same
 */
export function formatDts(tree: DeviceTree): string {
  const out: string[] = ['/dts-v1/;\n\n']
  for (const { address, size, labels = [] } of tree.reservations) {
    out.push(`${labelsBefore(labels, tree.root)}/memreserve/ ${hexOf(address)} ${hexOf(size)};\n`)
  }
  if (tree.reservations.length > 0) out.push('\n')
  if (tree.root.name !== '') throw unsayable(tree.root, `the root is named ${JSON.stringify(tree.root.name)}`)
  const valid = new Set<string>()
  const open: { readonly node: DtNode; next: number }[] = []
  const enter = (node: DtNode, name: string): void => {
    const indent = indentOf(open.length)
    out.push(indent, labelsBefore(node.labels, node), name, ' {\n')
    checkNames(node, valid)
    const inner = indentOf(open.length + 1)
    for (const made of node.properties) {
      out.push(inner, labelsBefore(made.labels, node), made.name)
      if (made.length > 0) out.push(' = ', formatValue(made))
      out.push(';\n')
    }
    open.push({ node, next: 0 })
  }
  enter(tree.root, '/')
  while (open.length > 0) {
    const top = open[open.length - 1]!
    const child = top.node.children[top.next++]
    if (child === undefined) {
      open.pop()
      out.push(indentOf(open.length), '};\n')
      continue
    }
    if (top.next > 1 || top.node.properties.length > 0) out.push('\n')
    enter(child, child.name)
  }
  return out.join('')
}

const indents = Array.from({ length: DEEPEST_INDENT + 1 }, (_, depth) => '\t'.repeat(depth))
const indentOf = (depth: number): string => indents[Math.min(depth, DEEPEST_INDENT)]!

function hexOf(value: U64): string {
  const [hi, lo] = pairFromU64(value)
  return hi === 0 ? `0x${lo.toString(16)}` : `0x${hi.toString(16)}${lo.toString(16).padStart(8, '0')}`
}

function labelsBefore(labels: readonly string[], node: DtNode): string {
  let text = ''
  for (const label of labels) {
    if (!LABEL.test(label)) throw unsayable(node, `${JSON.stringify(label)} is no label`)
    text += `${label}: `
  }
  return text
}

const unsayable = (node: DtNode, message: string): DmascopeError => {
  const path = pathOf(node)
  return new DmascopeError('DTS_UNSAYABLE', `${path}: ${message}; no source text says that`, { path })
}

/** Up to so many names are compared with one another; more are put in a set. */
const FEW = 8

/** Two of the same name would become one, and other characters cannot be read back. */
function checkNames(node: DtNode, valid: Set<string>): void {
  checkEach(node, 'property', node.properties, valid)
  checkEach(node, 'node', node.children, null)
}

/** @param valid - names that were found good: properties have the same few all over a tree */
function checkEach(
  node: DtNode,
  what: 'property' | 'node',
  all: readonly { readonly name: string }[],
  valid: Set<string> | null,
): void {
  const seen = all.length > FEW ? new Set<string>() : null
  for (let index = 0; index < all.length; index++) {
    const { name } = all[index]!
    if (valid === null || !valid.has(name)) {
      if (!NAME.test(name)) throw unsayable(node, `${JSON.stringify(name)} as the name of a ${what}`)
      valid?.add(name)
    }
    let isSecond = seen?.has(name) === true
    seen?.add(name)
    if (seen === null) for (let before = 0; before < index; before++) isSecond ||= all[before]!.name === name
    if (isSecond) throw unsayable(node, `two of ${what} ${name}`)
  }
}

/** The value of a property as it stands behind `=`. Not for an empty one. */
export function formatValue(made: DtProperty): string {
  if (looksLikeText(made)) return formatTexts(made)
  if (made.length % 4 === 0) {
    let text = '<'
    for (let index = 0; index < made.length >>> 2; index++) {
      text += `${index === 0 ? '' : ' '}0x${made.cell(index)!.toString(16)}`
    }
    return `${text}>`
  }
  let text = '['
  for (let index = 0; index < made.length; index++) {
    const byte = made.data[made.start + index]!
    text += `${index === 0 ? '' : ' '}${HEX[byte >>> 4]}${HEX[byte & 15]}`
  }
  return `${text}]`
}

const HEX = '0123456789abcdef'

const isTextByte = (byte: number): boolean => (byte >= 0x20 && byte < 0x7f) || (byte >= 9 && byte <= 13)

/** Printable characters and a NUL behind each run of them. */
export function looksLikeText({ data, start, length }: DtProperty): boolean {
  if (length === 0 || data[start + length - 1] !== 0) return false
  let wasNul = true
  for (let index = 0; index < length; index++) {
    const byte = data[start + index]!
    if (byte === 0 ? wasNul : !isTextByte(byte)) return false
    wasNul = byte === 0
  }
  return true
}

const ESCAPES: Readonly<Record<number, string>> = {
  9: '\\t',
  10: '\\n',
  11: '\\v',
  12: '\\f',
  13: '\\r',
  34: '\\"',
  92: '\\\\',
}

function formatTexts({ data, start, length }: DtProperty): string {
  let text = '"'
  // The last NUL is the closing mark's.
  for (let at = start; at < start + length - 1; at++) {
    const byte = data[at]!
    text += byte === 0 ? '", "' : (ESCAPES[byte] ?? String.fromCharCode(byte))
  }
  return `${text}"`
}
