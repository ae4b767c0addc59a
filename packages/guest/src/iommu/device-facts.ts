import type { Fact } from '../result.ts'
import type { NamedDevice } from './contract.ts'

/** What was found and decided about each device, in order, each fact once. */
export class DeviceFacts {
  readonly #facts = new Map<NamedDevice, Fact[]>()

  add(device: NamedDevice, fact: Fact): void {
    const list = this.#facts.get(device) ?? []
    if (!list.some((one) => one.fact === fact.fact && one.bytes === fact.bytes)) list.push(fact)
    this.#facts.set(device, list)
  }

  of(device: NamedDevice): readonly Fact[] {
    return this.#facts.get(device) ?? []
  }
}
