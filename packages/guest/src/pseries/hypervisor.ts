import type { CpuBus } from '@dmascope/memory/contracts'

/** What a machine without a hypervisor answers: no such function. */
const H_FUNCTION = -2
const MOST_ARGUMENTS = 9

/** Hypervisor calls, with arguments below 2^53. */
export class HypervisorCalls {
  readonly #bus: CpuBus
  readonly #args = new Uint32Array(MOST_ARGUMENTS * 2)
  /** What the last call answered beside its code, as (lo, hi) pairs. */
  readonly out = new Uint32Array(8)

  constructor(bus: CpuBus) {
    this.#bus = bus
  }

  call(number: number, ...args: readonly number[]): number {
    const words = this.#args
    words.fill(0)
    for (const [index, value] of args.slice(0, MOST_ARGUMENTS).entries()) {
      words[index * 2] = value % 0x1_0000_0000
      words[index * 2 + 1] = Math.floor(value / 0x1_0000_0000)
    }
    this.out.fill(0)
    return this.#bus.hypercall?.(number, words, this.out) ?? H_FUNCTION
  }

  /** A call whose second argument is a bus address of 64 bits. */
  callAt(number: number, first: number, hi: number, lo: number, ...rest: readonly number[]): number {
    const words = this.#args
    words.fill(0)
    words.set([first, 0, lo >>> 0, hi >>> 0])
    for (const [index, value] of rest.entries()) {
      words[4 + index * 2] = value % 0x1_0000_0000
      words[5 + index * 2] = Math.floor(value / 0x1_0000_0000)
    }
    this.out.fill(0)
    return this.#bus.hypercall?.(number, words, this.out) ?? H_FUNCTION
  }
}
