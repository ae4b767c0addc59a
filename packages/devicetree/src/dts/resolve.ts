import { DeviceTree, type Reservation } from '../device-tree.ts'
import type { GrowingBytes } from '../dtb/growing-bytes.ts'
import { DtNode } from '../node.ts'
import { dtsError } from '../problem.ts'
import { DtProperty } from '../property.ts'
import { positionOf } from './scanner.ts'
import { type Fixup, liveNodes, type Reference, type SourceNode } from './source-tree.ts'

/** What was read of a text. */
export interface ParsedText {
  readonly root: SourceNode
  readonly labels: ReadonlyMap<string, SourceNode>
  /** The values of all properties, one behind another. */
  readonly values: GrowingBytes
  readonly fixups: ReadonlyMap<DtProperty, readonly Fixup[]>
  readonly reservations: readonly Reservation[]
  readonly bootCpuid: number
}

/** Long names and many references to them must not make a small text a large tree. */
const MAX_PATH_BYTES = 1 << 26

/**
 * Puts references in, takes out what nothing refers to and should, and makes the tree.
 *
 * @throws DmascopeError `DTS_REFERENCE`, `DTS_PHANDLE`
 */
export function resolveTree(parsed: ParsedText): DeviceTree {
  const { values } = parsed
  const owners: SourceNode[] = []
  if (parsed.fixups.size > 0) for (const one of liveNodes(parsed.root)) if (one.hasFixups) owners.push(one)
  // First the phandles of the whole tree, in its order, then the paths: dtc numbers phandles so.
  const phandles = parsed.fixups.size > 0 ? new Phandles(parsed) : null
  for (const owner of owners) {
    for (const made of owner.properties) {
      for (const fixup of fixupsOf(parsed, owner, made)) {
        const target = targetOf(parsed, fixup.target)
        target.referenced = true
        if (fixup.kind === 'phandle') {
          values.view.setUint32(made.start + fixup.at, phandles!.of(target, fixup.target))
        }
      }
    }
  }
  const rebuilt = new Map<DtProperty, Uint8Array>()
  let pathBytes = 0
  for (const owner of owners) {
    for (const made of owner.properties) {
      const paths = fixupsOf(parsed, owner, made).filter(({ kind }) => kind === 'path')
      if (paths.length === 0) continue
      const bytes = withPaths(parsed, made, paths)
      pathBytes += bytes.length
      if (pathBytes > MAX_PATH_BYTES) {
        throw dtsError('DTS_RANGE', positionOf(paths[0]!.target.mark), 'the paths of references take more than 64 MiB')
      }
      rebuilt.set(made, bytes)
    }
  }
  const root = convert(parsed.root, values.written(), rebuilt)
  return new DeviceTree(root, { reservations: parsed.reservations, bootCpuid: parsed.bootCpuid })
}

const NO_FIXUPS: readonly Fixup[] = []
const fixupsOf = ({ fixups }: ParsedText, owner: SourceNode, made: DtProperty): readonly Fixup[] =>
  owner.gone?.has(made.name) === true ? NO_FIXUPS : (fixups.get(made) ?? NO_FIXUPS)

function targetOf({ root, labels }: ParsedText, reference: Reference): SourceNode {
  let found = reference.label === '' ? root : labels.get(reference.label)
  for (const step of reference.path.split('/')) {
    if (step !== '') found = found?.child(step)
    if (found?.deleted === true) found = undefined
  }
  if (found === undefined) {
    const name = `&${reference.path === '' ? reference.label : `{${reference.label}${reference.path}}`}`
    throw dtsError(
      'DTS_REFERENCE',
      positionOf(reference.mark),
      `${name} means no node; write a label that stands before one`,
    )
  }
  return found
}

/** Knows the phandles that are taken, and gives free ones from 1. */
class Phandles {
  readonly #values: GrowingBytes
  readonly #taken = new Map<number, SourceNode>()
  readonly #known = new Map<SourceNode, number>()
  #next = 1

  constructor({ root, values, fixups }: ParsedText) {
    this.#values = values
    for (const one of liveNodes(root)) {
      for (const name of ['phandle', 'linux,phandle']) {
        const made = one.property(name)
        if (made === undefined || made.length !== 4 || fixups.has(made)) continue
        const phandle = values.view.getUint32(made.start)
        if (!this.#taken.has(phandle)) this.#taken.set(phandle, one)
        if (!this.#known.has(one)) this.#known.set(one, phandle)
      }
    }
  }

  of(target: SourceNode, reference: Reference): number {
    const known = this.#known.get(target)
    if (known !== undefined) {
      const first = this.#taken.get(known)!
      if (first === target) return known
      const message = `${first.path()} has the phandle 0x${known.toString(16)} of ${target.path()} too`
      throw dtsError('DTS_PHANDLE', positionOf(reference.mark), message)
    }
    if (target.property('phandle') !== undefined) {
      throw dtsError(
        'DTS_PHANDLE',
        positionOf(reference.mark),
        `the phandle of ${target.path()} is not one cell with a number`,
      )
    }
    while (this.#taken.has(this.#next)) this.#next++
    const phandle = this.#next
    this.#taken.set(phandle, target)
    this.#known.set(target, phandle)
    const values = this.#values
    values.u32(phandle)
    target.put(new DtProperty('phandle', values.bytes, values.length - 4, 4), target.indexOf('phandle'))
    return phandle
  }
}

/** A value with the paths of its references put in, each with its NUL. */
function withPaths(parsed: ParsedText, made: DtProperty, paths: readonly Fixup[]): Uint8Array {
  const texts = paths.map(({ target }) => targetOf(parsed, target).path())
  const total = texts.reduce((sum, { length }) => sum + length + 1, made.length)
  const bytes = new Uint8Array(total)
  const value = parsed.values.bytes.subarray(made.start, made.start + made.length)
  let from = 0
  let to = 0
  paths.forEach(({ at }, index) => {
    bytes.set(value.subarray(from, at), to)
    to += at - from
    from = at
    const text = texts[index]!
    for (let character = 0; character < text.length; character++) bytes[to++] = text.charCodeAt(character)
    to++
  })
  bytes.set(value.subarray(from), to)
  return bytes
}

/** The same property, while nobody else has it: its value's memory may have moved as the values grew. */
interface Movable {
  data: Uint8Array
}

function convert(root: SourceNode, values: Uint8Array, rebuilt: ReadonlyMap<DtProperty, Uint8Array>): DtNode {
  const settled = (one: DtProperty): DtProperty => {
    const bytes = rebuilt.size === 0 ? undefined : rebuilt.get(one)
    if (bytes !== undefined) return new DtProperty(one.name, bytes, 0, bytes.length, -1, one.labels)
    ;(one as Movable).data = values
    return one
  }
  const made = (from: SourceNode): DtNode => {
    const { gone, properties } = from
    for (let index = 0; index < properties.length; index++) properties[index] = settled(properties[index]!)
    const live = gone === null || gone.size === 0 ? properties : properties.filter(({ name }) => !gone.has(name))
    // A node's list is its own; source nodes without properties share one.
    const node = DtNode.made(from.name, live.length === 0 ? [] : live)
    if (from.labels !== null) node.labels = from.labels
    return node
  }
  const top = made(root)
  const pending: [SourceNode, DtNode][] = [[root, top]]
  for (let pair = pending.pop(); pair !== undefined; pair = pending.pop()) {
    for (const child of pair[0].children) {
      if (child.deleted || (child.omitIfNoRef && !child.referenced)) continue
      const node = made(child)
      pair[1].append(node)
      if (child.children.length > 0) pending.push([child, node])
    }
  }
  return top
}
