import type { DmaPort, DmaResult, RingView } from '@dmascope/memory'
import { createFlatPort, type DeviceQueue, SplitDeviceQueue } from '@dmascope/virtqueue/device'

/** A queue in 64 KiB of memory at fixed places, written by hand as a driver would, or would not. */
export const DESC = 0x1000
export const AVAIL = 0x2000
export const USED = 0x3000
export const NEXT = 1
export const WRITE = 2
export const INDIRECT = 4

export class RingBench {
  readonly memory = new Uint8Array(0x1_0000)
  readonly view = new DataView(this.memory.buffer)
  readonly size: number

  constructor(size = 8) {
    this.size = size
  }

  queue(features: { indirect?: boolean; eventIndex?: boolean } = {}, port = createFlatPort(this.memory)): DeviceQueue {
    return new SplitDeviceQueue(
      port,
      { size: this.size, descHi: 0, descLo: DESC, driverHi: 0, driverLo: AVAIL, deviceHi: 0, deviceLo: USED },
      { indirect: features.indirect ?? false, eventIndex: features.eventIndex ?? false },
    )
  }

  /** One descriptor, at `table` + `index` * 16. */
  desc(index: number, address: number, length: number, flags = 0, next = 0, table = DESC, hi = 0): void {
    const at = table + index * 16
    this.view.setUint32(at, address, true)
    this.view.setUint32(at + 4, hi, true)
    this.view.setUint32(at + 8, length, true)
    this.view.setUint16(at + 12, flags, true)
    this.view.setUint16(at + 14, next, true)
  }

  /** Puts heads in the available ring from entry `from` on, and moves avail.idx behind them. */
  offer(from: number, ...heads: number[]): void {
    heads.forEach((head, index) => {
      this.view.setUint16(AVAIL + 4 + ((from + index) % this.size) * 2, head, true)
    })
    this.availIdx = from + heads.length
  }

  get availIdx(): number {
    return this.view.getUint16(AVAIL + 2, true)
  }
  set availIdx(value: number) {
    this.view.setUint16(AVAIL + 2, value & 0xffff, true)
  }
  get usedIdx(): number {
    return this.view.getUint16(USED + 2, true)
  }
  usedElem(index: number): [id: number, len: number] {
    const at = USED + 4 + (index % this.size) * 8
    return [this.view.getUint32(at, true), this.view.getUint32(at + 4, true)]
  }
}

/** One access that a port saw. */
export interface Seen {
  readonly kind: 'read' | 'write'
  readonly address: number
  readonly length: number
}

/** A port that can withhold views, end them, answer with faults, and that remembers what went through it. */
export class ScriptedPort implements DmaPort {
  readonly seen: Seen[] = []
  readonly accounted: [reads: number, writes: number, bytes: number][] = []
  viewsAllowed = true
  epoch = 0
  viewsGiven = 0
  /** What an access at this bus address ends with. */
  outcome: (kind: 'read' | 'write', hi: number, lo: number) => DmaResult = () => 0
  readonly #inner: DmaPort

  constructor(memory: Uint8Array) {
    this.#inner = createFlatPort(memory)
  }

  read(hi: number, lo: number, into: Uint8Array): DmaResult {
    this.seen.push({ kind: 'read', address: lo, length: into.length })
    const outcome = this.outcome('read', hi, lo)
    return outcome === 0 ? this.#inner.read(hi, lo, into) : outcome
  }
  write(hi: number, lo: number, from: Uint8Array): DmaResult {
    this.seen.push({ kind: 'write', address: lo, length: from.length })
    const outcome = this.outcome('write', hi, lo)
    return outcome === 0 ? this.#inner.write(hi, lo, from) : outcome
  }
  view(hi: number, lo: number, length: number): RingView | null {
    const view = this.viewsAllowed ? this.#inner.view(hi, lo, length, 3) : null
    if (view === null) return null
    this.viewsGiven++
    return { data: view.data, bytes: view.bytes, epoch: this.epoch }
  }
  isCurrent(view: RingView): boolean {
    return view.epoch === this.epoch
  }
  account(_view: RingView, reads: number, writes: number, bytes: number): void {
    this.accounted.push([reads, writes, bytes])
  }
  get accountedTotal(): [reads: number, writes: number, bytes: number] {
    return this.accounted.reduce<[number, number, number]>(
      ([reads, writes, bytes], one) => [reads + one[0], writes + one[1], bytes + one[2]],
      [0, 0, 0],
    )
  }
}
