import type { Fact } from '../../result.ts'
import type { PciDevice } from '../contract.ts'

/** Where firmware puts a requester ID. */
export interface EndpointMatch {
  /** The IOMMU's own function. */
  readonly iommu: PciDevice
  /** What requests call the endpoint. */
  readonly endpoint: number
  /** The claim in a few words, for the report: `VIOT PCI range 00:00.0 to 00:1f.7`. */
  readonly by: string
  /** Where it stands. */
  readonly cited: Omit<Fact, 'fact'>
}

/** What firmware tells of IOMMUs on PCI and of who is behind them: a VIOT, or a device tree. */
export interface EndpointTopology {
  /** What it was read from, for reasons: `VIOT @0x7fe2345`. */
  readonly source: string
  /** IOMMUs that it names and that are there. */
  readonly iommus: readonly { readonly function: PciDevice; readonly cited: Omit<Fact, 'fact'> }[]
  /** Null where it says nothing of this ID. */
  find(segment: number, requester: number): EndpointMatch | null
}
