import type { BusWindow } from '@dmascope/dma'

/** How a bus sees memory, where firmware says that it does not see all at its own address. */
export interface InboundWindows {
  /** In firmware's order. What is in none of them is out of the bus's reach. */
  readonly windows: readonly BusWindow[]
  /** What says so, for the reasons: `dma-ranges of /pcie@10000000`. */
  readonly by: string
}
