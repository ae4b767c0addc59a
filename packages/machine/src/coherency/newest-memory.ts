import type { GuestRam } from '@dmascope/memory'
import type { DeviceMemory } from '../fabric/device-memory.ts'
import { previewOf } from '../fabric/dma-space.ts'
import type { DeviceLedger } from '../fabric/ledger.ts'
import type { StaleRead } from '../observation.ts'
import type { MemoryAccess } from './memory-access.ts'

const LINE = 64
const SHOWN = 16

/**
 * Memory as it would be if there were nothing between anybody and it: every write lands here at once, whoever makes
 * it. It only watches: a read that answers other bytes than stand here was stale.
 */
export class NewestMemory {
  readonly #newest: GuestRam
  readonly #between: StaleRead['between']
  /** Which device last wrote to a line: whose data a processor missed. As many entries as devices wrote lines. */
  readonly #writers = new Map<number, DeviceLedger>()
  #scratch = new Uint8Array(4096)

  /** @param newest - RAM of the same ranges, of its own */
  constructor(newest: GuestRam, between: StaleRead['between']) {
    this.#newest = newest
    this.#between = between
  }

  /** Enters a write that nobody's way delays. */
  write(address: number, bytes: Uint8Array): void {
    this.#newest.writeBytes(address, bytes)
  }

  /** A processor's way, watched. */
  ofProcessor(way: MemoryAccess): MemoryAccess {
    return {
      readBytes: (address, into) => {
        way.readBytes(address, into)
        const at = this.#firstDifference(address, into)
        const writer = at < 0 ? undefined : this.#writerOf(address, at, into.length)
        if (writer !== undefined) writer.staleRead(this.#describe('processor', address, at, into))
      },
      writeBytes: (address, from) => {
        this.#newest.writeBytes(address, from)
        way.writeBytes(address, from)
      },
    }
  }

  /** A device's way, watched. Firmware's doings are not judged. */
  ofDevice(way: MemoryAccess, ledger: DeviceLedger): DeviceMemory {
    return {
      isOpen: () => false,
      readBytes: (address, into) => {
        way.readBytes(address, into)
        const at = this.#firstDifference(address, into)
        if (at >= 0 && ledger.phase !== 'firmware') ledger.staleRead(this.#describe('device', address, at, into))
        return into.length
      },
      writeBytes: (address, from) => {
        this.#newest.writeBytes(address, from)
        for (let line = address - (address % LINE); line < address + from.length; line += LINE) {
          this.#writers.set(line, ledger)
        }
        way.writeBytes(address, from)
        return from.length
      },
    }
  }

  /** Gives its memory back. */
  dispose(): void {
    this.#newest.dispose()
  }

  #writerOf(address: number, at: number, length: number): DeviceLedger | undefined {
    for (let byte = address + at; byte < address + length; byte += LINE) {
      const writer = this.#writers.get(byte - (byte % LINE))
      if (writer !== undefined) return writer
    }
    return undefined
  }

  /** Where `got` first differs from what it should be; -1 where it does not. Leaves the latter in the scratch buffer. */
  #firstDifference(address: number, got: Uint8Array): number {
    if (this.#scratch.length < got.length) this.#scratch = new Uint8Array(got.length)
    const scratch = this.#scratch
    this.#newest.readBytes(address, scratch.subarray(0, got.length))
    for (let index = 0; index < got.length; index++) if (got[index] !== scratch[index]) return index
    return -1
  }

  #describe(reader: StaleRead['reader'], address: number, at: number, got: Uint8Array): StaleRead {
    const end = Math.min(got.length, at + SHOWN)
    return {
      reader,
      between: this.#between,
      address: `0x${(address + at).toString(16)}`,
      got: previewOf(got.subarray(at, end)),
      newest: previewOf(this.#scratch.subarray(at, end)),
      count: 1,
    }
  }
}
