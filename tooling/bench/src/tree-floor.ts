import type { BenchCase } from './runner.ts'
import { expectSample, makeBlob, NODES } from './tree-workload.ts'

/** A node as anyone would write it down: no checks, a view per value. */
interface PlainNode {
  readonly name: string
  readonly properties: { readonly name: string; readonly value: Uint8Array }[]
  readonly children: PlainNode[]
}

/** Reads a blob that is known to be good. */
function readPlain(blob: Uint8Array): PlainNode {
  const view = new DataView(blob.buffer)
  const strings = view.getUint32(12)
  const text = (start: number): string => {
    let end = start
    while (blob[end] !== 0) end++
    return String.fromCharCode(...blob.subarray(start, end))
  }
  const names = new Map<number, string>()
  const top: PlainNode = { name: '', properties: [], children: [] }
  const open: PlainNode[] = [top]
  for (let at = view.getUint32(8); ; ) {
    const token = view.getUint32(at)
    const current = open[open.length - 1]!
    if (token === 1) {
      const made: PlainNode = { name: text(at + 4), properties: [], children: [] }
      current.children.push(made)
      open.push(made)
      at += 4 + ((made.name.length + 4) & ~3)
    } else if (token === 3) {
      const length = view.getUint32(at + 4)
      const offset = view.getUint32(at + 8)
      let name = names.get(offset)
      if (name === undefined) {
        name = text(strings + offset)
        names.set(offset, name)
      }
      current.properties.push({ name, value: blob.subarray(at + 12, at + 12 + length) })
      at += 12 + ((length + 3) & ~3)
    } else if (token === 2) {
      open.pop()
      at += 4
    } else return top.children[0]!
  }
}

/** Writes it into memory that is known to be large enough; strings in the order of their first use. */
function writePlain(root: PlainNode, size: number): Uint8Array {
  const out = new Uint8Array(size)
  const view = new DataView(out.buffer)
  const offsets = new Map<string, number>()
  let stringsSize = 0
  let at = 56
  const name = (text: string): void => {
    for (let index = 0; index < text.length; index++) out[at + index] = text.charCodeAt(index)
    at += (text.length + 4) & ~3
  }
  const write = (one: PlainNode): void => {
    view.setUint32(at, 1)
    at += 4
    name(one.name)
    for (const made of one.properties) {
      let offset = offsets.get(made.name)
      if (offset === undefined) {
        offset = stringsSize
        offsets.set(made.name, offset)
        stringsSize += made.name.length + 1
      }
      view.setUint32(at, 3)
      view.setUint32(at + 4, made.value.length)
      view.setUint32(at + 8, offset)
      out.set(made.value, at + 12)
      at += 12 + ((made.value.length + 3) & ~3)
    }
    for (const child of one.children) write(child)
    view.setUint32(at, 2)
    at += 4
  }
  write(root)
  view.setUint32(at, 9)
  at += 4
  const strings = at
  for (const [text, offset] of offsets) {
    at = strings + offset
    for (let index = 0; index < text.length; index++) out[at + index] = text.charCodeAt(index)
  }
  const header = [0xd00dfeed, strings + stringsSize, 56, strings, 40, 17, 16, 0, stringsSize, strings - 56]
  for (let index = 0; index < header.length; index++) view.setUint32(index * 4, header[index]!)
  return out.subarray(0, strings + stringsSize)
}

/** The same work with plain objects and no checks at all. */
export function treeFloorCases(nodes = NODES): BenchCase[] {
  return [
    {
      id: 'floor/tree/visit',
      prepare() {
        const blob = makeBlob(nodes)
        return () => {
          if (readPlain(blob).children.length !== nodes / 1000) throw new Error('buses are missing')
          return nodes
        }
      },
    },
    {
      id: 'floor/tree/rebuild',
      prepare() {
        const blob = makeBlob(nodes)
        return () => {
          expectSample(writePlain(readPlain(blob), blob.length), blob)
          return nodes
        }
      },
    },
  ]
}
