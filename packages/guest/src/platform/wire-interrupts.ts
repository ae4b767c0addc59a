import type { ConnectedPin } from '../interrupts/pin-interrupts.ts'
import type { InterruptHandler } from '../interrupts/vectors.ts'
import type { WireInterrupt } from './platform-device.ts'

/** Interrupt wires that devices have to themselves, or share as pins do. */
export interface WireInterrupts {
  /** Connects a handler. @returns why there is no interrupt, where there is none */
  connectWire(wire: WireInterrupt, handler: InterruptHandler): ConnectedPin | string
}

/** Of a machine whose firmware tells of no such wires. */
export const NO_WIRES: WireInterrupts = {
  connectWire: () => 'this machine has no interrupt wires for devices on no bus',
}
