import { checkName, type DtProperty, NO_LABELS, type PropertyInput, property } from './property.ts'

const NO_CHILDREN: readonly DtNode[] = Object.freeze([])
const NO_PROPERTIES: readonly DtProperty[] = Object.freeze([])

/** Changes to any node so far: an index that is as old is not stale. */
let edits = 0
export const editCount = (): number => edits

/** Where a node that was read keeps its name and properties until someone asks for them. */
export interface NodeSource {
  /** The name of the node whose FDT_BEGIN_NODE stands at `at`. */
  name(at: number): string
  /** Its properties, in order. */
  properties(at: number): DtProperty[]
  /** One of them. */
  property(at: number, name: string): DtProperty | undefined
}

/**
 * A node of a devicetree. What was read from a blob is decoded when it is asked for, and stays where it lies.
 *
 * A node belongs to at most one parent: `append` moves it.
 */
export class DtNode {
  /** Of a source text. */
  labels: readonly string[] = NO_LABELS
  #parent: DtNode | null = null
  #name: string | null
  #source: NodeSource | null
  #at: number
  #properties: DtProperty[] | null
  #children: DtNode[] | null = null

  /** @throws RangeError where the name has a character that is no byte */
  constructor(
    name: string,
    properties: readonly DtProperty[] = NO_PROPERTIES,
    children: readonly DtNode[] = NO_CHILDREN,
  ) {
    if (name !== '') checkName(name, 'node')
    this.#name = name
    this.#source = null
    this.#at = -1
    this.#properties = properties === NO_PROPERTIES ? null : [...properties]
    for (const child of children) this.append(child)
  }

  /** A node whose FDT_BEGIN_NODE stands at `at` of a source. For readers. */
  static read(source: NodeSource, at: number): DtNode {
    const node = new DtNode('')
    node.#name = null
    node.#source = source
    node.#at = at
    return node
  }

  /** A node whose name is known to be of bytes, and whose properties nobody else keeps. For readers. */
  static made(name: string, properties: DtProperty[]): DtNode {
    const node = new DtNode('')
    node.#name = name
    node.#properties = properties
    return node
  }

  get parent(): DtNode | null {
    return this.#parent
  }

  /** With the unit address, e.g. `pcie@10000000`; one character a byte. */
  get name(): string {
    this.#name ??= this.#source!.name(this.#at)
    return this.#name
  }

  set name(name: string) {
    checkName(name, 'node')
    edits++
    this.#properties = this.properties as DtProperty[]
    this.#source = null
    this.#at = -1
    this.#name = name
  }

  get properties(): readonly DtProperty[] {
    this.#properties ??= this.#source === null ? [] : this.#source.properties(this.#at)
    return this.#properties
  }

  get children(): readonly DtNode[] {
    return this.#children ?? NO_CHILDREN
  }

  /** The first property of that name. */
  property(name: string): DtProperty | undefined {
    if (this.#properties === null) return this.#source?.property(this.#at, name)
    for (const one of this.#properties) if (one.name === name) return one
    return undefined
  }

  has(name: string): boolean {
    return this.property(name) !== undefined
  }

  /** The cells of a property; none where there is no such property. */
  cells(name: string): number[] {
    return this.property(name)?.cells() ?? []
  }

  /** The first cell of a property. */
  cell(name: string): number | undefined {
    return this.property(name)?.cell(0)
  }

  /** The texts of a property; none where there is no such property. */
  strings(name: string): string[] {
    return this.property(name)?.strings() ?? []
  }

  /** The first text of a property. */
  string(name: string): string | undefined {
    return this.property(name)?.string()
  }

  /** Puts a property in the place of the first of its name, or behind all. */
  set(name: string, value: PropertyInput): DtProperty {
    const made = property(name, value)
    this.put(made)
    return made
  }

  /** `set` with a property that is made already. */
  put(made: DtProperty): void {
    edits++
    const all = this.properties as DtProperty[]
    const index = all.findIndex((one) => one.name === made.name)
    if (index === -1) all.push(made)
    else all[index] = made
  }

  /** Takes every property of that name away; answers whether there was one. */
  remove(name: string): boolean {
    edits++
    const all = this.properties
    const rest = all.filter((one) => one.name !== name)
    this.#properties = rest
    return rest.length < all.length
  }

  /** The first child of that full name; or, where `name` has no unit address and none is so named, of that base name. */
  child(name: string): DtNode | undefined {
    const children = this.children
    for (const one of children) if (one.name === name) return one
    if (name.includes('@')) return undefined
    const base = `${name}@`
    for (const one of children) if (one.name.startsWith(base)) return one
    return undefined
  }

  /** Makes a node the last child, taking it from its parent. @throws RangeError where it is this node or above it */
  append(child: DtNode): void {
    // A node without children is above nothing: no need to climb.
    if (child.#children !== null || child === this) {
      for (let above: DtNode | null = this; above !== null; above = above.#parent) {
        if (above === child) throw new RangeError(`${child.name || '/'} cannot become a child of its own subtree`)
      }
    }
    if (child.#parent !== null) child.detach()
    edits++
    child.#parent = this
    if (this.#children === null) this.#children = [child]
    else this.#children.push(child)
  }

  /** Takes the node from its parent. */
  detach(): void {
    edits++
    const siblings = this.#parent === null ? null : this.#parent.#children
    if (siblings !== null) siblings.splice(siblings.indexOf(this), 1)
    this.#parent = null
  }

  /** Where its tokens stand in the source that it was read from; -1 where it was made otherwise. For writers. */
  get sourceOffset(): number {
    return this.#at
  }

  get source(): NodeSource | null {
    return this.#source
  }

  /** Whether nobody has asked for the properties or the name yet, so that the source still has the whole of them. */
  get isUnread(): boolean {
    return this.#properties === null && this.#source !== null
  }
}

/** A node of plain data: `node('rng@1000', { compatible: 'x,rng', reg: [0x1000, 0x10], 'dma-coherent': true })`. */
export const node = (
  name: string,
  properties: Readonly<Record<string, PropertyInput>> = {},
  children: readonly DtNode[] = [],
): DtNode =>
  new DtNode(
    name,
    Object.entries(properties).map(([key, value]) => property(key, value)),
    children,
  )

/**
 * Whether two subtrees have the same names and values in the same order.
 *
 * @returns null, or the first difference in words
 */
export function firstDifference(a: DtNode, b: DtNode): string | null {
  const pending: [DtNode, DtNode][] = [[a, b]]
  for (let pair = pending.pop(); pair !== undefined; pair = pending.pop()) {
    const [left, right] = pair
    if (left.name !== right.name)
      return `a node is named ${left.name || '/'} in one and ${right.name || '/'} in the other`
    const count = Math.max(left.properties.length, right.properties.length)
    for (let index = 0; index < count; index++) {
      const one = left.properties[index]
      const other = right.properties[index]
      if (one === undefined || other === undefined) {
        return `${left.name || '/'}: property ${(one ?? other)!.name} is missing in one`
      }
      if (!one.equals(other)) return `${left.name || '/'}: property ${one.name} differs from ${other.name}`
    }
    if (left.children.length !== right.children.length) {
      return `${left.name || '/'} has ${left.children.length} children in one and ${right.children.length} in the other`
    }
    for (let index = 0; index < left.children.length; index++) {
      pending.push([left.children[index]!, right.children[index]!])
    }
  }
  return null
}
