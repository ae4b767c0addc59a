import type { GuestRam } from '@dmascope/memory'
import type { RefusedAccess } from '../access-faults.ts'

/** What one host bridge can do. */
export interface IodaFeatures {
  /** Partitionable endpoints: a power of two, 256 or 512 of a PHB4. */
  readonly endpoints: number
  /** A fault freezes the endpoint, as the hardware does; QEMU refuses the one request alone. */
  readonly freezes: boolean
  /** The ends of an untranslated window are looked at, as the hardware does; QEMU lets all addresses through. */
  readonly checksUntranslated: boolean
}

/** A fault, for an observer. */
export interface SeenFault extends RefusedAccess {
  /** The partitionable endpoint that the requester is in. */
  readonly endpoint: number
}

/** A host bridge's tables, where TCEs lie, and who is told of what it refuses. */
export interface IodaOptions extends Partial<IodaFeatures> {
  /** Memory with the TCE tables: the machine's own, which software writes. */
  readonly ram: GuestRam
  readonly onFault?: (fault: SeenFault) => void
}

/** Puts the defaults in: the larger PHB4, as hardware. @throws RangeError for a number of endpoints that none has */
export function completeFeatures({
  endpoints = 512,
  freezes = true,
  checksUntranslated = true,
}: Partial<IodaFeatures>): IodaFeatures {
  if (!(Number.isInteger(endpoints) && endpoints >= 2 && endpoints <= 0x1000 && Math.log2(endpoints) % 1 === 0)) {
    throw new RangeError(`endpoints is a power of two from 2 to 4096, got ${endpoints}`)
  }
  return { endpoints, freezes, checksUntranslated }
}
