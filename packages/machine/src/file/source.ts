import { DmascopeError } from '@dmascope/layout'
import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml'

type Path = readonly PropertyKey[]

/** Enough for any machine, and little enough that a file of nested aliases stays harmless. */
const MAX_NODES = 10_000
const MAX_DEPTH = 32

/** Characters. What is larger is no machine file, and would take minutes to parse. */
const MAX_LENGTH = 1_000_000

/** Keys whose text matters as written: `02.0` is a slot and a function, not the number 2; `7.2` is no fraction; `0000` is two bytes. */
const TEXT_KEYS = new Set(['addr', 'qemuVersion', 'bytes'])

/** A YAML or JSON file as plain values, each of which knows its place. */
export class SourceFile {
  readonly #name: string
  readonly #lines = new LineCounter()
  readonly #document: Document
  /** The values; objects have no prototype. */
  readonly value: unknown

  /**
   * @param name - of the file, for messages
   * @throws DmascopeError MACHINE_FILE_SYNTAX naming line and column
   */
  constructor(text: string, name: string) {
    this.#name = name
    if (text.length > MAX_LENGTH) {
      throw new DmascopeError('MACHINE_FILE_SYNTAX', `${name}: larger than a machine file may be (1 MB)`, {
        file: name,
      })
    }
    this.#document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false, version: '1.2' })
    const [error] = this.#document.errors
    if (error !== undefined) {
      const words = error.code === 'MULTIPLE_DOCS' ? 'a second document begins; a file has one machine' : error.message
      throw new DmascopeError('MACHINE_FILE_SYNTAX', `${this.#at(error.pos[0])}: ${words}`, {
        file: name,
        yaml: error.code,
      })
    }
    this.value = this.#read(this.#document.contents as Node | null, 0, { left: MAX_NODES }, false)
  }

  #at(offset: number): string {
    const { line, col } = this.#lines.linePos(offset)
    return `${this.#name}:${line}:${col}`
  }

  /** `machine.yaml:12:5`: where the value at this path begins, or the nearest one around it. */
  where(path: Path): string {
    for (let length = path.length; length >= 0; length--) {
      const node = this.#nodeAt(path.slice(0, length))
      const start = node?.range?.[0]
      if (start !== undefined) return this.#at(start)
    }
    return `${this.#name}:1:1`
  }

  /** Where the key of the value at this path stands. */
  whereKey(path: Path): string {
    const parent = this.#nodeAt(path.slice(0, -1))
    const last = path.at(-1)
    if (isMap(parent)) {
      const pair = parent.items.find(({ key }) => isScalar(key) && String(key.value) === String(last))
      const start = isScalar(pair?.key) ? pair.key.range?.[0] : undefined
      if (start !== undefined) return this.#at(start)
    }
    return this.where(path)
  }

  #nodeAt(path: Path): Node | null {
    let node = this.#document.contents as Node | null
    for (const step of path) {
      if (isAlias(node)) node = (node.resolve(this.#document) as Node | undefined) ?? null
      if (isMap(node)) {
        const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step))
        node = (pair?.value as Node | null | undefined) ?? null
      } else if (isSeq(node)) {
        node = (node.items[Number(step)] as Node | undefined) ?? null
      } else {
        return null
      }
    }
    return node
  }

  #read(node: Node | null, depth: number, budget: { left: number }, asText: boolean): unknown {
    if (node === null || node === undefined) return null
    if (depth > MAX_DEPTH || budget.left-- <= 0) {
      throw new DmascopeError(
        'MACHINE_FILE_SYNTAX',
        `${this.#at(node.range?.[0] ?? 0)}: nested too deeply, or too large`,
        {
          file: this.#name,
        },
      )
    }
    if (isAlias(node)) {
      return this.#read((node.resolve(this.#document) as Node | undefined) ?? null, depth + 1, budget, asText)
    }
    if (isSeq(node)) return node.items.map((item) => this.#read(item as Node, depth + 1, budget, false))
    if (isMap(node)) {
      const object: Record<string, unknown> = Object.create(null)
      for (const { key, value } of node.items) {
        if (!isScalar(key) || String(key.value) === '__proto__') {
          throw new DmascopeError(
            'MACHINE_FILE_SYNTAX',
            `${this.#at((key as Node | null)?.range?.[0] ?? 0)}: a key is a plain word`,
            { file: this.#name },
          )
        }
        const name = String(key.value)
        if (name === '<<') {
          throw new DmascopeError(
            'MACHINE_FILE_SYNTAX',
            `${this.#at(key.range?.[0] ?? 0)}: YAML 1.2 has no merge keys; write the keys out, or let an alias stand for the whole mapping`,
            { file: this.#name },
          )
        }
        object[name] = this.#read(value as Node | null, depth + 1, budget, TEXT_KEYS.has(name))
      }
      return object
    }
    if (!isScalar(node)) return null
    if (asText && typeof node.value === 'number' && node.source !== undefined) return node.source
    return typeof node.value === 'bigint' ? node.source : node.value
  }
}
