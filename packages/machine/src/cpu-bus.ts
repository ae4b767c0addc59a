import type { AddressSpace, CpuBus, PortBus, PortSpace, SystemRegisterBus } from '@dmascope/memory'
import type { RunQueue } from './fabric/run-queue.ts'

/** What interrupts the processor. */
export interface CpuInterruptSource {
  /** Whether an interrupt waits that the processor would take now. */
  readonly pending: boolean
  /** Takes it: what `CpuBus.nextInterrupt` answers, or -1. */
  take(): number
}

/** Ways into the machine besides memory, which not every architecture has. */
export interface CpuBusExtras {
  readonly ports?: PortSpace
  readonly systemRegisters?: SystemRegisterBus
  readonly hypercall?: NonNullable<CpuBus['hypercall']>
  readonly cpuid?: NonNullable<CpuBus['cpuid']>
  readonly setPageState?: NonNullable<CpuBus['setPageState']>
}

/** The machine as software on its processor sees it. */
export class MachineCpuBus implements CpuBus {
  readonly ports?: PortBus
  readonly systemRegisters?: SystemRegisterBus
  readonly hypercall?: NonNullable<CpuBus['hypercall']>
  readonly cpuid?: NonNullable<CpuBus['cpuid']>
  readonly setPageState?: NonNullable<CpuBus['setPageState']>
  readonly #space: AddressSpace
  readonly #interrupts: CpuInterruptSource
  readonly #queue: RunQueue
  readonly #interrupted = (): boolean => this.#interrupts.pending

  constructor(
    space: AddressSpace,
    interrupts: CpuInterruptSource,
    queue: RunQueue,
    { ports, systemRegisters, hypercall, cpuid, setPageState }: CpuBusExtras,
  ) {
    this.#space = space
    this.#interrupts = interrupts
    this.#queue = queue
    if (ports !== undefined) this.ports = portBus(ports)
    if (systemRegisters !== undefined) this.systemRegisters = systemRegisters
    if (hypercall !== undefined) this.hypercall = hypercall
    if (cpuid !== undefined) this.cpuid = cpuid
    if (setPageState !== undefined) this.setPageState = setPageState
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

  clear(address: number, length: number): void {
    this.#space.clear(address, length)
  }

  nextInterrupt(): number {
    if (!this.#interrupts.pending) this.#queue.run(this.#interrupted)
    return this.#interrupts.take()
  }

  idle(): boolean {
    return this.#queue.empty && !this.#interrupts.pending
  }
}

const portBus = (ports: PortSpace): PortBus => ({
  in8: (port) => ports.read(port, 1),
  in16: (port) => ports.read(port, 2),
  in32: (port) => ports.read(port, 4),
  out8: (port, value) => ports.write(port, 1, value & 0xff),
  out16: (port, value) => ports.write(port, 2, value & 0xffff),
  out32: (port, value) => ports.write(port, 4, value >>> 0),
})
