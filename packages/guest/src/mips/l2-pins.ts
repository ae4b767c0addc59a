import { type DeviceTree, type DtNode, pathOf, resolveInterrupt } from '@dmascope/devicetree'
import { type ConnectedPin, type PinInterrupts, rootPinOf } from '../interrupts/pin-interrupts.ts'
import { SharedLines } from '../interrupts/shared-lines.ts'
import type { InterruptHandler, Vectors } from '../interrupts/vectors.ts'
import type { PciFunction } from '../pci/pci-function.ts'
import type { WireInterrupt } from '../platform/platform-device.ts'
import type { WireInterrupts } from '../platform/wire-interrupts.ts'
import { L2Interrupts, type L2Place } from './l2-interrupts.ts'

/** What is known of the tree's controllers. */
export interface PinSources {
  readonly tree: DeviceTree
  /** Host bridges' nodes, by segment. */
  readonly bridges: ReadonlyMap<number, DtNode>
  readonly controllers: ReadonlyMap<DtNode, L2Place>
}

/** Interrupt pins of PCI functions, which the maps of host bridges lead to second-level controllers, and others' wires. */
export class L2Pins implements PinInterrupts, WireInterrupts {
  readonly #sources: PinSources
  readonly #interrupts: L2Interrupts
  readonly #lines: SharedLines

  constructor(sources: PinSources, interrupts: L2Interrupts, vectors: Vectors) {
    this.#sources = sources
    this.#interrupts = interrupts
    this.#lines = new SharedLines(vectors, interrupts)
  }

  connect(fn: PciFunction, handler: InterruptHandler): ConnectedPin | string {
    if (fn.interruptPin === 0) return 'the function has no interrupt pin'
    const { at, pin } = rootPinOf(fn)
    const { tree, bridges, controllers } = this.#sources
    const bridge = bridges.get(at.segment)
    const name = `INT${'ABCD'[pin - 1] ?? '?'} of ${at.id}`
    if (bridge === undefined) return `no host bridge in the device tree has ${at.id}`
    const address = [(((at.bus << 8) | (at.device << 3) | at.function) << 8) >>> 0, 0, 0]
    const found = resolveInterrupt(tree, bridge, address, [pin])
    if (!found.ok) return `${name}: ${found.reason}`
    const input = found.specifier[0] ?? -1
    const place = controllers.get(found.controller)
    const number = numberOf(controllers, found.controller, input)
    if (place === undefined || number === null) return `${name}: ${pathOf(found.controller)} takes no input ${input}`
    return this.#connect(
      number,
      handler,
      `interrupt-map of ${pathOf(bridge)}: ${name} is input ${input} of ${place.path}`,
    )
  }

  connectWire({ number }: WireInterrupt, handler: InterruptHandler): ConnectedPin | string {
    return this.#connect(number, handler, `interrupt ${number} of the chip`)
  }

  #connect(number: number, handler: InterruptHandler, by: string): ConnectedPin | string {
    const joined = this.#lines.join(number, 'level', handler, () => {
      this.#interrupts.enable(number)
      return true
    })
    if (joined === 'taken') return `interrupt ${number} of the chip has another use`
    return { gsi: number, vector: number, by }
  }
}

/** The number of an input of one of the controllers; null where there is no such. */
export function numberOf(controllers: PinSources['controllers'], controller: DtNode, input: number): number | null {
  const place = controllers.get(controller)
  return place === undefined ? null : L2Interrupts.numberOf([...controllers.keys()].indexOf(controller), input, place)
}
