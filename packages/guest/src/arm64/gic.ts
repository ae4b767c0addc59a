import type { CpuInterruptController } from '../interrupts/vectors.ts'

/** A GIC, driven: vectors are the GIC's interrupt numbers. */
export interface Gic extends CpuInterruptController {
  /** Lets a shared interrupt through. */
  enable(intid: number, trigger: 'edge' | 'level'): void
  disable(intid: number): void
}

/** What Linux gives every interrupt. */
export const DEFAULT_PRIORITY = 0xa0
/** What Linux lets through: all priorities above the lowest. */
export const PRIORITY_MASK = 0xf0
/** Vectors that anyone may have are none: every interrupt has a number of its own. */
export const NO_DYNAMIC = { first: 1, last: 0 } as const
