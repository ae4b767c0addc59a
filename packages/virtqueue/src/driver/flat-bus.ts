import type { CpuBus } from '@dmascope/memory'

/** The memory part of a CPU's bus. */
export type MemoryBus = Pick<
  CpuBus,
  'read8' | 'read16' | 'read32' | 'write8' | 'write16' | 'write32' | 'readBytes' | 'writeBytes'
>

class FlatBus implements MemoryBus {
  readonly #view: DataView
  readonly #bytes: Uint8Array
  readonly #size: number
  /** The last addresses that a word, and half of one, fit at. */
  readonly #last32: number
  readonly #last16: number

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#size = bytes.length
    this.#last32 = bytes.length - 4
    this.#last16 = bytes.length - 2
  }

  read8(address: number): number {
    return address < this.#size ? this.#view.getUint8(address) : 0xff
  }

  read16(address: number): number {
    return address <= this.#last16 ? this.#view.getUint16(address, true) : 0xffff
  }

  read32(address: number): number {
    return address <= this.#last32 ? this.#view.getUint32(address, true) : 0xffff_ffff
  }

  write8(address: number, value: number): void {
    if (address < this.#size) this.#view.setUint8(address, value)
  }

  write16(address: number, value: number): void {
    if (address <= this.#last16) this.#view.setUint16(address, value, true)
  }

  write32(address: number, value: number): void {
    if (address <= this.#last32) this.#view.setUint32(address, value, true)
  }

  readBytes(address: number, into: Uint8Array): void {
    const available = Math.max(0, Math.min(into.length, this.#size - address))
    if (available > 0) into.set(this.#bytes.subarray(address, address + available))
    into.fill(0xff, available)
  }

  writeBytes(address: number, from: Uint8Array): void {
    const available = Math.max(0, Math.min(from.length, this.#size - address))
    if (available > 0) this.#bytes.set(from.subarray(0, available), address)
  }
}

/**
 * A CPU's bus onto these bytes, address 0 first, for tests and benchmarks of drivers; `createFlatPort` of
 * `@dmascope/virtqueue/device` is the device's side of it. Beyond the end reads give all ones and writes are dropped.
 */
export const createFlatBus = (bytes: Uint8Array): MemoryBus => new FlatBus(bytes)
