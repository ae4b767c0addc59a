import type { Translation } from '../translator.ts'
import type { VtdFeatures } from './options.ts'
import type { SecondStageWalk } from './second-stage-walk.ts'
import { FAULT_REASONS, SCALABLE_FAULT_REASONS } from './spec/faults.ts'

const legacy = FAULT_REASONS
const scalable = SCALABLE_FAULT_REASONS

/** Reasons of scalable mode that legacy mode has, too, by their values there. */
const LEGACY_REASONS: Readonly<Record<number, number>> = {
  [scalable.rootEntryAccess.value]: legacy.rootEntryAccess.value,
  [scalable.rootNotPresent.value]: legacy.rootNotPresent.value,
  [scalable.rootReserved.value]: legacy.rootReserved.value,
  [scalable.contextEntryAccess.value]: legacy.contextEntryAccess.value,
  [scalable.contextNotPresent.value]: legacy.contextNotPresent.value,
  [scalable.contextReserved.value]: legacy.contextReserved.value,
}

/** The reasons that faults of root, context and second-stage tables bear in scalable mode. */
export class SecondStageReasons {
  /** Of an address beyond the width of the tables. */
  readonly beyondWidth: number
  readonly #legacy: boolean
  readonly #walk: SecondStageWalk
  readonly #out: Translation = { hi: 0, lo: 0, log2Size: 0, rights: 0, tag: -1, route: 'translated' }

  /** @param features - with `legacyReasons`, the reasons of legacy mode are kept, as QEMU does */
  constructor({ legacyReasons }: VtdFeatures, walk: SecondStageWalk) {
    this.#legacy = legacyReasons
    this.#walk = walk
    this.beyondWidth = legacyReasons ? legacy.beyondWidth.value : scalable.beyondWidth.value
  }

  /** Of a cached second-stage mapping that lacks these rights. */
  ofMissing(rights: number): number {
    if (this.#legacy) return (rights & 2) !== 0 ? legacy.notWritable.value : legacy.notReadable.value
    return (rights & 2) !== 0 ? scalable.notWritable.value : scalable.notReadable.value
  }

  /** @param reason - of scalable mode */
  ofTables(reason: number): number {
    return this.#legacy ? (LEGACY_REASONS[reason] ?? reason) : reason
  }

  /**
   * What a walk that failed with a reason of legacy mode failed with. Scalable mode tells an entry that grants nothing
   * from one that does not grant enough.
   */
  ofWalk(reason: number, table: number, levels: number, domain: number, hi: number, lo: number): number {
    if (this.#legacy) return reason
    switch (reason) {
      case legacy.pagingEntryReserved.value:
        return scalable.secondStageReserved.value
      case legacy.pagingEntryAccess.value:
        return scalable.secondStageAccess.value
      default: {
        const nothing = this.#walk.walk(table, levels, domain, hi, lo, 0, this.#out) === legacy.notReadable.value
        if (nothing) return scalable.secondStageNotPresent.value
        return reason === legacy.notWritable.value ? scalable.notWritable.value : scalable.notReadable.value
      }
    }
  }

  /** Whether a walk that asked for no access failed for an entry that grants nothing. */
  isEmpty(reason: number): boolean {
    return reason === (this.#legacy ? legacy.notReadable.value : scalable.secondStageNotPresent.value)
  }
}
