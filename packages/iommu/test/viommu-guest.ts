import type { Access } from '@dmascope/memory'
import type { VirtioHost } from '@dmascope/virtio-pci'
import { createFlatPort, SplitDeviceQueue } from '@dmascope/virtqueue/device'
import {
  BufferList,
  createFlatBus,
  type DriverQueue,
  SplitDriverQueue,
  splitRingLayout,
} from '@dmascope/virtqueue/driver'
import { NO_PASID, type Translation } from '../src/index.ts'
import { type VirtioIommuOptions, VirtioIommuUnit } from '../src/virtio-iommu/index.ts'

const FEATURES = { indirect: false, eventIndex: false }
const RING_BYTES = 0x4000
const SLOTS = 0x1_0000
const SLOT_BYTES = 1024
const WRITABLE = 256
const EVENTS = 0x8_0000
const EVENT_BYTES = 24

/** All device features that the unit knows: what a driver negotiates unless a test says otherwise. */
export const ALL_FEATURES = { lo: 0x77, hi: 1 }

/** A request as little-endian 32-bit words, device-readable. */
export const attach = (domain: number, endpoint: number, flags = 0): number[] => [1, domain, endpoint, flags, 0]
export const detach = (domain: number, endpoint: number): number[] => [2, domain, endpoint, 0, 0]
export const map = (domain: number, start: number, end: number, phys: number, flags: number): number[] => [
  3,
  domain,
  ...pair(start),
  ...pair(end),
  ...pair(phys),
  flags,
]
export const unmap = (domain: number, start: number, end: number): number[] => [
  4,
  domain,
  ...pair(start),
  ...pair(end),
  0,
]
export const probe = (endpoint: number): number[] => [5, endpoint, ...new Array<number>(16).fill(0)]

const pair = (value: number): [lo: number, hi: number] => [value % 2 ** 32, Math.floor(value / 2 ** 32)]

/** The endpoint of most tests. */
export const EP = 0x18

export const MSI = { kind: 'msi', start: 0xfee0_0000, end: 0xfeef_ffff } as const

/** A unit, and a driver that talks to it over rings in plain memory. */
export class ViommuGuest {
  readonly unit: VirtioIommuUnit
  readonly memory = new Uint8Array(1 << 20)
  readonly view = new DataView(this.memory.buffer)
  readonly out: Translation = { hi: 0, lo: 0, log2Size: 0, rights: 0, tag: 0, route: 'bypass' }
  /** Why the device says that it needs a reset. */
  broken: string | null = null
  /** Queues that interrupts came for. */
  readonly interrupts: number[] = []
  wakes = 0
  #requests!: DriverQueue
  #events!: DriverQueue
  #next = 0

  constructor(options: VirtioIommuOptions = {}, negotiated = ALL_FEATURES) {
    this.unit = new VirtioIommuUnit({ wake: () => this.wakes++, ...options })
    this.start(negotiated)
  }

  /** What a driver does after a reset: both queues, and buffers for events. */
  start(negotiated = ALL_FEATURES): void {
    this.memory.fill(0)
    const port = createFlatPort(this.memory)
    const bus = createFlatBus(this.memory)
    const queues = [0, 1].map((index) => {
      const size = this.unit.queueSizes[index]!
      const layout = splitRingLayout(size, 4096)
      const base = index * RING_BYTES
      const [desc, driver, device] = [base + layout.desc, base + layout.driver, base + layout.device]
      return {
        driver: new SplitDriverQueue(bus, { size, desc, driver, device }, FEATURES),
        device: new SplitDeviceQueue(
          port,
          { size, descHi: 0, descLo: desc, driverHi: 0, driverLo: driver, deviceHi: 0, deviceLo: device },
          FEATURES,
        ),
      }
    })
    this.#requests = queues[0]!.driver
    this.#events = queues[1]!.driver
    this.#next = 0
    const host: VirtioHost = {
      dma: port,
      interrupt: (queue) => this.interrupts.push(queue),
      configChanged() {},
      needsReset: (reason) => {
        this.broken ??= reason
      },
    }
    this.unit.activate(
      queues.map(({ device }) => device),
      negotiated,
      host,
    )
  }

  /** Leaves a buffer for an event. */
  offerEvent(bytes = EVENT_BYTES): void {
    const at = EVENTS + (this.#events.size - this.#events.free) * EVENT_BYTES
    this.#events.add(new BufferList(1).writable(0, at, bytes), at)
    this.#events.publish()
  }

  /** Puts a request on the ring; the device is not told. */
  queue(words: readonly number[], writable = 4, readable = words.length * 4): number {
    const at = SLOTS + (this.#next++ % WRITABLE) * SLOT_BYTES
    for (const [index, word] of words.entries()) this.view.setUint32(at + 4 * index, word, true)
    const answer = at + 128
    this.memory.fill(0xee, answer, answer + writable)
    const list = new BufferList(2)
    if (readable > 0) list.readable(0, at, readable)
    if (writable > 0) list.writable(0, answer, writable)
    const head = this.#requests.add(list, answer)
    return head
  }

  /** Notifies the device and lets it work. The answers of all that was queued, in order: address and used length. */
  kick(): { readonly at: number; readonly length: number }[] {
    this.#requests.publish()
    this.unit.notify(0)
    while (this.unit.work(64) === 'more');
    const done: { at: number; length: number }[] = []
    while (this.#requests.reap()) done.push({ at: this.#requests.reapedToken!, length: this.#requests.reapedLength })
    return done
  }

  /** A request and its status; -1 where the device wrote nothing. */
  send(words: readonly number[], writable = 4): number {
    this.queue(words, writable)
    const { at, length } = this.kick().at(-1)!
    return length === 0 ? -1 : this.view.getUint8(at + length - 4)
  }

  /** The events that came since the last call, in raw bytes. */
  events(): Uint8Array[] {
    while (this.unit.work(64) === 'more');
    const seen: Uint8Array[] = []
    while (this.#events.reap()) {
      const at = this.#events.reapedToken!
      seen.push(this.memory.slice(at, at + this.#events.reapedLength))
    }
    return seen
  }

  dma(requester: number, iova: number, access: Access): number {
    const hi = Math.floor(iova / 2 ** 32)
    return this.unit.translate(requester, NO_PASID, 'untranslated', hi, iova % 2 ** 32, access, this.out)
  }

  get output(): number {
    return this.out.hi * 2 ** 32 + this.out.lo
  }
}

/** A unit whose endpoint is in domain 1. */
export function attached(...args: ConstructorParameters<typeof ViommuGuest>): ViommuGuest {
  const guest = new ViommuGuest(...args)
  const status = guest.send(attach(1, EP))
  if (status !== 0) throw new Error(`ATTACH answered ${status}`)
  return guest
}
