import type { Fact } from '../result.ts'
import type { PciDevice } from './contract.ts'

/** What was found and decided about each device, in order, each fact once. */
export class DeviceFacts {
  readonly #facts = new Map<PciDevice, Fact[]>()

  add(device: PciDevice, fact: Fact): void {
    const list = this.#facts.get(device) ?? []
    if (!list.some((one) => one.fact === fact.fact && one.bytes === fact.bytes)) list.push(fact)
    this.#facts.set(device, list)
  }

  of(device: PciDevice): readonly Fact[] {
    return this.#facts.get(device) ?? []
  }
}
