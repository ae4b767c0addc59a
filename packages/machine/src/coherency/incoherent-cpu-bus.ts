import type { AddressSpace, CacheBus, CpuBus, PortBus, SystemRegisterBus } from '@dmascope/memory'
import type { MemoryAccess } from './memory-access.ts'
import { type MemorySystem, UNCACHED_OFFSET } from './memory-system.ts'

/** The CPU seam of a machine on which something stands between the processor and RAM. All else is as it was. */
export class IncoherentCpuBus implements CpuBus {
  readonly ports?: PortBus
  readonly systemRegisters?: SystemRegisterBus
  readonly hypercall?: NonNullable<CpuBus['hypercall']>
  readonly cache?: CacheBus
  readonly uncachedOffset = UNCACHED_OFFSET
  readonly #bus: CpuBus
  readonly #space: AddressSpace
  readonly #system: MemorySystem
  readonly #word = new Uint8Array(4)
  readonly #wordView = new DataView(this.#word.buffer)

  constructor(bus: CpuBus, space: AddressSpace, system: MemorySystem) {
    this.#bus = bus
    this.#space = space
    this.#system = system
    if (bus.ports !== undefined) this.ports = bus.ports
    if (bus.systemRegisters !== undefined) this.systemRegisters = bus.systemRegisters
    if (bus.hypercall !== undefined) this.hypercall = bus.hypercall.bind(bus)
    if (system.cache !== null) this.cache = system.cache
  }

  read8(address: number): number {
    return this.#fetch(address, 1) ? this.#word[0]! : this.#bus.read8(address)
  }

  read16(address: number): number {
    return this.#fetch(address, 2) ? this.#wordView.getUint16(0, true) : this.#bus.read16(address)
  }

  read32(address: number): number {
    return this.#fetch(address, 4) ? this.#wordView.getUint32(0, true) : this.#bus.read32(address)
  }

  write8(address: number, value: number): void {
    this.#word[0] = value
    if (!this.#store(address, 1)) this.#bus.write8(address, value)
  }

  write16(address: number, value: number): void {
    this.#wordView.setUint16(0, value, true)
    if (!this.#store(address, 2)) this.#bus.write16(address, value)
  }

  write32(address: number, value: number): void {
    this.#wordView.setUint32(0, value, true)
    if (!this.#store(address, 4)) this.#bus.write32(address, value)
  }

  readBytes(address: number, into: Uint8Array): void {
    const way = this.#wayTo(address, into.length)
    if (way === null) this.#bus.readBytes(address, into)
    else way.readBytes(physicalOf(address), into)
  }

  writeBytes(address: number, from: Uint8Array): void {
    const way = this.#wayTo(address, from.length)
    if (way === null) this.#bus.writeBytes(address, from)
    else way.writeBytes(physicalOf(address), from)
  }

  /** Devices get to look first: what is on its way arrives only after that. */
  nextInterrupt(): number {
    const vector = this.#bus.nextInterrupt()
    this.#system.drain()
    return vector
  }

  idle(): boolean {
    return this.#bus.idle()
  }

  #fetch(address: number, width: number): boolean {
    const way = this.#wayTo(address, width)
    way?.readBytes(physicalOf(address), this.#word.subarray(0, width))
    return way !== null
  }

  #store(address: number, width: number): boolean {
    const way = this.#wayTo(address, width)
    way?.writeBytes(physicalOf(address), this.#word.subarray(0, width))
    return way !== null
  }

  /** Null for what is not all RAM: registers, ROM, and what reaches beyond an end of RAM. */
  #wayTo(address: number, length: number): MemoryAccess | null {
    if (!this.#space.isRam(physicalOf(address), length)) return null
    return address >= UNCACHED_OFFSET ? this.#system.uncached : this.#system.processor
  }
}

const physicalOf = (address: number): number => (address >= UNCACHED_OFFSET ? address - UNCACHED_OFFSET : address)
