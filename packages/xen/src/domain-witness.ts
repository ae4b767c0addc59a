import type { Access, DmaPhase, DmaWitness } from '@dmascope/memory/contracts'
import type { DomainMemory } from './domain-memory.ts'

const PAGE = 4096

/** A domain's witness: what it gives to its devices, it names by its own addresses; the machine judges by its frames. */
export class DomainWitness implements DmaWitness {
  readonly #inner: DmaWitness
  readonly #memory: DomainMemory
  readonly #grants: (readonly number[] | null)[] = []

  constructor(inner: DmaWitness, memory: DomainMemory) {
    this.#inner = inner
    this.#memory = memory
  }

  grant(owner: string, address: number, length: number, access: Access, purpose: string): number {
    const given: number[] = []
    for (let at = address; at < address + length; ) {
      const start = this.#memory.machineAddress(at)
      let run = Math.min(address + length - at, PAGE - (at % PAGE))
      while (at + run < address + length && start >= 0 && this.#memory.machineAddress(at + run) === start + run) {
        run += Math.min(address + length - at - run, PAGE)
      }
      if (start >= 0) given.push(this.#inner.grant(owner, start, run, access, purpose))
      at += run
    }
    return this.#grants.push(given) - 1
  }

  revoke(grant: number): void {
    for (const one of this.#grants[grant] ?? []) this.#inner.revoke(one)
    if (grant in this.#grants) this.#grants[grant] = null
  }

  phase(owner: string, phase: DmaPhase): void {
    this.#inner.phase(owner, phase)
  }
}
