import { type DeviceTree, type DtNode, pathOf, resolveInterrupt } from '@dmascope/devicetree'
import { type ConnectedPin, type PinInterrupts, rootPinOf } from '../interrupts/pin-interrupts.ts'
import { SharedLines } from '../interrupts/shared-lines.ts'
import type { InterruptHandler, Vectors } from '../interrupts/vectors.ts'
import type { PciFunction } from '../pci/pci-function.ts'
import type { OpenPicDriver } from './open-pic.ts'

/** Senses of an OpenPIC’s interrupts in a tree: 0 and 3 are edges, 0 and 2 high. */
const LEVEL_SENSES = [1, 2]
const HIGH_SENSES = [0, 2]

/** Interrupt pins of PCI functions, by the map of their host bridge’s node. */
export class MapPins implements PinInterrupts {
  readonly #tree: DeviceTree
  readonly #bridgeOf: (fn: PciFunction) => DtNode | null
  readonly #pic: OpenPicDriver
  readonly #lines: SharedLines

  constructor(tree: DeviceTree, bridgeOf: (fn: PciFunction) => DtNode | null, pic: OpenPicDriver, vectors: Vectors) {
    this.#tree = tree
    this.#bridgeOf = bridgeOf
    this.#pic = pic
    this.#lines = new SharedLines(vectors, pic)
  }

  connect(fn: PciFunction, handler: InterruptHandler): ConnectedPin | string {
    if (fn.interruptPin === 0) return 'the function has no interrupt pin'
    const bridge = this.#bridgeOf(fn)
    if (bridge === null) return `no host bridge in the device tree has ${fn.id}`
    const { at, pin } = rootPinOf(fn)
    const address = [((at.bus << 16) | (at.device << 11) | (at.function << 8)) >>> 0, 0, 0]
    const resolved = resolveInterrupt(this.#tree, bridge, address, [pin])
    if (!resolved.ok) return resolved.reason
    const [source, sense = 1] = resolved.specifier
    if (source === undefined) return `${pathOf(resolved.controller)} takes no cells`
    const by = `interrupt-map of ${pathOf(bridge)}: INT${'ABCD'[pin - 1] ?? '?'} of ${at.id} is source ${source}`
    const joined = this.#lines.join(source, 'level', handler, () =>
      this.#pic.enable(source, LEVEL_SENSES.includes(sense), HIGH_SENSES.includes(sense)),
    )
    if (joined === 'taken') return `interrupt source ${source} is taken`
    if (joined === 'refused') return `the controller has no source ${source}`
    return { gsi: source, vector: source, by }
  }
}
