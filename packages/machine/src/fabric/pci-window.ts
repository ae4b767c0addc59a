import type { MmioHandler, PortHandler, Region, Window } from '@dmascope/memory'
import { type DecodedRange, type PciFunction, ROM_BAR, type RootComplex } from '@dmascope/pci'
import type { RunQueue } from './run-queue.ts'

const scratch = new Uint32Array(2)
const WHOLE = { base: 0, size: 2 ** 52 } as const

/** A BAR's registers as the address space sees them. A write may give the function work. */
function barHandler(one: PciFunction, bar: number, queue: RunQueue): MmioHandler {
  // The option ROM holds nothing: no firmware of ours runs it.
  if (bar === ROM_BAR) return { read: (_offset, width) => 0xffff_ffff >>> (32 - 8 * width), write: () => {} }
  return {
    read(offset, width) {
      scratch[0] = 0
      one.readBar(bar, offset, width, scratch)
      const value = scratch[0]!
      return width === 4 ? value : value & (width === 2 ? 0xffff : 0xff)
    },
    write(offset, width, value) {
      one.writeBar(bar, offset, width, value, 0)
      queue.touch(one)
    },
  }
}

/** The memory and port windows of a PCI host bridge: BARs, wherever software has put them. */
export class PciWindow implements Window {
  readonly name = 'pci'
  readonly base: number
  readonly size: number
  readonly #root: RootComplex
  readonly #queue: RunQueue
  readonly #handlers = new Map<PciFunction, MmioHandler[]>()
  /** The last answer: software comes back to the same BAR. It is good while the tree's generation stands. */
  #range: DecodedRange | null = null
  #region: Region | null = null
  #generation = -1

  /** @param place - the stretch of addresses that it answers, which are bus addresses too; all unless given */
  constructor(root: RootComplex, queue: RunQueue, place: { readonly base: number; readonly size: number } = WHOLE) {
    this.base = place.base
    this.size = place.size
    this.#root = root
    this.#queue = queue
  }

  #handler(one: PciFunction, bar: number): MmioHandler {
    let handlers = this.#handlers.get(one)
    if (handlers === undefined) {
      handlers = []
      this.#handlers.set(one, handlers)
    }
    handlers[bar] ??= barHandler(one, bar, this.#queue)
    return handlers[bar]!
  }

  find(address: number): Region | null {
    const last = this.#range
    const { generation } = this.#root
    if (last !== null && this.#generation === generation && address >= last.start && address < last.end) {
      return this.#region
    }
    const range = this.#root.memoryRangeAt(address)
    if (range === null) return null
    this.#range = range
    this.#generation = generation
    this.#region = {
      name: 'BAR',
      base: range.barAddress,
      size: range.end - range.barAddress,
      kind: range.bar === ROM_BAR ? 'rom' : 'mmio',
      handler: this.#handler(range.function, range.bar),
    }
    return this.#region
  }

  findPort(port: number): { handler: PortHandler; offset: number } | null {
    const range = this.#root.ioRangeAt(port)
    return range === null
      ? null
      : { handler: this.#handler(range.function, range.bar), offset: port - range.barAddress }
  }
}
