import type { DtbBlob } from './dtb/blob.ts'
import { type DtNode, editCount } from './node.ts'
import type { Problem } from './problem.ts'
import type { U64 } from './values.ts'

/** Memory that the kernel must not use (§5.3). */
export interface Reservation {
  readonly address: U64
  readonly size: U64
  /** Of a source text. */
  readonly labels?: readonly string[]
}

/** A devicetree: its root, and what a blob says beside it. */
export class DeviceTree {
  readonly root: DtNode
  reservations: Reservation[]
  /** `boot_cpuid_phys`. */
  bootCpuid: number
  /** The blob that it was read from: its form is kept when the tree is built again. */
  readonly blob: DtbBlob | null
  /** What was wrong with that blob. */
  readonly problems: readonly Problem[]
  #phandles: Map<number, DtNode> = new Map()
  #indexedAt = -1

  constructor(
    root: DtNode,
    rest: {
      reservations?: readonly Reservation[]
      bootCpuid?: number
      blob?: DtbBlob
      problems?: readonly Problem[]
    } = {},
  ) {
    this.root = root
    this.reservations = [...(rest.reservations ?? [])]
    this.bootCpuid = rest.bootCpuid ?? 0
    this.blob = rest.blob ?? null
    this.problems = rest.problems ?? []
  }

  /** Every node, parents before children, in order. */
  *nodes(from: DtNode = this.root): Generator<DtNode, void, undefined> {
    const pending = [from]
    for (let one = pending.pop(); one !== undefined; one = pending.pop()) {
      yield one
      for (let index = one.children.length - 1; index >= 0; index--) pending.push(one.children[index]!)
    }
  }

  /**
   * The node at a path, or at an alias with perhaps a path behind it (`serial0`, `pci0/pcie@1`). A step without a unit
   * address finds the first child of that base name.
   */
  find(path: string): DtNode | undefined {
    const steps = path.split('/')
    let at: DtNode | undefined = this.root
    if (steps[0] !== '') {
      const alias = this.root.child('aliases')?.string(steps[0]!)
      at = alias?.startsWith('/') === true ? this.find(alias) : undefined
    }
    for (let index = 1; index < steps.length && at !== undefined; index++) {
      const step = steps[index]!
      if (step !== '') at = at.child(step)
    }
    return at
  }

  /** The node with that `phandle` (or `linux,phandle`); the first, where several have it. */
  byPhandle(phandle: number): DtNode | undefined {
    // Indexed again when any node has changed since, so that an index is never stale.
    if (this.#indexedAt !== editCount()) {
      this.#phandles = indexPhandles(this)
      this.#indexedAt = editCount()
    }
    return this.#phandles.get(phandle)
  }
}

function indexPhandles(tree: DeviceTree): Map<number, DtNode> {
  const index = new Map<number, DtNode>()
  for (const one of tree.nodes()) {
    const phandle = phandleOf(one)
    if (phandle !== undefined && !index.has(phandle)) index.set(phandle, one)
  }
  return index
}

/** `/soc/pcie@10000000`. */
export function pathOf(node: DtNode): string {
  const names: string[] = []
  for (let at = node; at.parent !== null; at = at.parent) names.push(at.name)
  return `/${names.reverse().join('/')}`
}

/** A node's own phandle. 0 and 0xffffffff are none. */
export function phandleOf(node: DtNode): number | undefined {
  const phandle = node.cell('phandle') ?? node.cell('linux,phandle')
  return phandle === 0 || phandle === 0xffff_ffff ? undefined : phandle
}
