import type { CpuBus, PortBus } from '@dmascope/memory'

const PAGE = 4096

/**
 * A CPU bus with memory where a test put some, registers where it says so, and nothing elsewhere: reads give all ones,
 * writes are dropped.
 */
export class SparseBus implements CpuBus {
  readonly #pages = new Map<number, Uint8Array>()
  readonly writes: { readonly address: number; readonly width: number; readonly value: number }[] = []
  /** Vectors to deliver, in order. */
  readonly interrupts: number[] = []
  busy = false
  onRead: ((address: number, width: number) => number | undefined) | null = null
  onWrite: ((address: number, width: number, value: number) => void) | null = null
  ports?: PortBus

  /** Backs [start, start + length) with zeroed memory. */
  addMemory(start: number, length: number): this {
    for (let page = Math.floor(start / PAGE); page * PAGE < start + length; page++) {
      if (!this.#pages.has(page)) this.#pages.set(page, new Uint8Array(PAGE))
    }
    return this
  }

  /** Puts bytes into memory, backed where it was not. */
  put(address: number, bytes: Uint8Array): this {
    this.addMemory(address, bytes.length)
    this.writeBytes(address, bytes)
    return this
  }

  #byte(address: number): number {
    return this.#pages.get(Math.floor(address / PAGE))?.[address % PAGE] ?? 0xff
  }

  #read(address: number, width: number): number {
    const answer = this.onRead?.(address, width)
    if (answer !== undefined) return answer
    let value = 0
    for (let index = width - 1; index >= 0; index--) value = value * 256 + this.#byte(address + index)
    return value
  }

  #write(address: number, width: number, value: number): void {
    this.writes.push({ address, width, value })
    this.onWrite?.(address, width, value)
    for (let index = 0; index < width; index++) {
      const page = this.#pages.get(Math.floor((address + index) / PAGE))
      if (page !== undefined) page[(address + index) % PAGE] = (value >>> (index * 8)) & 0xff
    }
  }

  read8(address: number): number {
    return this.#read(address, 1)
  }
  read16(address: number): number {
    return this.#read(address, 2)
  }
  read32(address: number): number {
    return this.#read(address, 4)
  }
  write8(address: number, value: number): void {
    this.#write(address, 1, value)
  }
  write16(address: number, value: number): void {
    this.#write(address, 2, value)
  }
  write32(address: number, value: number): void {
    this.#write(address, 4, value)
  }
  readBytes(address: number, into: Uint8Array): void {
    for (let done = 0; done < into.length; ) {
      const at = address + done
      const step = Math.min(into.length - done, PAGE - (at % PAGE))
      const page = this.#pages.get(Math.floor(at / PAGE))
      if (page === undefined) into.fill(0xff, done, done + step)
      else into.set(page.subarray(at % PAGE, (at % PAGE) + step), done)
      done += step
    }
  }
  writeBytes(address: number, from: Uint8Array): void {
    for (let done = 0; done < from.length; ) {
      const at = address + done
      const step = Math.min(from.length - done, PAGE - (at % PAGE))
      this.#pages.get(Math.floor(at / PAGE))?.set(from.subarray(done, done + step), at % PAGE)
      done += step
    }
  }
  nextInterrupt(): number {
    return this.interrupts.shift() ?? -1
  }
  idle(): boolean {
    return !this.busy && this.interrupts.length === 0
  }
}
