import { VIRTIO_PCI_LEGACY_PAGE_SIZE } from '@dmascope/virtio-pci/spec'
import type { VirtioTransport } from '@dmascope/virtio-pci/transport'
import { splitRingLayout } from '@dmascope/virtqueue'
import type { QueueRegisters } from './queue-registers.ts'
import { VIRTIO_MMIO, VIRTIO_MMIO_LEGACY } from './spec/registers.ts'

const QUEUE_SIZE = VIRTIO_MMIO.registers.QueueSize.offset
const QUEUE_ALIGN = VIRTIO_MMIO_LEGACY.registers.QueueAlign.offset
const QUEUE_PFN = VIRTIO_MMIO_LEGACY.registers.QueuePFN.offset
const LEAST_ALIGNMENT = 4
const MOST_ALIGNMENT = 2 ** 31

/**
 * Version 1: a queue is one piece of memory, named by its page number; how large a page is, and how the used ring is
 * aligned in it, the driver says (virtio 1.3 §4.2.4).
 */
export class LegacyQueues implements QueueRegisters {
  readonly #transport: VirtioTransport
  /** Keeps its value over resets: drivers write it once (so does QEMU, and Linux counts on it). */
  #pageShift = 0
  readonly #frames: number[]
  readonly #alignments: number[]

  constructor(transport: VirtioTransport) {
    this.#transport = transport
    this.#frames = transport.queues.map(() => 0)
    this.#alignments = transport.queues.map(() => VIRTIO_PCI_LEGACY_PAGE_SIZE)
  }

  read(queue: number, offset: number): number {
    if (offset !== QUEUE_PFN || this.#transport.queues[queue]?.enabled !== true) return 0
    return this.#frames[queue]!
  }

  write(queue: number, offset: number, value: number): void {
    const transport = this.#transport
    if (transport.queues[queue] === undefined) return
    switch (offset) {
      case QUEUE_SIZE:
        transport.setQueueSize(queue, value)
        this.#replace(queue)
        break
      case QUEUE_ALIGN:
        // DEVIATION: QEMU takes any alignment, and finds the used ring at odd places by one that is no power of two.
        if (value < LEAST_ALIGNMENT || value > MOST_ALIGNMENT || (value & (value - 1)) !== 0) return
        this.#alignments[queue] = value
        this.#replace(queue)
        break
      case QUEUE_PFN:
        // Page 0 resets the device, as in QEMU.
        if (value === 0) {
          transport.reset()
          return
        }
        this.#frames[queue] = value
        this.#place(queue)
        break
    }
  }

  /** What is no page size, by its lowest set bit, makes page numbers addresses. */
  setPageSize(bytes: number): void {
    this.#pageShift = bytes === 0 ? 0 : 31 - Math.clz32(bytes & -bytes)
  }

  #replace(queue: number): void {
    if (this.#transport.queues[queue]!.enabled) this.#place(queue)
  }

  #place(queue: number): void {
    const transport = this.#transport
    const state = transport.queues[queue]!
    transport.disableQueue(queue)
    if ((state.size & (state.size - 1)) === 0) {
      const { driver, device } = splitRingLayout(state.size, this.#alignments[queue]!)
      const base = this.#frames[queue]! * 2 ** this.#pageShift
      const hi = Math.floor(base / 2 ** 32)
      const lo = base % 2 ** 32
      const [driverHi, driverLo] = plus(hi, lo, driver)
      const [deviceHi, deviceLo] = plus(hi, lo, device)
      Object.assign(state, { descHi: hi, descLo: lo, driverHi, driverLo, deviceHi, deviceLo })
    }
    // Of a size that is no power of two, the device says that it cannot go on, once it is to run.
    transport.enableQueue(queue)
  }
}

/** A bus address and what lies `offset` bytes behind it, as pairs: with large pages it is beyond what a Number tells apart. */
function plus(hi: number, lo: number, offset: number): [hi: number, lo: number] {
  const sum = lo + offset
  return [(hi + (sum >= 2 ** 32 ? 1 : 0)) >>> 0, sum >>> 0]
}
