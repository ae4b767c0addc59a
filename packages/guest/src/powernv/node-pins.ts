import { type DeviceTree, type DtNode, pathOf, resolveInterrupt } from '@dmascope/devicetree'
import type { ConnectedPin, PinInterrupts } from '../interrupts/pin-interrupts.ts'
import { SharedLines } from '../interrupts/shared-lines.ts'
import type { InterruptHandler, Vectors } from '../interrupts/vectors.ts'
import type { PciFunction } from '../pci/pci-function.ts'
import type { PaprInterrupts } from '../pseries/papr-interrupts.ts'

/** Interrupt pins by the functions' own nodes: the map of the bridge above each says where its pin comes out. */
export class NodePins implements PinInterrupts {
  readonly #tree: DeviceTree
  readonly #nodes: ReadonlyMap<PciFunction, DtNode>
  readonly #interrupts: PaprInterrupts
  readonly #lines: SharedLines

  constructor(tree: DeviceTree, nodes: ReadonlyMap<PciFunction, DtNode>, interrupts: PaprInterrupts, vectors: Vectors) {
    this.#tree = tree
    this.#nodes = nodes
    this.#interrupts = interrupts
    this.#lines = new SharedLines(vectors, interrupts)
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
    const joined = this.#lines.join(source, 'level', handler, () => this.#interrupts.enable(source))
    if (joined === 'taken') return `interrupt source ${source} is taken`
    if (joined === 'refused') return `OPAL does not let source ${source} through`
    return { gsi: source, vector: source, by }
  }
}
