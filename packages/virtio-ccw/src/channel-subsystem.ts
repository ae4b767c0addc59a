import type { ChannelDevice } from './channel-device.ts'
import { IO_INTERRUPTION_WORD, SUBCHANNEL_SETS, SUBCHANNELS_IN_SET, subsystemId } from './spec/index.ts'
import { type InterruptionQueue, Subchannel } from './subchannel.ts'

const SUBCLASSES = 8
/** Of control register 6, the bit of interruption subclass 0. */
const FIRST_SUBCLASS = 0x8000_0000
const { A, ISC } = IO_INTERRUPTION_WORD.fields

/** An I/O interruption, as the processor stores it. */
export interface IoInterruption {
  readonly subsystemId: number
  readonly intparm: number
  readonly word: number
}

/** Where a device is to be found. */
export interface ChannelPlace {
  readonly set: number
  /** Its subchannel's number within the set. */
  readonly number: number
  readonly deviceNumber: number
}

/** All subchannels of a machine, and the interruptions that wait for its processor. */
export class ChannelSubsystem implements InterruptionQueue {
  /** Control register 6: subclasses whose interruptions the processor takes, 0 at the top. */
  enabledSubclasses = 0
  readonly #sets: Map<number, Subchannel>[] = Array.from({ length: SUBCHANNEL_SETS }, () => new Map())
  readonly #last = new Int32Array(SUBCHANNEL_SETS).fill(-1)
  readonly #waiting: Subchannel[][] = Array.from({ length: SUBCLASSES }, () => [])
  /** Adapter interruptions that wait; bits as in control register 6. */
  #adapters = 0

  /** @throws RangeError where the subchannel is there already, or none can be */
  add({ set, number, deviceNumber }: ChannelPlace, device: ChannelDevice): Subchannel {
    const subchannels = this.#sets[set]
    if (subchannels === undefined || !(Number.isInteger(number) && number >= 0 && number < SUBCHANNELS_IN_SET)) {
      throw new RangeError(`sets are 0 to 3 and subchannels 0 to 0xffff, got ${set} and ${number}`)
    }
    if (subchannels.has(number)) throw new RangeError(`subchannel ${set}.${number.toString(16)} is there already`)
    const subchannel = new Subchannel({ set, number, deviceNumber }, device, this)
    subchannels.set(number, subchannel)
    this.#last[set] = Math.max(this.#last[set]!, number)
    return subchannel
  }

  find(set: number, number: number): Subchannel | null {
    return this.#sets[set]?.get(number) ?? null
  }

  /** No subchannel of the set has this number or a higher one. */
  isBeyond(set: number, number: number): boolean {
    return number > (this.#last[set] ?? -1)
  }

  /** Whether an interruption waits that the processor would take. */
  get pending(): boolean {
    return this.#next() >= 0
  }

  /** Takes the interruption of the highest subclass, 0; null where none waits. A subchannel's come before an adapter's. */
  take(): IoInterruption | null {
    const isc = this.#next()
    if (isc < 0) return null
    const subchannel = this.#waiting[isc]!.shift()
    if (subchannel === undefined) {
      this.#adapters &= ~bitOf(isc)
      return { subsystemId: 0, intparm: 0, word: (A.loMask | (isc << ISC.low)) >>> 0 }
    }
    const { set, number, intparm } = subchannel
    return { subsystemId: subsystemId(set, number), intparm, word: (isc << ISC.low) >>> 0 }
  }

  pend(subchannel: Subchannel): void {
    const queue = this.#waiting[subchannel.isc]!
    if (!queue.includes(subchannel)) queue.push(subchannel)
  }

  withdraw(subchannel: Subchannel): void {
    const queue = this.#waiting[subchannel.isc]!
    const at = queue.indexOf(subchannel)
    if (at >= 0) queue.splice(at, 1)
  }

  adapter(isc: number): void {
    this.#adapters |= bitOf(isc & (SUBCLASSES - 1))
  }

  #next(): number {
    for (let isc = 0; isc < SUBCLASSES; isc++) {
      if ((this.enabledSubclasses & bitOf(isc)) === 0) continue
      if (this.#waiting[isc]!.length > 0 || (this.#adapters & bitOf(isc)) !== 0) return isc
    }
    return -1
  }
}

const bitOf = (isc: number): number => FIRST_SUBCLASS >>> isc
