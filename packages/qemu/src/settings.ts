import type { PropertyValue } from '@dmascope/machine'
import type { Pairs } from './key-value.ts'
import type { Place } from './refusal.ts'

const NOWHERE: Place = { text: 'command line', written: '' }

/** Options that stand once for the machine, whose occurrences add up: each value with the place that it was given at. */
export class Settings {
  readonly #values = new Map<string, PropertyValue>()
  readonly #places = new Map<string, Place>()
  /** Where the last of them stands. */
  place: Place = NOWHERE

  get values(): Pairs {
    return this.#values
  }

  /** Later values stand above earlier ones. */
  merge(pairs: Pairs, place: Place): void {
    this.place = place
    for (const [key, value] of pairs) {
      this.#values.set(key, value)
      this.#places.set(key, place)
    }
  }

  /** Where this value was given. */
  placeOf(key: string): Place {
    return this.#places.get(key) ?? this.place
  }
}
