import type { PciFunction } from '../pci/pci-function.ts'
import type { InterruptHandler } from './vectors.ts'

/** A connected pin. */
export interface ConnectedPin {
  /** Number of the interrupt, as the platform counts them. */
  readonly gsi: number
  readonly vector: number
  /** How the route was found, for the report. */
  readonly by: string
}

/** What interrupt pins of PCI functions lead to. */
export interface PinInterrupts {
  /**
   * Connects a handler to the function's interrupt pin. Functions that share an input share its vector: each handler is
   * asked, in turn, whether the interrupt was its own.
   *
   * @returns why there is no interrupt, where there is none
   */
  connect(fn: PciFunction, handler: InterruptHandler): ConnectedPin | string
}

/** The function on the root bus at whose pin a function's pin ends, and that pin: they turn at each bridge. */
export function rootPinOf(fn: PciFunction): { readonly at: PciFunction; readonly pin: number } {
  let at = fn
  let { interruptPin: pin } = fn
  // Behind a bridge, pins rotate by device number at each step (PCI-to-PCI Bridge 1.2 §9.1).
  while (at.parent !== null) {
    pin = ((pin - 1 + at.device) % 4) + 1
    at = at.parent
  }
  return { at, pin }
}
