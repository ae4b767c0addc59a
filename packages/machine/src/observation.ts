import type { DmaPhase } from '@dmascope/memory'

/** Counts of one requester's DMA in one phase. */
export interface DmaCounts {
  reads: number
  writes: number
  bytes: number
  /** Accesses by how they were routed. */
  translated: number
  untranslated: number
  faulted: number
}

/** Where an access landed that the guest had not granted to the device. */
export interface StrayAccess {
  readonly kind: 'read' | 'write'
  /** Bus address as the device issued it, and where it landed (guest-physical); null where its bus has no such address. */
  readonly busAddress: string
  readonly physical: string | null
  readonly length: number
  readonly landed: 'ram' | 'rom' | 'mmio' | 'hole'
  /** Whose the memory is, where a hypervisor has dealt it out: `the guest`, `the hypervisor`, `another domain`, `nobody`. */
  readonly owner?: string
  /** How many accesses are folded into this entry. */
  readonly count: number
  /** The memory had been the device's, and was taken back lately. */
  readonly takenBack?: boolean
  /** Hex pairs, of the first 16 bytes; for a write into RAM, before and after. For a read, what it got, as `after`. */
  readonly before?: string
  readonly after?: string
}

/** A read that answered what memory no longer held: something newer was on its way, or the reader held a copy. */
export interface StaleRead {
  /** The device itself, or the processor, of what the device wrote. */
  readonly reader: 'device' | 'processor'
  /**
   * What stands between the two: a cache, the host's mapping of memory that the cache holds under other addresses, or a
   * buffer of writes.
   */
  readonly between: 'cache' | 'mapping' | 'buffer'
  /** Guest-physical address of the first byte that was out of date. */
  readonly address: string
  /** Hex pairs of the bytes from there on, up to 16: what the reader got, and the newest that anybody had written. */
  readonly got: string
  readonly newest: string
  /** How many reads are folded into this entry. */
  readonly count: number
}

/** What was seen of a resident engine. */
export interface ResidentObservation {
  /** Its memory, hexadecimal, both ends in it. */
  readonly start: string
  readonly end: string
  /** Turns in which it used its memory, and those in which it was kept from it while the kernel had the device. */
  readonly turns: number
  readonly refused: number
  /** Those in which it was kept from it while the device was a user's program's. */
  readonly refusedAssigned: number
}

/**
 * What memory that is closed to a device does with its accesses. `enciphered`: reads find what only the guest can
 * decipher, and writes land as what the guest cannot. `lost`: the same of reads; writes are lost. `blank`: reads find
 * zeros, and writes are lost.
 */
export type ClosedAs = 'enciphered' | 'lost' | 'blank'

/** What the machine saw one function do: observed, not configured. */
export interface DeviceObservation {
  /** `0000:00:03.0`, by the bus numbers that software programmed; of a device on no bus, `mmio:0xa003e00`. */
  readonly id: string
  /** QEMU's model name, e.g. `virtio-blk-pci`, and the user's id for it. */
  readonly model: string
  readonly deviceId: string | null
  /** Whether the function's DMA enters an IOMMU on its way: a property of the wiring as it stands. */
  readonly behindIommu: boolean
  readonly dma: Readonly<Record<Exclude<DmaPhase, 'assigned'>, DmaCounts>> & {
    /** While the device was a user's program's; left out where it never was. */
    readonly assigned?: DmaCounts
  }
  /** Accesses to memory that was closed to the device; left out where there were none. */
  readonly closed?: number
  /** What became of them. */
  readonly closedAs?: ClosedAs
  /** Interrupt messages written. */
  readonly msi: number
  readonly strays: readonly StrayAccess[]
  readonly strayCount: number
  /** Reads that were out of date, where software must mind caches or buffers; left out without any. */
  readonly staleReads?: readonly StaleRead[]
  /** Faults that the IOMMU recorded or dropped for this requester, in its own words. */
  readonly faults: readonly {
    readonly address: string
    readonly reason: number
    readonly text: string
    readonly phase: DmaPhase
  }[]
  /** Of what firmware left running in it; left out where it left nothing. */
  readonly resident?: ResidentObservation
  /** The description's location, for fixes. */
  readonly described: {
    readonly location: string
    readonly model: string
    readonly properties: Readonly<Record<string, unknown>>
  } | null
}
