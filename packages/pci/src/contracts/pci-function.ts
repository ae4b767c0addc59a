import type { DmaPort, InterruptPort } from '@dmascope/memory'
import type { ConfigSpace } from '../config-space.ts'

/**
 * A device function: what a device model is, to whatever it is plugged into.
 *
 * A BAR write latches and returns; DMA happens in `work`, so that no bus is held meanwhile.
 */
export interface PciFunction {
  readonly config: ConfigSpace
  /** Called once, when the function is plugged in. */
  connect(dma: DmaPort, interrupts: InterruptPort): void
  /** `offset` counts from the BAR's start. Fills out[0], and out[1] for width 8. */
  readBar(bar: number, offset: number, width: 1 | 2 | 4 | 8, out: Uint32Array): void
  writeBar(bar: number, offset: number, width: 1 | 2 | 4 | 8, lo: number, hi: number): void
  /**
   * Does up to `budget` units of pending work. `idle`: none is left. `more`: call again. `waiting`: for something that
   * only another party can do.
   */
  work(budget: number): 'idle' | 'more' | 'waiting'
  reset(kind: 'function' | 'bus'): void
}
