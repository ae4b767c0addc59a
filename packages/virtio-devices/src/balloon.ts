import { DMA_OK, DMA_PENDING } from '@dmascope/memory'
import type { VirtioDevice } from '@dmascope/virtio-pci'
import type { DeviceQueue } from '@dmascope/virtqueue/device'
import { eachByte, readConfig } from './config-window.ts'
import { offer } from './features.ts'
import { QueuePump, SERVE_HOLD, SERVE_MORE, SERVE_WAIT } from './queue-pump.ts'
import {
  VIRTIO_BALLOON_DEFLATEQ,
  VIRTIO_BALLOON_FEATURES,
  VIRTIO_BALLOON_STAT_TAGS,
  VIRTIO_BALLOON_STATSQ,
  VIRTIO_ID_BALLOON,
  virtio_balloon_config,
  virtio_balloon_pfn,
  virtio_balloon_stat,
} from './spec/balloon.ts'

/** Takes and gives back guest memory. Page numbers are guest-physical, of 4096 bytes, and may be any 32-bit value. */
export interface BalloonMemory {
  /** The guest no longer uses the page. */
  inflate(page: number): void
  /** The guest uses the page again. */
  deflate(page: number): void
}

export interface BalloonOptions {
  readonly memory?: BalloonMemory
}

/** A statistic as the guest reported it, an unsigned pair; the key is one of VIRTIO_BALLOON_STAT_TAGS. */
export type BalloonStats = Readonly<
  Partial<Record<(typeof VIRTIO_BALLOON_STAT_TAGS)[number], readonly [number, number]>>
>

export interface BalloonDevice extends VirtioDevice {
  /** Asks the guest for a balloon of this many pages of 4096 bytes. */
  setTarget(pages: number): void
  /** Pages that the driver says are in the balloon. */
  readonly actual: number
  /** Page numbers that came over the queues since reset, right or wrong. */
  readonly inflated: number
  readonly deflated: number
  /** Asks the driver for new statistics: gives the buffer back that it left. False where it left none. */
  requestStats(): boolean
  /** As last reported, (hi, lo). */
  readonly stats: BalloonStats
}

type Counting = BalloonDevice & { actual: number; inflated: number; deflated: number; stats: BalloonStats }

const F = VIRTIO_BALLOON_FEATURES.fields
const { fields } = virtio_balloon_config
const { pfn } = virtio_balloon_pfn.fields
const { tag, val } = virtio_balloon_stat.fields
/** Page numbers read at a time; one unit of work's budget. */
const CHUNK_PAGES = 256
/** Entries of a statistics buffer that are looked at; what stands behind them can only repeat a tag. */
const MAX_STATS = 64

/**
 * A memory balloon (virtio 1.3 §5.5) that offers what QEMU's offers by default: statistics and page poisoning.
 *
 * Page numbers are guest-physical addresses whatever the platform's IOMMU does: a balloon is told of memory, it does
 * not access it. Linux's driver declines VIRTIO_F_ACCESS_PLATFORM for that reason.
 */
export function createBalloon(options: BalloonOptions = {}): BalloonDevice {
  const { memory } = options
  const view = new DataView(new ArrayBuffer(virtio_balloon_config.size))
  const pages = new DataView(new ArrayBuffer(CHUNK_PAGES * virtio_balloon_pfn.size))
  const pageBytes = new Uint8Array(pages.buffer)
  const report = new DataView(new ArrayBuffer(MAX_STATS * virtio_balloon_stat.size))
  const pump = new QueuePump(serve)
  /** Bytes of the current inflate and deflate chain that were seen. */
  const seen = [0, 0]
  let holdsStats = false
  let wantsStats = false

  function serve(index: number, queue: DeviceQueue, fresh: boolean): number {
    return index === VIRTIO_BALLOON_STATSQ ? takeStats(queue, fresh) : takePages(index, queue, fresh)
  }

  function takePages(index: number, queue: DeviceQueue, fresh: boolean): number {
    if (fresh) seen[index] = 0
    const start = seen[index]!
    // Bytes after the last whole page number mean nothing.
    const length = Math.min(queue.readableBytes - start, pageBytes.length) & ~(virtio_balloon_pfn.size - 1)
    const result = queue.read(start, pageBytes.subarray(0, length))
    if (result === DMA_PENDING) return SERVE_WAIT
    if (result !== DMA_OK) return 0
    for (let at = 0; at < length; at += virtio_balloon_pfn.size) {
      const page = pfn.get(pages, at)
      if (index === VIRTIO_BALLOON_DEFLATEQ) {
        device.deflated++
        memory?.deflate(page)
      } else {
        device.inflated++
        memory?.inflate(page)
      }
    }
    seen[index] = start + length
    return length > 0 && seen[index]! + virtio_balloon_pfn.size <= queue.readableBytes ? SERVE_MORE : 0
  }

  /** §5.5.6.3: the device keeps the driver's buffer until it wants new numbers, and gives it back to ask for them. */
  function takeStats(queue: DeviceQueue, fresh: boolean): number {
    if (!fresh && holdsStats) {
      if (!wantsStats) return SERVE_HOLD
      wantsStats = false
      holdsStats = false
      return 0
    }
    const count = Math.min(Math.floor(queue.readableBytes / virtio_balloon_stat.size), MAX_STATS)
    const result = queue.read(0, new Uint8Array(report.buffer, 0, count * virtio_balloon_stat.size))
    if (result === DMA_PENDING) return SERVE_WAIT
    if (result === DMA_OK) device.stats = decode(count)
    holdsStats = true
    return SERVE_HOLD
  }

  function decode(count: number): BalloonStats {
    const found: Partial<Record<string, readonly [number, number]>> = {}
    for (let index = 0; index < count; index++) {
      const at = index * virtio_balloon_stat.size
      const name = VIRTIO_BALLOON_STAT_TAGS[tag.get(report, at)]
      // §5.5.6.3: tags that the device does not know are ignored.
      if (name !== undefined) found[name] = [val.hi.get(report, at), val.lo.get(report, at)]
    }
    return found
  }

  // Fields, and no getters: those would make a hidden class of each balloon, which keeps the machine around it until a
  // full garbage collection.
  const device: Counting = {
    type: VIRTIO_ID_BALLOON,
    kind: 'virtio-balloon',
    queueSizes: [128, 128, 128],
    features: offer([F.VIRTIO_BALLOON_F_STATS_VQ, F.VIRTIO_BALLOON_F_PAGE_POISON]),
    config: {
      size: virtio_balloon_config.size,
      read: (offset, width) => readConfig(view, offset, width),
      write(offset, width, value) {
        eachByte(offset, width, value, (at, byte) => {
          // §5.5.4: `actual` and `poison_val` are the driver's.
          if (isIn(fields.actual, at) || isIn(fields.poison_val, at)) view.setUint8(at, byte)
        })
        device.actual = fields.actual.get(view, 0)
      },
    },
    setTarget(target) {
      if (!Number.isInteger(target) || target < 0 || target > 0xffff_ffff) {
        throw new RangeError(`a balloon's target is a 32-bit number of pages, got ${target}`)
      }
      fields.num_pages.set(view, 0, target)
      pump.host?.configChanged()
    },
    actual: 0,
    inflated: 0,
    deflated: 0,
    requestStats() {
      if (!holdsStats) return false
      wantsStats = true
      pump.wake(VIRTIO_BALLOON_STATSQ)
      return true
    },
    stats: {},
    activate(queues, _negotiated, host) {
      if (pump.queue(VIRTIO_BALLOON_STATSQ) !== queues[VIRTIO_BALLOON_STATSQ]) {
        holdsStats = false
        wantsStats = false
      }
      pump.activate(queues, host)
    },
    notify: (queue) => pump.wake(queue),
    work: (budget) => pump.work(budget),
    reset() {
      pump.reset()
      // §5.5.5: a driver that starts anew has no balloon yet; what the device asks for stands.
      fields.actual.set(view, 0, 0)
      fields.poison_val.set(view, 0, 0)
      device.actual = 0
      device.inflated = 0
      device.deflated = 0
      device.stats = {}
      holdsStats = false
      wantsStats = false
    },
  }
  return device
}

const isIn = (field: { readonly offset: number; readonly size: number }, at: number): boolean =>
  at >= field.offset && at < field.offset + field.size
