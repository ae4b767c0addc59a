/**
 * `error`: Linux or dtc rejects it, or DMA or interrupts cannot be right. `warning`: Linux complains and goes on, or a
 * binding is violated. `note`: worth knowing.
 */
export type LintLevel = 'error' | 'warning' | 'note'

/** Something that can be wrong with a devicetree. IDs are stable and never reused; each has a page under docs/findings. */
export interface LintRule {
  readonly id: string
  readonly level: LintLevel
  /** What is wrong, in one line. */
  readonly title: string
  /** Why it matters. */
  readonly why: string
  /** What Linux 6.12 does with it, in its own words where it has some. */
  readonly kernel: string
  /** How to mend it. */
  readonly fix: string
}

/** A rule that a tree trips, and where. */
export interface LintFinding {
  readonly rule: LintRule
  /** Path of the node; null where a blob cannot be read so far. */
  readonly node: string | null
  /** The property that says so; null where the node as a whole does. */
  readonly property: string | null
  /** Byte in the blob, and how many; null in a text. */
  readonly offset: number | null
  readonly length: number
  /** What is wrong, with the values at hand. */
  readonly message: string
}
