import type { BenchCase } from './runner.ts'
import { expectSample, makeText, TEXT_NODES } from './tree-workload.ts'

/** A node as anyone would write it down. Values lie in one buffer. */
interface TextNode {
  readonly name: string
  readonly names: string[]
  readonly values: { readonly start: number; readonly length: number }[]
  readonly children: TextNode[]
}

const NAME = 1
const SPACE = 2
const classes = new Uint8Array(128)
for (const one of 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789,._+*#?@-') {
  classes[one.charCodeAt(0)] = NAME
}
for (const one of ' \t\r\n') classes[one.charCodeAt(0)] = SPACE

const [QUOTE, SLASH, SEMICOLON, LESS, EQUALS, GREATER] = [0x22, 0x2f, 0x3b, 0x3c, 0x3d, 0x3e]
const [COMMA, OPEN_BRACE, CLOSE_BRACE] = [0x2c, 0x7b, 0x7d]

/**
 * Reads a text with what every reader must check: that its grammar holds, that names are not empty, numbers fit in a
 * cell, and no two properties or children of a node have the same name. Without comments, labels, references,
 * expressions, deletions, escapes, included files, line numbers, and nodes that stand twice.
 */
function readText(text: string): { readonly root: TextNode; readonly values: Uint8Array } {
  const values = new Uint8Array(text.length)
  let at = 0
  let used = 0
  const fail = (what: string): never => {
    throw new Error(`${what} expected at ${at}`)
  }
  const peek = (): number => {
    let code = text.charCodeAt(at)
    while (code < 128 && classes[code] === SPACE) code = text.charCodeAt(++at)
    return code
  }
  const expect = (code: number): void => {
    if (peek() !== code) fail(String.fromCharCode(code))
    at++
  }
  const cell = (): void => {
    if (text.charCodeAt(at) !== 0x30 || text.charCodeAt(at + 1) !== 0x78) fail('0x')
    at += 2
    const start = at
    let value = 0
    for (;;) {
      const code = text.charCodeAt(at)
      const digit = code >= 0x30 && code <= 0x39 ? code - 0x30 : code >= 0x61 && code <= 0x66 ? code - 0x57 : -1
      if (digit < 0) break
      value = value * 16 + digit
      at++
    }
    if (at === start || value > 0xffff_ffff) fail('a number of 32 bits')
    values[used++] = value >>> 24
    values[used++] = value >>> 16
    values[used++] = value >>> 8
    values[used++] = value
  }
  const value = (): void => {
    do {
      const code = peek()
      at++
      if (code === QUOTE) {
        for (let one = text.charCodeAt(at); one !== QUOTE; one = text.charCodeAt(++at)) {
          if (!(one < 0x80)) fail('a text of ASCII')
          values[used++] = one
        }
        values[used++] = 0
        at++
      } else if (code === LESS) {
        while (peek() !== GREATER) cell()
        at++
      } else fail('a value')
    } while (peek() === COMMA && ++at > 0)
  }
  const body = (node: TextNode): void => {
    const childNames = new Set<string>()
    expect(OPEN_BRACE)
    while (peek() !== CLOSE_BRACE) {
      const first = at
      while (classes[text.charCodeAt(at)] === NAME) at++
      if (at === first) fail('a name')
      const name = text.slice(first, at)
      const next = peek()
      if (next === OPEN_BRACE) {
        if (childNames.has(name)) fail('another name')
        childNames.add(name)
        const child: TextNode = { name, names: [], values: [], children: [] }
        node.children.push(child)
        body(child)
        continue
      }
      if (node.names.includes(name)) fail('another name')
      const start = used
      if (next === EQUALS) {
        at++
        value()
      }
      expect(SEMICOLON)
      node.names.push(name)
      node.values.push({ start, length: used - start })
    }
    at++
    expect(SEMICOLON)
  }
  if (!text.startsWith('/dts-v1/;')) fail('/dts-v1/;')
  at = 9
  expect(SLASH)
  const root: TextNode = { name: '', names: [], values: [], children: [] }
  body(root)
  if (at < text.length && !Number.isNaN(peek())) fail('the end')
  return { root, values }
}

/** Writes the blob into memory that is large enough for any such text. */
function writeBlob(root: TextNode, values: Uint8Array): Uint8Array {
  const out = new Uint8Array(values.length * 2)
  const view = new DataView(out.buffer)
  const offsets = new Map<string, number>()
  let stringsSize = 0
  let at = 56
  const text = (name: string): void => {
    for (let index = 0; index < name.length; index++) out[at + index] = name.charCodeAt(index)
    at += name.length + 1
  }
  const write = (node: TextNode): void => {
    view.setUint32(at, 1)
    at += 4
    text(node.name)
    at = (at + 3) & ~3
    for (let index = 0; index < node.names.length; index++) {
      const name = node.names[index]!
      const { start, length } = node.values[index]!
      let offset = offsets.get(name)
      if (offset === undefined) {
        offset = stringsSize
        offsets.set(name, offset)
        stringsSize += name.length + 1
      }
      view.setUint32(at, 3)
      view.setUint32(at + 4, length)
      view.setUint32(at + 8, offset)
      at += 12
      for (let byte = 0; byte < length; byte++) out[at + byte] = values[start + byte]!
      at = (at + length + 3) & ~3
    }
    for (const child of node.children) write(child)
    view.setUint32(at, 2)
    at += 4
  }
  write(root)
  view.setUint32(at, 9)
  const strings = at + 4
  at = strings
  for (const name of offsets.keys()) text(name)
  const header = [0xd00dfeed, at, 56, strings, 40, 17, 16, 0, stringsSize, strings - 56]
  for (let index = 0; index < header.length; index++) view.setUint32(index * 4, header[index]!)
  return out.subarray(0, at)
}

/** The text round trip in plain code, with the checks that no reader can do without. */
export function treeTextFloorCases(textNodes = TEXT_NODES): BenchCase[] {
  return [
    {
      id: 'checked/tree/dts',
      prepare() {
        const { text, blob } = makeText(textNodes)
        return () => {
          const { root, values } = readText(text)
          expectSample(writeBlob(root, values), blob)
          return textNodes
        }
      },
    },
  ]
}
