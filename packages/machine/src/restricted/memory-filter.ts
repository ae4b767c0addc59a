import type { GuestRam } from '@dmascope/memory'
import type { DeviceMemory } from '../fabric/device-memory.ts'
import type { DeviceLedger } from '../fabric/ledger.ts'

/** [base, base + size) of memory: whole pages. */
export interface OpenRegion {
  readonly base: number
  readonly size: number
}

const PAGE = 4096

/**
 * A filter in front of RAM that lets devices into one region and no other, as Arm's TZC-400 does with what is not the
 * secure world's: elsewhere a read finds zeros, and a write is dropped. It answers all the same, so that no device learns
 * of it.
 *
 * DEVIATION: the real one can be set up to answer with bus errors instead.
 */
export class MemoryFilter {
  readonly #ram: GuestRam
  readonly #base: number
  readonly #end: number

  constructor(ram: GuestRam, { base, size }: OpenRegion) {
    this.#ram = ram
    this.#base = base
    this.#end = base + size
  }

  /** The way of a device, in whose books stands what it was kept from. */
  ofDevice(ledger: DeviceLedger): DeviceMemory {
    const isOpen = (address: number, length: number): boolean => address >= this.#base && address + length <= this.#end
    /** Each run within one page, which is open or not as a whole. */
    const eachRun = (address: number, length: number, go: (at: number, from: number, to: number) => void): number => {
      for (let done = 0; done < length; ) {
        const at = address + done
        const run = Math.min(length - done, PAGE - (at % PAGE))
        go(at, done, done + run)
        done += run
      }
      ledger.closed[ledger.phase]++
      ledger.closedAs = 'blank'
      return length
    }
    return {
      isOpen,
      readBytes: (address, into) =>
        isOpen(address, into.length)
          ? this.#ram.readBytes(address, into)
          : eachRun(address, into.length, (at, from, to) => {
              const piece = into.subarray(from, to)
              if (isOpen(at, to - from)) this.#ram.readBytes(at, piece)
              else piece.fill(0)
            }),
      writeBytes: (address, from) =>
        isOpen(address, from.length)
          ? this.#ram.writeBytes(address, from)
          : eachRun(address, from.length, (at, start, end) => {
              if (isOpen(at, end - start)) this.#ram.writeBytes(at, from.subarray(start, end))
            }),
    }
  }
}
