import type { DtNode } from '../node.ts'

/** What a tree says of a device's caches, and the node that says it. */
export interface Coherency {
  readonly coherent: boolean
  /** Null where no node says anything, and the architecture's default holds. */
  readonly on: DtNode | null
}

/**
 * Whether a device's DMA is coherent with the processors' caches: the nearest `dma-coherent` or `dma-noncoherent` from
 * its node up says so.
 *
 * @param byDefault - of the architecture: true for RISC-V, and PowerPC with coherent caches; false for Arm
 */
export function findCoherency(node: DtNode, byDefault = false): Coherency {
  for (let on: DtNode | null = node; on !== null; on = on.parent) {
    if (on.has('dma-coherent')) return { coherent: true, on }
    if (on.has('dma-noncoherent')) return { coherent: false, on }
  }
  return { coherent: byDefault, on: null }
}
