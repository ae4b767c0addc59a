import { DeviceTree, type Reservation } from '../device-tree.ts'
import type { GrowingBytes } from '../dtb/growing-bytes.ts'
import { DtNode } from '../node.ts'
import { dtsError } from '../problem.ts'
import { DtProperty, NO_LABELS } from '../property.ts'
import { positionOf } from './scanner.ts'
import { type Fixup, liveNodes, type Reference, type SourceNode, type SourceProperty } from './source-tree.ts'

/** What was read of a text. */
export interface ParsedText {
  readonly root: SourceNode
  readonly labels: ReadonlyMap<string, SourceNode>
  /** The values of all properties, one behind another. */
  readonly values: GrowingBytes
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
  const phandles = new Phandles(parsed)
  const rebuilt = new Map<SourceProperty, Uint8Array>()
  let pathBytes = 0
  // First the phandles of the whole tree, in its order, then the paths: dtc numbers phandles so.
  for (const owner of liveNodes(parsed.root)) {
    for (const made of owner.properties) {
      if (made.deleted || made.fixups === null) continue
      for (const fixup of made.fixups) {
        const target = targetOf(parsed, fixup.target)
        target.referenced = true
        if (fixup.kind === 'phandle') {
          parsed.values.view.setUint32(made.start + fixup.at, phandles.of(target, fixup.target))
        }
      }
    }
  }
  for (const owner of liveNodes(parsed.root)) {
    for (const made of owner.properties) {
      const paths = made.deleted ? undefined : made.fixups?.filter(({ kind }) => kind === 'path')
      if (paths === undefined || paths.length === 0) continue
      const bytes = withPaths(parsed, made, paths)
      pathBytes += bytes.length
      if (pathBytes > MAX_PATH_BYTES) {
        throw dtsError('DTS_RANGE', positionOf(paths[0]!.target.mark), 'the paths of references take more than 64 MiB')
      }
      rebuilt.set(made, bytes)
    }
  }
  const root = convert(parsed.root, parsed.values.written(), rebuilt)
  return new DeviceTree(root, { reservations: parsed.reservations, bootCpuid: parsed.bootCpuid })
}

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

  constructor({ root, values }: ParsedText) {
    this.#values = values
    for (const one of liveNodes(root)) {
      for (const name of ['phandle', 'linux,phandle']) {
        const made = one.property(name)
        if (made === undefined || made.deleted || made.length !== 4 || made.fixups !== null) continue
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
    const written = target.property('phandle')
    if (written !== undefined && !written.deleted) {
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
    const made = written ?? target.addProperty('phandle')
    made.deleted = false
    made.fixups = null
    made.start = this.#values.length
    made.length = 4
    this.#values.u32(phandle)
    return phandle
  }
}

/** A value with the paths of its references put in, each with its NUL. */
function withPaths(parsed: ParsedText, made: SourceProperty, paths: readonly Fixup[]): Uint8Array {
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

function convert(root: SourceNode, values: Uint8Array, rebuilt: ReadonlyMap<SourceProperty, Uint8Array>): DtNode {
  const made = (from: SourceNode): DtNode => {
    const properties: DtProperty[] = []
    for (const one of from.properties) {
      if (one.deleted) continue
      const labels = one.labels ?? NO_LABELS
      const bytes = rebuilt.size === 0 ? undefined : rebuilt.get(one)
      properties.push(
        bytes === undefined
          ? new DtProperty(one.name, values, one.start, one.length, -1, labels)
          : new DtProperty(one.name, bytes, 0, bytes.length, -1, labels),
      )
    }
    const node = new DtNode(from.name, properties)
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
