import type { GuestRam } from '@dmascope/memory'
import type { RequesterId } from '../translator.ts'
import { FLAGS, KIND, KIND_ABORT, KIND_FAULT, KIND_NESTED, KIND_STAGE_2, REASON, STRIDE, TAG } from './configuration.ts'
import { decodeContextDescriptor } from './context-descriptor.ts'
import type { SmmuV3Features } from './options.ts'
import { EVENTS } from './spec/events.ts'
import { CONTEXT_DESCRIPTOR, STREAM_TABLE_ENTRY } from './spec/tables.ts'
import type { StagedWalk } from './staged-walk.ts'
import { StreamTable } from './stream-table.ts'
import { decodeStreamTableEntry } from './stream-table-entry.ts'

const LINES = 256
const CACHED = 0x1_0000
const READ = 1

/** The configuration cache: what stream table entry and context descriptor say of a StreamID, until invalidated. */
export class ConfigurationCache {
  /** Read with the constants of `configuration.ts`, at the offset that `find` answers. */
  readonly words = new Int32Array((LINES + 1) * STRIDE)
  readonly table: StreamTable
  /** What could not be read, after F_STE_FETCH or F_CD_FETCH. */
  failedAddress = 0
  readonly #ram: GuestRam
  readonly #features: SmmuV3Features
  readonly #walk: StagedWalk

  constructor(ram: GuestRam, features: SmmuV3Features, walk: StagedWalk) {
    this.#ram = ram
    this.#features = features
    this.#walk = walk
    this.table = new StreamTable(ram, features)
  }

  /** Offset of the stream's line. A fault, which is not cached, stands in a line of its own. */
  find(stream: RequesterId): number {
    const line = ((stream ^ (stream >>> 8)) & (LINES - 1)) * STRIDE
    return this.words[line + TAG] === (stream | CACHED) ? line : this.#fetch(stream, line)
  }

  #fetch(stream: RequesterId, line: number): number {
    const words = this.words
    const scratch = LINES * STRIDE
    words.fill(0, scratch, scratch + STRIDE)
    const reason = this.#read(stream, scratch)
    if (reason !== 0) {
      words[scratch + KIND] = KIND_FAULT
      words[scratch + REASON] = reason
      return scratch
    }
    words[scratch + TAG] = stream | CACHED
    words.copyWithin(line, scratch, scratch + STRIDE)
    return line
  }

  #read(stream: RequesterId, into: number): number {
    const words = this.words
    const entry = this.table.addressOf(stream)
    if (entry < 0) return EVENTS.C_BAD_STREAMID.value
    const at = this.table.fetchFailed ? -1 : this.#ram.offsetToRead(entry)
    if (at < 0 || this.#ram.offsetToRead(entry + STREAM_TABLE_ENTRY.size - 8) < 0) {
      this.failedAddress = entry
      return EVENTS.F_STE_FETCH.value
    }
    const descriptor = decodeStreamTableEntry(this.#ram.view, at, this.#features, words, into)
    if (descriptor < 0) return EVENTS.C_BAD_STE.value
    const kind = words[into + KIND]!
    if (kind <= KIND_ABORT + 1 || kind === KIND_STAGE_2) return 0
    return this.#readContext(descriptor, kind, into)
  }

  #readContext(descriptor: number, kind: number, into: number): number {
    let address = descriptor
    if (kind === KIND_NESTED) {
      // Stage 1 is described in intermediate addresses.
      address = this.#walk.contextDescriptor(this.words, into, descriptor, READ)
      if (address < 0) return this.#walk.fault.reason
    }
    const at = this.#ram.offsetToRead(address)
    if (at < 0 || this.#ram.offsetToRead(address + CONTEXT_DESCRIPTOR.size - 8) < 0) {
      this.failedAddress = address
      return EVENTS.F_CD_FETCH.value
    }
    const valid = decodeContextDescriptor(this.#ram.view, at, this.#features, this.words, into)
    return valid ? 0 : EVENTS.C_BAD_CD.value
  }

  /** Whether faults of the line's stage are recorded: CD.R and STE.S2R. */
  records(line: number, flag: number): boolean {
    return (this.words[line + FLAGS]! & flag) !== 0
  }

  invalidateAll(): void {
    for (let line = 0; line < LINES * STRIDE; line += STRIDE) this.words[line + TAG] = 0
  }

  /** The StreamIDs from `first` to `last`. */
  invalidateStreams(first: number, last: number): void {
    for (let line = 0; line < LINES * STRIDE; line += STRIDE) {
      const tag = this.words[line + TAG]!
      const stream = tag & 0xffff
      if (tag !== 0 && stream >= first && stream <= last) this.words[line + TAG] = 0
    }
  }
}
