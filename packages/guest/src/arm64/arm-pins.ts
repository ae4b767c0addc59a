import { type ConnectedPin, type PinInterrupts, rootPinOf } from '../interrupts/pin-interrupts.ts'
import { SharedLines } from '../interrupts/shared-lines.ts'
import type { InterruptHandler, Vectors } from '../interrupts/vectors.ts'
import type { PciFunction } from '../pci/pci-function.ts'
import type { WireInterrupt } from '../platform/platform-device.ts'
import type { WireInterrupts } from '../platform/wire-interrupts.ts'
import type { ArmPlatform } from './arm-platform.ts'
import type { Gic } from './gic.ts'

/** Interrupt pins of PCI functions and wires of other devices, which end at shared interrupts of the GIC. */
export class ArmPins implements PinInterrupts, WireInterrupts {
  readonly #platform: ArmPlatform
  readonly #gic: Gic
  readonly #lines: SharedLines

  constructor(platform: ArmPlatform, gic: Gic, vectors: Vectors) {
    this.#platform = platform
    this.#gic = gic
    this.#lines = new SharedLines(vectors, gic)
  }

  connect(fn: PciFunction, handler: InterruptHandler): ConnectedPin | string {
    if (fn.interruptPin === 0) return 'the function has no interrupt pin'
    const { at, pin } = rootPinOf(fn)
    const route = this.#platform.routePin(at, pin)
    if (typeof route === 'string') return route
    const { intid, by } = route
    return this.#connect(intid, 'level', handler, by)
  }

  connectWire({ number, trigger }: WireInterrupt, handler: InterruptHandler): ConnectedPin | string {
    return this.#connect(number, trigger, handler, `interrupt ${number} of the GIC`)
  }

  #connect(intid: number, trigger: 'edge' | 'level', handler: InterruptHandler, by: string): ConnectedPin | string {
    const joined = this.#lines.join(intid, trigger, handler, () => {
      this.#gic.enable(intid, trigger)
      return true
    })
    if (joined === 'taken') return `interrupt ${intid} of the GIC has another use`
    return { gsi: intid, vector: intid, by }
  }
}
