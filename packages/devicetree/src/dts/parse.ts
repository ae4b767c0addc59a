import type { DeviceTree, Reservation } from '../device-tree.ts'
import { GrowingBytes } from '../dtb/growing-bytes.ts'
import { DtProperty } from '../property.ts'
import { u64FromPair } from '../values.ts'
import { type NumberWords, readNumber } from './literal.ts'
import { resolveTree } from './resolve.ts'
import { type IncludeText, Scanner } from './scanner.ts'
import { type Fixup, SourceNode } from './source-tree.ts'
import { readReference, ValueReader } from './value-reader.ts'

/** What a parser may be told of a text. */
export interface ParseDtsOptions {
  /** A file or another name for people, for messages. Default `DTS`. */
  readonly source?: string
  /** Reads what `/include/` names; without it, there is nothing to include. */
  readonly include?: IncludeText
  /** Reads what `/incbin/` names. */
  readonly incbin?: (name: string, from: string) => Uint8Array | null
  readonly bootCpuid?: number
}

/** Linux reads 64 levels of nodes; a text with more than this is no devicetree. */
const MAX_DEPTH = 256
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const AMPERSAND = 0x26
const SLASH = 0x2f

/**
 * Reads a devicetree source text, version 1, as `dtc` does; the C preprocessor has run before, where it is wanted at
 * all. Nodes that are referenced get a phandle where they have none.
 *
 * @throws DmascopeError `DTS_*` with source, line and column
 */
export function parseDts(text: string, options: ParseDtsOptions = {}): DeviceTree {
  const scanner = new Scanner(text, options.source ?? 'DTS', options.include)
  const parser = new Parser(scanner, new GrowingBytes(Math.min(text.length, 1 << 20)), options)
  return parser.parse()
}

/** Braces that are open. */
interface Braces {
  readonly node: SourceNode
  readonly serial: number
  hasNodes: boolean
  /** Properties from here on were written in these braces. */
  readonly firstNew: number
  /** Those before that were. */
  overridden: Set<string> | null
}

class Parser {
  readonly #scanner: Scanner
  readonly #values: GrowingBytes
  readonly #reader: ValueReader
  readonly #bootCpuid: number
  readonly #root = new SourceNode('', null)
  readonly #labels = new Map<string, SourceNode>()
  readonly #fixups = new Map<DtProperty, Fixup[]>()
  readonly #reservations: Reservation[] = []
  readonly #number: NumberWords = { lo: 0, hi: 0 }
  /** Counts braces, so that a second node of one name in the same ones is told from one that comes later. */
  #bodies = 0

  constructor(scanner: Scanner, values: GrowingBytes, options: ParseDtsOptions) {
    this.#scanner = scanner
    this.#values = values
    this.#reader = new ValueReader(scanner, values, options.incbin)
    this.#bootCpuid = options.bootCpuid ?? 0
  }

  parse(): DeviceTree {
    this.#header()
    while (!Number.isNaN(this.#scanner.peek())) this.#statement()
    return resolveTree({
      root: this.#root,
      labels: this.#labels,
      values: this.#values,
      fixups: this.#fixups,
      reservations: this.#reservations,
      bootCpuid: this.#bootCpuid,
    })
  }

  #header(): void {
    const scanner = this.#scanner
    if (!scanner.acceptDirective('dts-v1')) {
      throw scanner.error('DTS_VERSION', "a devicetree source starts with '/dts-v1/;'")
    }
    scanner.expect(';')
    while (scanner.acceptDirective('dts-v1')) scanner.expect(';')
    if (scanner.acceptDirective('plugin')) {
      throw scanner.error('DTS_VERSION', 'overlays (/plugin/) are not read; give the whole tree')
    }
  }

  /** What stands outside of all braces. */
  #statement(): void {
    const scanner = this.#scanner
    const labels = this.#readLabels()
    if (scanner.acceptDirective('memreserve')) {
      const address = this.#word()
      const size = this.#word()
      scanner.expect(';')
      this.#reservations.push({ address, size, ...(labels !== null && { labels }) })
      return
    }
    if (labels === null && scanner.acceptDirective('delete-node')) {
      this.#delete(this.#referenced())
      scanner.expect(';')
      return
    }
    if (labels === null && scanner.acceptDirective('omit-if-no-ref')) {
      this.#referenced().omitIfNoRef = true
      scanner.expect(';')
      return
    }
    let target = this.#root
    const code = scanner.peek()
    if (code === AMPERSAND) target = this.#referenced()
    else if (code === SLASH) scanner.at++
    else throw scanner.unexpected("'/', a reference, /memreserve/ or /delete-node/")
    this.#label(target, labels)
    this.#body(target)
  }

  #word() {
    const scanner = this.#scanner
    if (!(scanner.peek() >= 0x30 && scanner.peek() <= 0x39)) throw scanner.unexpected('a number')
    readNumber(scanner, this.#number)
    return u64FromPair(this.#number.hi, this.#number.lo)
  }

  #readLabels(): string[] | null {
    let labels: string[] | null = null
    for (let label = this.#scanner.acceptLabel(); label !== ''; label = this.#scanner.acceptLabel()) {
      if (labels === null) labels = [label]
      else labels.push(label)
    }
    return labels
  }

  #label(target: SourceNode, labels: string[] | null): void {
    if (labels === null) return
    for (const label of labels) {
      const other = this.#labels.get(label)
      if (other === target) continue
      if (other !== undefined) {
        throw this.#scanner.error('DTS_LABEL', `label ${label} stands at ${other.path()} already`)
      }
      this.#labels.set(label, target)
      if (target.labels === null) target.labels = [label]
      else target.labels.push(label)
    }
  }

  /** The node that a reference outside of all braces means: it must stand before. */
  #referenced(): SourceNode {
    const scanner = this.#scanner
    if (scanner.peek() !== AMPERSAND) throw scanner.unexpected('a reference')
    const reference = readReference(scanner)
    let found = reference.label === '' ? this.#root : this.#labels.get(reference.label)
    for (const step of reference.path.split('/')) {
      if (step !== '') found = found?.child(step)
      if (found?.deleted === true) found = undefined
    }
    if (found === undefined) {
      throw scanner.error(
        'DTS_REFERENCE',
        `no node stands before this that &${reference.label || reference.path} means`,
        reference.mark,
      )
    }
    return found
  }

  #delete(target: SourceNode): void {
    if (target === this.#root) throw this.#scanner.error('DTS_SYNTAX', 'the root cannot be deleted')
    for (const label of target.delete()) this.#labels.delete(label)
  }

  /** `{ properties nodes };`, and those of all nodes within. */
  #body(outermost: SourceNode): void {
    const scanner = this.#scanner
    const open: Braces[] = []
    const enter = (node: SourceNode): void => {
      if (open.length >= MAX_DEPTH) throw scanner.error('DTS_DEPTH', `more than ${MAX_DEPTH} nodes within one another`)
      scanner.expect('{')
      const firstNew = node.properties.length
      open.push({ node, serial: ++this.#bodies, hasNodes: false, firstNew, overridden: null })
    }
    enter(outermost)
    while (open.length > 0) {
      const top = open[open.length - 1]!
      const code = scanner.peek()
      if (code === CLOSE_BRACE) {
        scanner.at++
        scanner.expect(';')
        top.node.trim()
        open.pop()
        continue
      }
      if (code === SLASH && this.#deletion(top.node)) continue
      const omit = code === SLASH && scanner.acceptDirective('omit-if-no-ref')
      const labels = this.#readLabels()
      const name = scanner.name("a property, a node or '}'")
      if (scanner.peek() === OPEN_BRACE) {
        top.hasNodes = true
        enter(this.#child(top.node, name, labels, omit, top.serial))
        continue
      }
      if (omit) throw scanner.unexpected("'{': /omit-if-no-ref/ stands before a node")
      if (top.hasNodes)
        throw scanner.error('DTS_SYNTAX', `property ${name} stands behind a node; move it before`, scanner.nameMark())
      this.#property(top, name, labels)
    }
  }

  /** `/delete-node/ name;` or `/delete-property/ name;` */
  #deletion(within: SourceNode): boolean {
    const scanner = this.#scanner
    if (scanner.acceptDirective('delete-node')) {
      const child = scanner.peek() === AMPERSAND ? this.#referenced() : within.child(scanner.name('the name of a node'))
      if (child !== undefined) this.#delete(child)
    } else if (scanner.acceptDirective('delete-property')) {
      within.removeProperty(scanner.name('the name of a property'))
    } else return false
    scanner.expect(';')
    return true
  }

  #child(parent: SourceNode, name: string, labels: string[] | null, omit: boolean, serial: number): SourceNode {
    const known = parent.child(name)
    if (known !== undefined && !known.deleted && known.body === serial) {
      throw this.#scanner.error(
        'DTS_DUPLICATE',
        `a second node ${name} within the same braces`,
        this.#scanner.nameMark(),
      )
    }
    const child = known ?? parent.addChild(name)
    child.deleted = false
    child.body = serial
    if (omit) child.omitIfNoRef = true
    this.#label(child, labels)
    return child
  }

  #property(braces: Braces, name: string, labels: string[] | null): void {
    const scanner = this.#scanner
    const owner = braces.node
    const index = owner.indexOf(name)
    if (index !== -1) {
      const isSecond = index >= braces.firstNew || braces.overridden?.has(name) === true
      if (isSecond && owner.gone?.has(name) !== true) {
        throw scanner.error(
          'DTS_DUPLICATE',
          `a second property ${name} within the same braces`,
          this.#scanner.nameMark(),
        )
      }
      braces.overridden ??= new Set()
      braces.overridden.add(name)
    }
    const values = this.#values
    const start = values.length
    const fixups = scanner.accept(0x3d) ? this.#reader.read() : null
    scanner.expect(';')
    const made = new DtProperty(name, values.bytes, start, values.length - start, -1, labels ?? undefined)
    owner.put(made, index)
    if (fixups !== null) {
      owner.hasFixups = true
      this.#fixups.set(made, fixups)
    }
  }
}
