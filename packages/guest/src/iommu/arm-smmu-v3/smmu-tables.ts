/** An SMMUv3 as firmware tells of it. */
export interface SmmuSource {
  /** The kernel's name of the platform device: `9050000.smmuv3` from a device tree, `arm-smmu-v3.0.auto` from an IORT. */
  readonly name: string
  readonly base: number
  /** Firmware says that its walks and queues are coherent: `dma-coherent`, or the IORT's override. */
  readonly coherent: boolean
  /** Where firmware says so: `/smmuv3@9050000`, `IORT @0x7ffe1000 +0x40`. */
  readonly source: string
  readonly bytes?: string
}

/** What tells one SMMU from others, for what a table says of a stream: nothing where there are no others. */
export const ofSmmu = ({ base }: SmmuSource, count: number): string =>
  count > 1 ? `, of the SMMU at 0x${base.toString(16)}` : ''

/** Where a function's transactions go. */
export interface StreamPlace {
  readonly smmu: SmmuSource
  readonly stream: number
  /** What says so, for the report: `iommu-map of /pcie@10000000, stream 0x10`. */
  readonly by: string
  readonly source: string
  readonly bytes?: string
}

/** What firmware says of SMMUv3s, whichever way it says so. */
export interface SmmuTables {
  /** In the order in which the kernel finds them. */
  readonly smmus: readonly SmmuSource[]
  /**
   * ACS is asked for before PCI is enumerated: so it is with an IORT. With a device tree the kernel asks for it when the
   * first driver probes, and then no port that is there already gets it.
   */
  readonly acsRequested: boolean
  /** Null where transactions with this requester ID go past them. */
  streamOf(segment: number, requester: number): StreamPlace | null
}
