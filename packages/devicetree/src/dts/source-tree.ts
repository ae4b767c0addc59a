import type { DtProperty } from '../property.ts'
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

const INDEXED_FROM = 8
/** Of all that have none, so that these cost no memory: a third of the time that a large text takes is the collector's. */
const NO_NODES: SourceNode[] = []
const NO_PROPERTIES: DtProperty[] = []

/** A node of a text, as its braces and those that come later make it. */
export class SourceNode {
  readonly name: string
  readonly parent: SourceNode | null
  properties: DtProperty[] = NO_PROPERTIES
  /** Names of properties that were taken away: defined again they take their old places. */
  gone: Set<string> | null = null
  /** Whether a property has references to be put in. */
  hasFixups = false
  children: SourceNode[] = NO_NODES
  labels: string[] | null = null
  deleted = false
  omitIfNoRef = false
  referenced = false
  /** The braces of the parent that it was last written in. */
  body = 0
  #index: Map<string, SourceNode> | null = null
  #propertyIndex: Map<string, number> | null = null

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
    if (this.children === NO_NODES) this.children = [made]
    else this.children.push(made)
    this.#index?.set(name, made)
    return made
  }

  /** Where a property of that name stands, also one that is gone; -1 where there is none. */
  indexOf(name: string): number {
    const { properties } = this
    if (properties.length < INDEXED_FROM) {
      for (let index = 0; index < properties.length; index++) if (properties[index]!.name === name) return index
      return -1
    }
    this.#propertyIndex ??= new Map(properties.map((one, index) => [one.name, index]))
    return this.#propertyIndex.get(name) ?? -1
  }

  /** A property that is not gone. */
  property(name: string): DtProperty | undefined {
    return this.gone?.has(name) === true ? undefined : this.properties[this.indexOf(name)]
  }

  /** Puts a property at `index`, or behind all where that is -1. */
  put(made: DtProperty, index: number): void {
    if (index !== -1) {
      this.gone?.delete(made.name)
      this.properties[index] = made
      return
    }
    this.#propertyIndex?.set(made.name, this.properties.length)
    if (this.properties === NO_PROPERTIES) this.properties = [made]
    else this.properties.push(made)
  }

  /** Gives back the room that its list of properties has to grow: 12 places of 17, where there are five. */
  trim(): void {
    if (this.properties.length > 0) this.properties = this.properties.slice()
  }

  removeProperty(name: string): void {
    if (this.indexOf(name) === -1) return
    this.gone ??= new Set()
    this.gone.add(name)
  }

  /** Takes away the node and all in it; answers the labels that are free again. */
  delete(): string[] {
    const freed: string[] = []
    const pending: SourceNode[] = [this]
    for (let one = pending.pop(); one !== undefined; one = pending.pop()) {
      freed.push(...(one.labels ?? []))
      one.labels = null
      one.deleted = true
      one.gone = new Set(one.properties.map(({ name }) => name))
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
