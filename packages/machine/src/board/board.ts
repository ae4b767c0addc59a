import type { RequesterId } from '@dmascope/iommu'
import type { AddressSpace, CpuBus } from '@dmascope/memory'
import type { PciBus, PciFunction, RootComplex } from '@dmascope/pci'
import type { CpuBusExtras } from '../cpu-bus.ts'
import type { Route } from '../fabric/fabric-port.ts'
import type { RunQueue } from '../fabric/run-queue.ts'
import type { FwCfg } from '../firmware/fw-cfg.ts'
import type { MachineIommu } from '../iommu/machine-iommu.ts'

/** The processors that software is for, as QEMU's programs are named. */
export type Architecture = 'x86_64' | 'aarch64' | 'ppc' | 'ppc64' | 'sparc64' | 'mipsel' | 's390x'

/** A function that is on the root bus whatever devices are added. */
export interface BoardFunction {
  readonly device: number
  readonly fn: number
  /** Its name in the report. */
  readonly model: string
  /** The function itself. Once for each machine. */
  create(): PciFunction
}

/** What a machine type brings with it: where RAM is, what is on the root bus, how interrupts travel. */
export interface Board {
  readonly architecture: Architecture
  /** The root bus's name, as `bus=` takes it. */
  readonly rootBusName: string
  readonly express: boolean
  /** Segments of PCI, each with a root bus 0 of its own, where there are more than segment 0. */
  readonly segments?: readonly number[]
  /** RAM of this many bytes, ascending. */
  ramRanges(memoryBytes: number): readonly { readonly base: number; readonly size: number }[]
  /** In the order of their numbers. */
  readonly functions: readonly BoardFunction[]
  /** Builds what is not on PCI into a machine, before any function is plugged in. Once for each machine. */
  build(site: BoardSite): BoardHardware
}

/** What a board is built into. */
export interface BoardSite {
  /** What a processor's addresses lead to, and what a device's do once they are translated. */
  readonly cpuSpace: AddressSpace
  readonly dmaSpace: AddressSpace
  readonly root: RootComplex
  /** One a segment, in the board's order; the first is `root`. */
  readonly roots: readonly RootComplex[]
  readonly queue: RunQueue
  /** The machine's IOMMUs. To be asked when a message is on its way: they are made after the board. */
  iommus(): readonly MachineIommu[]
  /** What the processor has that the board does not know of. */
  readonly processor: Omit<CpuBusExtras, 'ports'>
  /** Device number, on the first root bus, of the expander that brings a root bus; null for the first itself. */
  expanderOf(bus: PciBus): number | null
}

/** How messages reach processors. */
export interface MessageWiring {
  /**
   * Bus addresses that are messages before they are addresses: upper half `hi`, 0 unless given, lower half [first, last].
   * None where first > last.
   */
  readonly hi?: number
  readonly first: number
  readonly last: number
  /** A message to that range, through the IOMMU that it meets. */
  send(iommu: MachineIommu | null, requester: RequesterId, addressLo: number, data: number): Route
  /** A device's write of four bytes has come to this address. False where that is no interrupt controller's doorbell. */
  ring(address: number, data: number, requester: RequesterId): boolean
}

/** A board's hardware, in a machine. */
export interface BoardHardware {
  /** The CPU seam. */
  readonly bus: CpuBus
  readonly messages: MessageWiring
  /** A function drives its interrupt pin. */
  setPin(one: PciFunction, asserted: boolean): void
  /** A message of an IOMMU's own, which nothing remaps. */
  raiseMsi(hi: number, lo: number, data: number): void
  /** An edge on this interrupt wire of the board, by its number there, on boards that have such wires. */
  raiseWire(wire: number): void
  /** Drives such a wire. */
  setWire(wire: number, asserted: boolean): void
  /** Puts QEMU's firmware configuration device where software looks for it. */
  place(device: FwCfg): void
  /** The board's own functions are plugged in. */
  finish(): void
}
