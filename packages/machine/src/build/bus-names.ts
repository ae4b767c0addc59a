import type { PlacedBus } from './placed-bus.ts'

/**
 * Names of buses whose device has none: the kind of bus, and how many of the kind got such a name before (QEMU's
 * `qbus_init_internal`). The root bus of a PC without PCI Express and that of a pseries are among them; `pcie.0` is not.
 */
export class AutomaticBusNames {
  readonly #given = new Map<string, number>()

  constructor(rootBus: PlacedBus) {
    if (rootBus.nature === 'conventional') this.next('pci')
  }

  next(kind: 'pci' | 'pcie' | 'pxb-pcie-bus' | 'pnv-phb4-root'): string {
    const number = this.#given.get(kind) ?? 0
    this.#given.set(kind, number + 1)
    return `${kind}.${number}`
  }
}
