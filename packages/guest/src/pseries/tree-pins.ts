import { type DeviceTree, pathOf, resolveInterrupt } from '@dmascope/devicetree'
import { type ConnectedPin, type PinInterrupts, rootPinOf } from '../interrupts/pin-interrupts.ts'
import { SharedLines } from '../interrupts/shared-lines.ts'
import type { InterruptHandler, Vectors } from '../interrupts/vectors.ts'
import type { PciFunction } from '../pci/pci-function.ts'
import type { HostBridge } from './host-bridges.ts'
import type { PaprInterrupts } from './papr-interrupts.ts'

/** Interrupt pins, by the host bridge's `interrupt-map`. */
export class TreePins implements PinInterrupts {
  readonly #tree: DeviceTree
  readonly #bridges: readonly HostBridge[]
  readonly #interrupts: PaprInterrupts
  readonly #lines: SharedLines

  constructor(tree: DeviceTree, bridges: readonly HostBridge[], interrupts: PaprInterrupts, vectors: Vectors) {
    this.#tree = tree
    this.#bridges = bridges
    this.#interrupts = interrupts
    this.#lines = new SharedLines(vectors, interrupts)
  }

  connect(fn: PciFunction, handler: InterruptHandler): ConnectedPin | string {
    if (fn.interruptPin === 0) return 'the function has no interrupt pin'
    const bridge = this.#bridges.find(({ segment }) => segment === fn.segment)
    if (bridge === undefined) return 'no host bridge has the function'
    const { at, pin } = rootPinOf(fn)
    const address = (at.bus << 16) | (at.device << 11) | (at.function << 8)
    const resolved = resolveInterrupt(this.#tree, bridge.node, [address, 0, 0], [pin])
    if (!resolved.ok) return resolved.reason
    const source = resolved.specifier[0]
    if (source === undefined) return `${pathOf(resolved.controller)} takes no cells`
    const by = `interrupt-map of ${bridge.path}: INT${'ABCD'[pin - 1] ?? '?'} of ${at.id} is source ${source}`
    const joined = this.#lines.join(source, 'level', handler, () => this.#interrupts.enable(source))
    if (joined === 'taken') return `interrupt source ${source} is taken`
    if (joined === 'refused') return `the hypervisor does not let source ${source} through`
    return { gsi: source, vector: source, by }
  }
}
