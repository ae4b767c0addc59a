import type { CpuBus } from '@dmascope/memory/contracts'

/** What a machine without OPAL answers. */
const OPAL_UNSUPPORTED = -7
const MOST_ARGUMENTS = 8

/** An argument: a Number below 2^53, or both halves of one that is larger. */
export type OpalArgument = number | { readonly hi: number; readonly lo: number }

/** OPAL calls. What one answers beside its code goes to this page, big-endian. */
export class Opal {
  readonly #bus: CpuBus
  readonly #args = new Uint32Array(MOST_ARGUMENTS * 2)
  readonly #out = new Uint32Array(2)
  readonly #bytes = new Uint8Array(8)
  readonly #view = new DataView(this.#bytes.buffer)
  /** A page of memory that nobody else uses. */
  readonly buffer: number

  constructor(bus: CpuBus, buffer: number) {
    this.#bus = bus
    this.buffer = buffer
  }

  /** @returns what r3 holds: 0 for success, else a negative code */
  call(token: number, ...args: readonly OpalArgument[]): number {
    const words = this.#args
    words.fill(0)
    for (const [index, value] of args.slice(0, MOST_ARGUMENTS).entries()) {
      const isPair = typeof value === 'object'
      words[index * 2] = isPair ? value.lo : value % 0x1_0000_0000
      words[index * 2 + 1] = isPair ? value.hi : Math.floor(value / 0x1_0000_0000)
    }
    return this.#bus.hypercall?.(token, words, this.#out) ?? OPAL_UNSUPPORTED
  }

  /** A number that a call left at this offset of the page. */
  result(offset: number, bytes: 1 | 2 | 4): number {
    this.#bus.readBytes(this.buffer + offset, this.#bytes.subarray(0, bytes))
    return bytes === 4 ? this.#view.getUint32(0) : bytes === 2 ? this.#view.getUint16(0) : this.#bytes[0]!
  }
}
