import type { CpuBus } from '@dmascope/memory/contracts'
import { OPAL_PCI_CONFIG_READ, OPAL_PCI_CONFIG_WRITE } from '../spec/opal.ts'

/** Configuration space below one host bridge, before any kernel runs. What it reads comes by way of a word in memory. */
export class OpalConfig {
  readonly #bus: CpuBus
  readonly #phb: number
  readonly #buffer: number

  /** @param phb - `ibm,opal-phbid` */
  constructor(bus: CpuBus, phb: number, buffer: number) {
    this.#bus = bus
    this.#phb = phb
    this.#buffer = buffer
  }

  /** @param id - bus, device and function in 16 bits */
  read(id: number, offset: number, width: 1 | 2 | 4): number {
    const bytes = new Uint8Array(width).fill(0xff)
    if (this.#call(OPAL_PCI_CONFIG_READ[width], id, offset, this.#buffer) === 0) {
      this.#bus.readBytes(this.#buffer, bytes)
    }
    return bytes.reduce((value, byte) => value * 0x100 + byte, 0)
  }

  write(id: number, offset: number, width: 1 | 2 | 4, value: number): void {
    this.#call(OPAL_PCI_CONFIG_WRITE[width], id, offset, value)
  }

  #call(token: number, ...args: readonly number[]): number {
    const words = Uint32Array.from([this.#phb, ...args].flatMap((one) => [one, 0]))
    return this.#bus.hypercall?.(token, words, new Uint32Array(2)) ?? -1
  }
}
