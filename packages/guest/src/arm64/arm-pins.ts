import { type ConnectedPin, type PinInterrupts, rootPinOf } from '../interrupts/pin-interrupts.ts'
import type { InterruptHandler, Vector, Vectors } from '../interrupts/vectors.ts'
import type { PciFunction } from '../pci/pci-function.ts'
import type { ArmPlatform } from './arm-platform.ts'
import type { Gic } from './gic.ts'

/** Interrupt pins of PCI functions, which end at shared interrupts of the GIC. */
export class ArmPins implements PinInterrupts {
  readonly #platform: ArmPlatform
  readonly #gic: Gic
  readonly #vectors: Vectors
  readonly #lines = new Map<number, Vector>()

  constructor(platform: ArmPlatform, gic: Gic, vectors: Vectors) {
    this.#platform = platform
    this.#gic = gic
    this.#vectors = vectors
  }

  connect(fn: PciFunction, handler: InterruptHandler): ConnectedPin | string {
    if (fn.interruptPin === 0) return 'the function has no interrupt pin'
    const { at, pin } = rootPinOf(fn)
    const route = this.#platform.routePin(at, pin)
    if (typeof route === 'string') return route
    const { intid, by } = route
    const shared = this.#lines.get(intid)
    if (shared !== undefined) {
      shared.handlers.push(handler)
      return { gsi: intid, vector: intid, by }
    }
    const vector = this.#vectors.claim(intid, 'level', () => this.#gic.disable(intid))
    if (vector === null) return `interrupt ${intid} of the GIC has another use`
    vector.handlers.push(handler)
    this.#lines.set(intid, vector)
    this.#gic.enable(intid, 'level')
    return { gsi: intid, vector: intid, by }
  }
}
