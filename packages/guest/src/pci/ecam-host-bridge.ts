import type { InboundWindows } from '../dma/inbound-windows.ts'
import type { RestrictedPool } from '../dma/restricted-pool.ts'
import type { HostBridgeWindows } from './assign-resources.ts'
import type { EcamWindow } from './config-access.ts'

/** A PCI host bridge whose configuration space is memory, as firmware tells of it. */
export interface EcamHostBridge {
  readonly name: string
  readonly ecam: EcamWindow
  readonly rootBus: number
  /** Windows of bus addresses; what is behind them lies at the same CPU addresses. */
  readonly windows: HostBridgeWindows
  /** Where ports are memory; null without. */
  readonly portBase: number | null
  /** The kernel numbers buses itself, whatever firmware did. */
  readonly renumber: boolean
  /** Whether devices' DMA is coherent with the processor's caches; it is unless given. */
  readonly coherency?: { readonly coherent: boolean; readonly by: string }
  /** How its bus sees memory; at its own address unless given. */
  readonly inbound?: InboundWindows
  /** The only memory that devices below it may go to; all of it unless given. */
  readonly restrictedPool?: RestrictedPool
}
