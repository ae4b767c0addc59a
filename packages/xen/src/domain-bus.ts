import type { CpuBus, PortBus } from '@dmascope/memory/contracts'
import type { DomainMemory } from './domain-memory.ts'

const PAGE = 4096

/** What a domain's processor has beside memory. */
export interface DomainProcessor {
  /** Takes what interrupts the machine; whether the domain is to be told of events. */
  deliver(): boolean
  idle(): boolean
  cpuid(leaf: number, subleaf: number, out: Uint32Array): void
  hypercall(number: number, args: Uint32Array, out: Uint32Array): number
}

/** The CPU seam of a domain: addresses are its own, and interrupts are events without a vector. */
export class DomainBus implements CpuBus {
  readonly ports?: PortBus
  readonly #bus: CpuBus
  readonly #memory: DomainMemory
  readonly #processor: DomainProcessor

  constructor(bus: CpuBus, memory: DomainMemory, processor: DomainProcessor) {
    this.#bus = bus
    this.#memory = memory
    this.#processor = processor
    // DEVIATION: the first domain reaches every port; Xen keeps those of the interrupt controllers and the timer.
    if (bus.ports !== undefined) this.ports = bus.ports
  }

  read8(address: number): number {
    const at = this.#memory.machineAddress(address)
    return at < 0 ? 0xff : this.#bus.read8(at)
  }

  read16(address: number): number {
    if ((address & (PAGE - 1)) === PAGE - 1) return this.read8(address) | (this.read8(address + 1) << 8)
    const at = this.#memory.machineAddress(address)
    return at < 0 ? 0xffff : this.#bus.read16(at)
  }

  read32(address: number): number {
    if ((address & (PAGE - 1)) > PAGE - 4) {
      return (this.read8(address) | (this.read16(address + 1) << 8) | (this.read8(address + 3) << 24)) >>> 0
    }
    const at = this.#memory.machineAddress(address)
    return at < 0 ? 0xffff_ffff : this.#bus.read32(at)
  }

  write8(address: number, value: number): void {
    const at = this.#memory.machineAddress(address)
    if (at >= 0) this.#bus.write8(at, value)
  }

  write16(address: number, value: number): void {
    if ((address & (PAGE - 1)) === PAGE - 1) {
      this.write8(address, value & 0xff)
      this.write8(address + 1, (value >>> 8) & 0xff)
      return
    }
    const at = this.#memory.machineAddress(address)
    if (at >= 0) this.#bus.write16(at, value)
  }

  write32(address: number, value: number): void {
    if ((address & (PAGE - 1)) > PAGE - 4) {
      for (let byte = 0; byte < 4; byte++) this.write8(address + byte, (value >>> (8 * byte)) & 0xff)
      return
    }
    const at = this.#memory.machineAddress(address)
    if (at >= 0) this.#bus.write32(at, value)
  }

  readBytes(address: number, into: Uint8Array): void {
    for (let done = 0; done < into.length; ) {
      const run = Math.min(into.length - done, PAGE - ((address + done) % PAGE))
      const at = this.#memory.machineAddress(address + done)
      const part = into.subarray(done, done + run)
      if (at < 0) part.fill(0xff)
      else this.#bus.readBytes(at, part)
      done += run
    }
  }

  writeBytes(address: number, from: Uint8Array): void {
    for (let done = 0; done < from.length; ) {
      const run = Math.min(from.length - done, PAGE - ((address + done) % PAGE))
      const at = this.#memory.machineAddress(address + done)
      if (at >= 0) this.#bus.writeBytes(at, from.subarray(done, done + run))
      done += run
    }
  }

  /** 0 for events, which have no vector: which they are stands in the page that is shared with Xen. */
  nextInterrupt(): number {
    return this.#processor.deliver() ? 0 : -1
  }

  idle(): boolean {
    return this.#processor.idle()
  }

  cpuid(leaf: number, subleaf: number, out: Uint32Array): void {
    this.#processor.cpuid(leaf, subleaf, out)
  }

  hypercall(number: number, args: Uint32Array, out: Uint32Array): number {
    return this.#processor.hypercall(number, args, out)
  }
}
