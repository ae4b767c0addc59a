import type { Cell, Observed } from '../cell/cell.ts'
import type { RecordedBoot, RecordedDevice } from './recorded-boots.ts'

/** Who said it, when, and where. */
export interface Said {
  readonly who: string
  /** `2015-11-09`. */
  readonly when: string
  /** The thread, by its subject. */
  readonly in: string
}

/** What the runs made of a claim. `answered`: it was a question. */
export type Outcome = 'upheld' | 'qualified' | 'refuted' | 'answered'

/**
 * A part of a claim: something that must have been seen of every one of these. A predicate is told what was observed of
 * the devices, in the order of the cells, and nothing of which cells they were.
 */
export interface ObservedPart {
  readonly kind: 'observed'
  /** What is to be seen, as a sentence. */
  readonly says: string
  /** One cell each, or several that are compared. Those that no machine can be made of are left out. */
  readonly cases: readonly (readonly Cell[])[]
  readonly holds: (...seen: readonly Observed[]) => boolean
  /** What it means where it was not seen, as a sentence. */
  readonly otherwise: string
}

/**
 * A part about what can be told: two machines are put before one kernel after another. Where what the kernel reads is
 * the same on both until it has decided how to give addresses, it decides the same on both, for it is deterministic.
 */
export interface SeparationPart {
  readonly kind: 'separation'
  readonly says: string
  readonly machines: readonly [Omit<Cell, 'guest'>, Omit<Cell, 'guest'>]
  readonly guests: readonly string[]
  /** What is claimed: no kernel can tell the two apart, and so none serves both; or one of these does. */
  readonly claims: 'inseparable' | 'served'
  readonly otherwise: string
}

/** A device of a machine that was real. */
export interface RecordedCase {
  readonly boot: RecordedBoot
  readonly device: RecordedDevice
}

/** What was recorded of a device, and nothing of how it came about. */
export type Recorded = Pick<RecordedDevice, 'accessPlatform' | 'domain' | 'dma' | 'works'>

/** A part about what real kernels on real hypervisors did: nothing is booted, and no model of ours has a say in it. */
export interface RecordedPart {
  readonly kind: 'recorded'
  readonly says: string
  /** One device each, or several of one machine. */
  readonly cases: readonly (readonly RecordedCase[])[]
  /** It is said of those alone of which this holds; of all unless given. */
  readonly where?: (...recorded: readonly Recorded[]) => boolean
  readonly holds: (...recorded: readonly Recorded[]) => boolean
  readonly otherwise: string
}

export type Part = ObservedPart | SeparationPart | RecordedPart

/** Something that somebody said, and the boots that decide it. */
export interface Claim {
  readonly number: number
  readonly said: Said
  /** In our words. */
  readonly claim: string
  readonly parts: readonly Part[]
  /** For a question: the answer, from what was observed of each case of the first part. */
  readonly answer?: (
    seen: readonly { readonly cells: readonly Cell[]; readonly observed: readonly Observed[] }[],
  ) => string
  /** What of the claim could not be run, and is left open. */
  readonly leftOpen?: string
}

/** One case of a part, as it came out. */
export interface JudgedCase {
  /** Cells that were booted, by their keys; of recorded boots, name and device: `recorded/vtd-on/00:02.0`. */
  readonly cells: readonly string[]
  readonly holds: boolean
  /** What was seen, for people. */
  readonly seen: string
}

export interface JudgedPart {
  readonly says: string
  readonly otherwise: string
  readonly cases: readonly JudgedCase[]
  /** Of what was recorded: the machines, each with its kernel and its command line. */
  readonly recorded?: readonly string[]
}

export interface JudgedClaim {
  /** `C07`. */
  readonly id: string
  readonly number: number
  readonly said: Said
  readonly claim: string
  readonly outcome: Outcome
  /** One line. */
  readonly why: string
  readonly parts: readonly JudgedPart[]
  readonly leftOpen: string | null
}
