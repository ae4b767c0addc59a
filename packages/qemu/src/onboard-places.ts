import type { MachineName } from '@dmascope/machine'
import type { Entry } from './collected.ts'

/**
 * Where QEMU puts what `-vga`, `-nic` and `-net nic` ask for, on machines with places of their own for it: on a sun4u the
 * display and the first card of its own model have theirs on the bus of the board, and further cards go on the other.
 */
export class OnboardPlaces {
  readonly #isSun4u: boolean
  #hasCard = false

  constructor(machine: MachineName) {
    this.#isSun4u = machine === 'sun4u'
  }

  display(entry: Entry): Entry {
    return this.#isSun4u
      ? placed(entry, [
          ['bus', 'pciA'],
          ['addr', '02.0'],
        ])
      : entry
  }

  card(entry: Entry): Entry {
    if (!this.#isSun4u) return entry
    const isOnboard = entry.pairs.get('driver') === 'sunhme' && !this.#hasCard
    this.#hasCard ||= isOnboard
    return placed(
      entry,
      isOnboard
        ? [
            ['bus', 'pciA'],
            ['addr', '01.1'],
            ['multifunction', 'on'],
          ]
        : [['bus', 'pciB']],
    )
  }
}

const placed = (entry: Entry, place: readonly (readonly [string, string])[]): Entry => ({
  ...entry,
  pairs: new Map([...place, ...entry.pairs]),
})
