import type { Mark } from './scanner.ts'

/** A reference in a value, to be put in when the whole text is known. */
export interface Fixup {
  /** Byte in the value; a path is put in before it. */
  readonly at: number
  readonly kind: 'phandle' | 'path'
  readonly target: Reference
}

/** `&label`, `&{/path}` or `&{label/path}`. */
export interface Reference {
  readonly label: string
  /** With its first slash; '' for a label alone. */
  readonly path: string
  readonly mark: Mark
}

/** A property of a text. Its value lies at `start` in the bytes of all values. */
export interface SourceProperty {
  readonly name: string
  start: number
  length: number
  fixups: Fixup[] | null
  labels: string[] | null
  deleted: boolean
  /** The braces that it was last written in. */
  body: number
}

const INDEXED_FROM = 8

/** A node of a text, as its braces and those that come later make it. */
export class SourceNode {
  readonly name: string
  readonly parent: SourceNode | null
  readonly properties: SourceProperty[] = []
  readonly children: SourceNode[] = []
  labels: string[] | null = null
  deleted = false
  omitIfNoRef = false
  referenced = false
  /** The braces of the parent that it was last written in. */
  body = 0
  #index: Map<string, SourceNode> | null = null
  #propertyIndex: Map<string, SourceProperty> | null = null

  constructor(name: string, parent: SourceNode | null) {
    this.name = name
    this.parent = parent
  }

  /** The child of that name, also a deleted one: defined again it takes its old place. */
  child(name: string): SourceNode | undefined {
    const { children } = this
    if (children.length < INDEXED_FROM) return children.find((one) => one.name === name)
    this.#index ??= new Map(children.map((one) => [one.name, one]))
    return this.#index.get(name)
  }

  addChild(name: string): SourceNode {
    const made = new SourceNode(name, this)
    this.children.push(made)
    this.#index?.set(name, made)
    return made
  }

  property(name: string): SourceProperty | undefined {
    const { properties } = this
    if (properties.length < INDEXED_FROM) {
      for (const one of properties) if (one.name === name) return one
      return undefined
    }
    this.#propertyIndex ??= new Map(properties.map((one) => [one.name, one]))
    return this.#propertyIndex.get(name)
  }

  addProperty(name: string): SourceProperty {
    const made = { name, start: 0, length: 0, fixups: null, labels: null, deleted: false, body: 0 }
    this.properties.push(made)
    this.#propertyIndex?.set(name, made)
    return made
  }

  /** Takes away the node and all in it; answers the labels that are free again. */
  delete(): string[] {
    const freed: string[] = []
    const pending: SourceNode[] = [this]
    for (let one = pending.pop(); one !== undefined; one = pending.pop()) {
      freed.push(...(one.labels ?? []))
      one.labels = null
      one.deleted = true
      for (const made of one.properties) made.deleted = true
      pending.push(...one.children.filter(({ deleted }) => !deleted))
    }
    return freed
  }

  /** `/soc/pcie@10000000`. */
  path(): string {
    const names: string[] = []
    for (let at: SourceNode = this; at.parent !== null; at = at.parent) names.push(at.name)
    return `/${names.reverse().join('/')}`
  }
}

/** Every node that is not deleted, parents before children, in order. */
export function* liveNodes(root: SourceNode): Generator<SourceNode, void, undefined> {
  const pending = [root]
  for (let one = pending.pop(); one !== undefined; one = pending.pop()) {
    yield one
    for (let index = one.children.length - 1; index >= 0; index--) {
      const child = one.children[index]!
      if (!child.deleted) pending.push(child)
    }
  }
}
