import type { CpuBus, DmaWitness } from '@dmascope/memory'

/** What a guest runs on, and what it tells of memory. */
export interface GuestSeams {
  readonly bus: CpuBus
  readonly witness: DmaWitness
}
