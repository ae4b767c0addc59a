import { type DeviceTree, type DtNode, pathOf, resolveInterrupt } from '@dmascope/devicetree'
import type { ConnectedPin, PinInterrupts } from '../interrupts/pin-interrupts.ts'
import type { InterruptHandler, Vector, Vectors } from '../interrupts/vectors.ts'
import type { PciFunction } from '../pci/pci-function.ts'
import type { PaprInterrupts } from '../pseries/papr-interrupts.ts'

/** Interrupt pins by the functions' own nodes: the map of the bridge above each says where its pin comes out. */
export class NodePins implements PinInterrupts {
  readonly #tree: DeviceTree
  readonly #nodes: ReadonlyMap<PciFunction, DtNode>
  readonly #interrupts: PaprInterrupts
  readonly #vectors: Vectors
  readonly #lines = new Map<number, Vector>()

  constructor(tree: DeviceTree, nodes: ReadonlyMap<PciFunction, DtNode>, interrupts: PaprInterrupts, vectors: Vectors) {
    this.#tree = tree
    this.#nodes = nodes
    this.#interrupts = interrupts
    this.#vectors = vectors
  }

  connect(fn: PciFunction, handler: InterruptHandler): ConnectedPin | string {
    const node = this.#nodes.get(fn)
    const above = fn.parent === null ? undefined : this.#nodes.get(fn.parent)
    const pin = node?.cell('interrupts')
    if (node === undefined || above === undefined || pin === undefined) return 'the function’s node has no interrupt'
    const resolved = resolveInterrupt(this.#tree, above, node.cells('reg').slice(0, 3), [pin])
    if (!resolved.ok) return resolved.reason
    const source = resolved.specifier[0]
    if (source === undefined) return `${pathOf(resolved.controller)} takes no cells`
    const by = `interrupt-map of ${pathOf(above)}: INT${'ABCD'[pin - 1] ?? '?'} of ${fn.id} is source ${source}`
    const shared = this.#lines.get(source)
    if (shared !== undefined) {
      shared.handlers.push(handler)
      return { gsi: source, vector: source, by }
    }
    const vector = this.#vectors.claim(source, 'level', () => this.#interrupts.disable(source))
    if (vector === null) return `interrupt source ${source} is taken`
    vector.handlers.push(handler)
    this.#lines.set(source, vector)
    if (!this.#interrupts.enable(source)) return `OPAL does not let source ${source} through`
    return { gsi: source, vector: source, by }
  }
}
