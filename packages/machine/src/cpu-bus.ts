import type { AddressSpace, CpuBus, PortBus, PortSpace } from '@dmascope/memory'
import type { RunQueue } from './fabric/run-queue.ts'
import type { LocalApic } from './interrupts/lapic.ts'

/** The machine as software on its processor sees it. */
export class MachineCpuBus implements CpuBus {
  readonly ports: PortBus
  readonly #space: AddressSpace
  readonly #apic: LocalApic
  readonly #queue: RunQueue
  readonly #interrupted = (): boolean => this.#apic.pending

  constructor(space: AddressSpace, ports: PortSpace, apic: LocalApic, queue: RunQueue) {
    this.#space = space
    this.#apic = apic
    this.#queue = queue
    this.ports = {
      in8: (port) => ports.read(port, 1),
      in16: (port) => ports.read(port, 2),
      in32: (port) => ports.read(port, 4),
      out8: (port, value) => ports.write(port, 1, value & 0xff),
      out16: (port, value) => ports.write(port, 2, value & 0xffff),
      out32: (port, value) => ports.write(port, 4, value >>> 0),
    }
  }

  read8(address: number): number {
    return this.#space.read(address, 1)
  }

  read16(address: number): number {
    return this.#space.read(address, 2)
  }

  read32(address: number): number {
    return this.#space.read(address, 4)
  }

  write8(address: number, value: number): void {
    this.#space.write(address, 1, value & 0xff)
  }

  write16(address: number, value: number): void {
    this.#space.write(address, 2, value & 0xffff)
  }

  write32(address: number, value: number): void {
    this.#space.write(address, 4, value >>> 0)
  }

  readBytes(address: number, into: Uint8Array): void {
    this.#space.readBytes(address, into)
  }

  writeBytes(address: number, from: Uint8Array): void {
    this.#space.writeBytes(address, from)
  }

  nextInterrupt(): number {
    if (!this.#apic.pending) this.#queue.run(this.#interrupted)
    return this.#apic.take()
  }

  idle(): boolean {
    return this.#queue.empty && !this.#apic.pending
  }
}
