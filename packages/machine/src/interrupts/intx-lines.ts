import type { PciFunction, RootComplex } from '@dmascope/pci'
import type { InterruptRouting } from '../chipset/interrupt-routing.ts'
import type { IoApic } from './ioapic.ts'

/** Interrupt pins of all functions, or-ed onto the IOAPIC's pins as the chipset routes them. */
export class IntxLines {
  readonly #root: RootComplex
  readonly #routing: InterruptRouting
  readonly #ioapic: IoApic
  readonly #asserted = new Map<PciFunction, number>()
  readonly #holders: number[] = []

  constructor(root: RootComplex, routing: InterruptRouting, ioapic: IoApic) {
    this.#root = root
    this.#routing = routing
    this.#ioapic = ioapic
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
    const at = this.#root.rootInterruptOf(one)
    if (at === null) return
    const gsi = this.#routing.gsi(at.device, at.pin - 1)
    this.#asserted.set(one, gsi)
    this.#hold(gsi, 1)
  }

  #hold(gsi: number, change: 1 | -1): void {
    const holders = (this.#holders[gsi] ?? 0) + change
    this.#holders[gsi] = holders
    if (holders === 0 || (holders === 1 && change === 1)) this.#ioapic.setPin(gsi, holders > 0)
  }
}
