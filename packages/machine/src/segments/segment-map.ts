import { DmascopeError } from '@dmascope/layout'
import type { Chipset } from '../chipset/chipset.ts'
import type { MachineDescription, SegmentDescription } from '../description.ts'

const MIB = 0x10_0000
const GIB = 0x4000_0000
const FOUR_GIB = 4 * GIB
/** Configuration space of 256 buses. */
const ECAM_SIZE = 256 * MIB
const LOW_SIZE = 64 * MIB
const HIGH_SIZE = 16 * GIB
/** A Q35's own ECAM: the hole between RAM and it is free. */
const LOW_END = 0xb000_0000
/**
 * Ports that a Q35 has to spare while segment 0 makes do with those that SeaBIOS gives out first. Real machines run out
 * of them too: segments beyond the second have none.
 */
const PORTS = { base: 0x8000, end: 0xc000, size: 0x2000 } as const

/** [base, base + size): guest-physical addresses, or ports. */
export interface SegmentRange {
  readonly base: number
  readonly size: number
}

/** What a host bridge passes on, and where its configuration space is. */
export interface SegmentPlace {
  readonly segment: number
  readonly ecam: SegmentRange
  /** Below 4 GiB. */
  readonly memory: SegmentRange
  /** Above. */
  readonly memory64: SegmentRange
  /** Null where there are none left. */
  readonly ports: SegmentRange | null
}

/** Where the segments beside segment 0 are, and the end of all that they take above RAM; 0 where there are none. */
export interface SegmentMap {
  readonly places: readonly SegmentPlace[]
  readonly end: number
}

/**
 * Gives each segment of a Q35 its addresses: below 4 GiB from the hole behind RAM, above 4 GiB behind RAM.
 *
 * @throws DmascopeError MACHINE_SEGMENT where RAM leaves no hole that is large enough
 */
export function segmentMap(chipset: Chipset, { memory, segments = [] }: MachineDescription): SegmentMap {
  if (segments.length === 0) return { places: [], end: 0 }
  const low = Math.ceil(chipset.lowRamEnd(memory) / LOW_SIZE) * LOW_SIZE
  const room = Math.max(0, Math.floor((LOW_END - low) / LOW_SIZE))
  if (segments.length > room) throw noRoom(segments, memory, room)
  const first = Math.ceil((FOUR_GIB + Math.max(0, memory - chipset.lowRamEnd(memory))) / GIB) * GIB
  const high = Math.ceil((first + segments.length * ECAM_SIZE) / HIGH_SIZE) * HIGH_SIZE
  const places = segments.map(({ segment }, index): SegmentPlace => {
    const port = PORTS.base + index * PORTS.size
    return {
      segment,
      ecam: { base: first + index * ECAM_SIZE, size: ECAM_SIZE },
      memory: { base: low + index * LOW_SIZE, size: LOW_SIZE },
      memory64: { base: high + index * HIGH_SIZE, size: HIGH_SIZE },
      ports: port < PORTS.end ? { base: port, size: PORTS.size } : null,
    }
  })
  return { places, end: high + segments.length * HIGH_SIZE }
}

const noRoom = (segments: readonly SegmentDescription[], memory: number, room: number): DmascopeError =>
  new DmascopeError(
    'MACHINE_SEGMENT',
    `${segments[room]!.location.text}: ${memory / MIB} MiB of memory leave room below 4 GiB for ${room} segments beside segment 0; write less than 2.7G of memory, or 3G and more`,
    { segments: segments.length, room, memory },
  )
