import type { Access, DmaPhase, DmaWitness } from '@dmascope/memory'
import { ACCESS_WRITE } from '@dmascope/memory'
import type { ClosedAs, DmaCounts, StaleRead, StrayAccess } from '../observation.ts'
import { type Grant, Grants } from './grants.ts'
import type { MemoryOwners } from './memory-owners.ts'

/** Distinct stray accesses that are kept per device; beyond that they are only counted. */
const KEPT_STRAYS = 32
/** The same of stale reads. */
const KEPT_STALE = 32
/** Accesses that a trace keeps at most, so that a runaway device cannot fill memory. */
const KEPT_TRACE = 500_000

/** One DMA, for `--trace`. */
export interface TracedAccess {
  readonly sequence: number
  readonly device: string
  readonly kind: 'read' | 'write' | 'msi'
  readonly busAddress: string
  readonly physical: string | null
  readonly length: number
  readonly route: 'translated' | 'untranslated' | 'faulted'
  readonly phase: DmaPhase
}

const noCounts = (): DmaCounts => ({ reads: 0, writes: 0, bytes: 0, translated: 0, untranslated: 0, faulted: 0 })

/** What one function's DMA did. Written by its port, read for the report. */
export class DeviceLedger {
  readonly counts: Readonly<Record<DmaPhase, DmaCounts>> = {
    firmware: noCounts(),
    probe: noCounts(),
    'self-test': noCounts(),
    assigned: noCounts(),
  }
  #phase: DmaPhase = 'firmware'
  #now = this.counts.firmware
  /** What became of accesses to memory that was closed to the device; null where there were none. */
  closedAs: ClosedAs | null = null
  /** How many these were, by phase. */
  readonly closed: Record<DmaPhase, number> = { firmware: 0, probe: 0, 'self-test': 0, assigned: 0 }
  msi = 0
  readonly grants = new Grants()
  readonly strays: StrayAccess[] = []
  strayCount = 0
  /** What the device read that was out of date, and what the processor did of what the device wrote. */
  readonly staleReads: StaleRead[] = []
  readonly #byPlace = new Map<string, number>()

  get phase(): DmaPhase {
    return this.#phase
  }

  set phase(phase: DmaPhase) {
    this.#phase = phase
    this.#now = this.counts[phase]
  }

  /** The counts of the phase that the device is in. */
  get now(): DmaCounts {
    return this.#now
  }

  /** Firmware and users' programs keep no books: their DMA is not judged. */
  get unjudged(): boolean {
    return this.phase === 'firmware' || this.phase === 'assigned'
  }

  /** Whether the guest has given the device this memory. */
  allows(address: number, length: number, access: Access): boolean {
    return this.unjudged || this.grants.covering(address, length, access) !== null
  }

  /** Records a read that was out of date. Those of one address are folded; the first one's bytes stay. */
  staleRead(read: StaleRead): void {
    const known = this.staleReads.findIndex(({ reader, address }) => reader === read.reader && address === read.address)
    const before = this.staleReads[known]
    if (before !== undefined) this.staleReads[known] = { ...before, count: before.count + read.count }
    else if (this.staleReads.length < KEPT_STALE) this.staleReads.push(read)
  }

  /** Records an access outside every grant. Equal ones are folded. */
  stray(access: StrayAccess): void {
    this.strayCount += access.count
    const place = `${access.kind} ${access.physical ?? `bus ${access.busAddress}`} ${access.length}`
    const known = this.#byPlace.get(place)
    const before = known === undefined ? undefined : this.strays[known]
    if (known !== undefined && before !== undefined) {
      this.strays[known] = {
        ...before,
        count: before.count + access.count,
        ...(access.after && { after: access.after }),
      }
    } else if (this.strays.length < KEPT_STRAYS) {
      this.#byPlace.set(place, this.strays.length)
      this.strays.push(access)
    }
  }
}

/**
 * Books of who accessed what: the counters of every requester, the guest's grants, and, where a trace is wanted, each
 * access. It only watches; nothing in the machine asks it anything.
 */
export class Ledger implements DmaWitness {
  readonly #resolve: (owner: string) => DeviceLedger | null
  readonly #grants: ({ owner: DeviceLedger; grant: Grant } | null)[] = []
  readonly trace: TracedAccess[] | null
  traceDropped = 0
  /** Who has memory, where it is not all one guest's. */
  owners: MemoryOwners | null = null

  /** @param resolve - the ledger of the function at an address such as `0000:00:03.0`; null where there is none */
  constructor(resolve: (owner: string) => DeviceLedger | null, options: { readonly trace?: boolean } = {}) {
    this.#resolve = resolve
    this.trace = options.trace === true ? [] : null
  }

  grant(owner: string, address: number, length: number, access: Access, purpose: string): number {
    const device = this.#resolve(owner)
    if (device === null) return -1
    const grant = { address, end: address + length, access, purpose }
    device.grants.add(grant)
    return this.#grants.push({ owner: device, grant }) - 1
  }

  revoke(grant: number): void {
    const held = this.#grants[grant]
    if (!held) return
    held.owner.grants.remove(held.grant)
    this.#grants[grant] = null
  }

  phase(owner: string, phase: DmaPhase): void {
    const device = this.#resolve(owner)
    if (device !== null) device.phase = phase
  }

  record(access: Omit<TracedAccess, 'sequence'>): void {
    if (this.trace === null) return
    if (this.trace.length < KEPT_TRACE) this.trace.push({ sequence: this.trace.length, ...access })
    else this.traceDropped++
  }
}

/** Adds one access to the counts. */
export function count(counts: DmaCounts, access: Access, bytes: number, route: 'translated' | 'untranslated'): void {
  if (access === ACCESS_WRITE) counts.writes++
  else counts.reads++
  counts.bytes += bytes
  counts[route]++
}
