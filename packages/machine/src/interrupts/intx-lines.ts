import type { PciBus, PciFunction, RootComplex } from '@dmascope/pci'
import type { InterruptRouting } from '../chipset/interrupt-routing.ts'

/** Inputs of an interrupt controller. */
interface InterruptInputs {
  setPin(input: number, asserted: boolean): void
}

/** Interrupt pins of all functions, or-ed onto the inputs of an interrupt controller as the chipset routes them. */
export class IntxLines {
  readonly #roots: readonly RootComplex[]
  readonly #routing: InterruptRouting
  readonly #inputs: InterruptInputs
  readonly #expanderOf: (bus: PciBus) => number | null
  readonly #asserted = new Map<PciFunction, number>()
  readonly #holders: number[] = []

  /**
   * @param roots - of all segments: their pins are routed alike
   * @param expanderOf - device number, on the first root bus, of the expander that brings a root bus
   */
  constructor(
    roots: readonly RootComplex[],
    routing: InterruptRouting,
    inputs: InterruptInputs,
    expanderOf: (bus: PciBus) => number | null = () => null,
  ) {
    this.#roots = roots
    this.#routing = routing
    this.#inputs = inputs
    this.#expanderOf = expanderOf
  }

  /** The function drives its pin. One that software told to be silent does not get here. */
  set(one: PciFunction, level: boolean): void {
    const held = this.#asserted.get(one)
    if (level === (held !== undefined)) return
    if (held !== undefined) {
      this.#asserted.delete(one)
      this.#hold(held, -1)
      return
    }
    const at = this.#roots.find((root) => root.holds(one))?.rootInterruptOf(one) ?? null
    if (at === null) return
    const expander = this.#expanderOf(at.bus)
    const gsi =
      expander === null ? this.#routing.gsi(at.device, at.pin - 1) : throughExpander(this.#routing, expander, at)
    this.#asserted.set(one, gsi)
    this.#hold(gsi, 1)
  }

  #hold(gsi: number, change: 1 | -1): void {
    const holders = (this.#holders[gsi] ?? 0) + change
    this.#holders[gsi] = holders
    if (holders === 0 || (holders === 1 && change === 1)) this.#inputs.setPin(gsi, holders > 0)
  }
}

/**
 * QEMU's `pxb_map_irq_fn`: the expander turns pins by the number of the device on its bus, and takes its own number off,
 * since the chipset is going to add it. That chipset is the 440FX: there the number cancels out. A Q35 looks the pin up
 * in a table instead, where a pin below zero is one of another device's (see `ICH9_ROUTING`).
 */
const throughExpander = (routing: InterruptRouting, expander: number, at: { device: number; pin: number }): number =>
  routing.gsi(expander, ((at.pin - 1 + at.device) & 3) - expander)
