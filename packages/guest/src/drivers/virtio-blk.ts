import { highWord, lowWord } from '@dmascope/layout'
import {
  VIRTIO_BLK_FEATURES,
  VIRTIO_BLK_S_OK,
  VIRTIO_BLK_S_UNSUPP,
  VIRTIO_BLK_SECTOR_BYTES,
  VIRTIO_BLK_T_FLUSH,
  VIRTIO_BLK_T_IN,
  VIRTIO_BLK_T_OUT,
  VIRTIO_ID_BLOCK,
  virtio_blk_config,
  virtio_blk_req,
} from '@dmascope/virtio-devices/spec'
import { crc32 } from '../checksum.ts'
import { ANYWHERE } from '../early/page-allocator.ts'
import { awaitRequests } from '../virtio/await-requests.ts'
import { findQueues } from '../virtio/find-queues.ts'
import { ready } from '../virtio/negotiate.ts'
import type { VirtioDevice } from '../virtio/virtio-device.ts'
import type { VirtioDriver } from '../virtio/virtio-driver.ts'
import type { Request, Segment, Virtqueue } from '../virtio/virtqueue.ts'
import { type BoundDriver, failed, type IoOutcome, notAttempted, passed, unmapped, wrong } from './driver.ts'
import { firstDifference, POISON_SEED, patternOf, sameBytes } from './test-pattern.ts'

const F = VIRTIO_BLK_FEATURES.fields
const bit = (name: keyof typeof F): number => F[name].low
const PAGE = 4096
/** Requests that are out at once. */
const DEPTH = 8
/** Header and status of a request lie in one line of the request page, as in Linux's `virtblk_req`. */
const REQUEST_STRIDE = 64
const STATUS_OFFSET = 32
const STATUS_POISON = 0xff

/** What is known of a disk after probing. Bytes. */
interface Disk {
  readonly device: VirtioDevice
  readonly queue: Virtqueue
  readonly capacity: number
  readonly readOnly: boolean
  readonly flush: boolean
  /** Bytes of one request's data: a multiple of the logical block size. */
  readonly chunk: number
  /** Memory for request headers and statuses, and for DEPTH chunks of data; one more of each is the probe's. */
  readonly requests: number
  readonly data: number
}

export const VIRTIO_BLK: VirtioDriver = {
  name: 'virtio_blk',
  type: VIRTIO_ID_BLOCK,
  features: [
    bit('VIRTIO_BLK_F_SIZE_MAX'),
    bit('VIRTIO_BLK_F_SEG_MAX'),
    bit('VIRTIO_BLK_F_GEOMETRY'),
    bit('VIRTIO_BLK_F_RO'),
    bit('VIRTIO_BLK_F_BLK_SIZE'),
    bit('VIRTIO_BLK_F_FLUSH'),
    bit('VIRTIO_BLK_F_TOPOLOGY'),
    bit('VIRTIO_BLK_F_CONFIG_WCE'),
    bit('VIRTIO_BLK_F_MQ'),
    bit('VIRTIO_BLK_F_DISCARD'),
    bit('VIRTIO_BLK_F_WRITE_ZEROES'),
    bit('VIRTIO_BLK_F_SECURE_ERASE'),
  ],
  probe,
}

function probe(device: VirtioDevice): BoundDriver | string {
  const { transport, kernel } = device
  // One CPU: one queue, whatever VIRTIO_BLK_F_MQ would allow.
  const queues = findQueues(device, [{ name: 'req.0', interrupts: true }])
  if (typeof queues === 'string') return queues
  const config = virtio_blk_config.fields
  const sectors = device.readConfig64(config.capacity.offset)
  const readOnly = device.has(bit('VIRTIO_BLK_F_RO'))
  let chunk = PAGE
  if (device.has(bit('VIRTIO_BLK_F_BLK_SIZE'))) {
    const block = transport.readConfig(config.blk_size.offset, 4)
    if (block < VIRTIO_BLK_SECTOR_BYTES || block > 0x1_0000 || (block & (block - 1)) !== 0) {
      return `a logical block of ${block} bytes`
    }
    chunk = Math.max(chunk, block)
  }
  if (device.has(bit('VIRTIO_BLK_F_SIZE_MAX'))) {
    const most = transport.readConfig(config.size_max.offset, 4)
    const whole = most - (most % VIRTIO_BLK_SECTOR_BYTES)
    if (whole > 0) chunk = Math.min(chunk, whole)
  }
  const requests = kernel.pages.allocate(1, ANYWHERE)
  const data = kernel.pages.allocate(Math.ceil((chunk * (DEPTH + 1)) / PAGE), ANYWHERE)
  if (requests === null || data === null) return 'no memory for requests'
  ready(device)
  device.log(`[vd] ${sectors} 512-byte logical blocks${readOnly ? ', read-only' : ''}`)
  const capacity = Math.min(sectors * VIRTIO_BLK_SECTOR_BYTES, Number.MAX_SAFE_INTEGER)
  const flush = device.has(bit('VIRTIO_BLK_F_FLUSH'))
  const disk: Disk = { device, queue: queues[0]!, capacity, readOnly, flush, chunk, requests, data }
  const stuck = scanPartitions(disk)
  return { ioKind: 'blk', selfTest: () => selfTest(disk), ...(stuck !== null && { stuck }) }
}

/**
 * Reads where a partition table would be. As in Linux a disk's probe does not end before this has; what comes of it does
 * not matter.
 *
 * @returns what it waits for, where it never ends
 */
function scanPartitions(disk: Disk): string | null {
  const size = Math.min(disk.chunk, disk.capacity)
  if (size === 0) return null
  const made = submit(disk, DEPTH, VIRTIO_BLK_T_IN, 0, size)
  if (typeof made === 'string') return disk.queue.unmapped && `reading the partition table: ${tooLittle(made)}`
  disk.queue.kick()
  const stuck = awaitRequests(disk.device, disk.queue, [made])
  return stuck && `reading the partition table: ${stuck.detail}`
}

/** One transfer's failure, or the data of a read, in order. */
type Transfer = { readonly failure: IoOutcome } | { readonly chunks: readonly Uint8Array[] }

function selfTest(disk: Disk): IoOutcome {
  const { chunk, capacity, device } = disk
  const size = Math.min(chunk, capacity - (capacity % VIRTIO_BLK_SECTOR_BYTES))
  if (size === 0) return notAttempted('the disk has no sectors')
  const count = Math.max(1, Math.min(Math.floor(device.kernel.selfTestBytes / size), Math.floor(capacity / size)))
  // In the middle, where no partition table lies; what was there is put back.
  const start = Math.floor((capacity - count * size) / 2 / size) * size
  const amount = `${Math.round((count * size) / 102.4) / 10} KiB`

  const before = transfer(disk, 'read', start, size, count)
  if ('failure' in before) return before.failure
  if (disk.readOnly) {
    const again = transfer(disk, 'read', start, size, count)
    if ('failure' in again) return again.failure
    const difference = compare(again.chunks, before.chunks)
    if (difference !== null) return wrong(`two reads of ${amount} differ: ${difference}`)
    return passed(`read ${amount} twice, checksums match (${checksumOf(before.chunks)}); read-only`)
  }
  const pattern: Uint8Array[] = []
  for (let index = 0; index < count; index++) pattern.push(patternOf(size, index + 1))
  const written = transfer(disk, 'write', start, size, count, pattern)
  if ('failure' in written) return written.failure
  const back = transfer(disk, 'read', start, size, count)
  if ('failure' in back) return back.failure
  const difference = compare(back.chunks, pattern)
  const restored = transfer(disk, 'write', start, size, count, before.chunks)
  if (difference !== null) return wrong(`wrote and read ${amount}: ${difference}`)
  if ('failure' in restored) return restored.failure
  if (disk.flush) {
    const failure = flush(disk)
    if (failure !== null) return failure
  }
  return passed(`wrote and read ${amount}, checksum ${checksumOf(pattern)} matches`)
}

/** Moves `count` chunks between disk and memory, a few at a time. */
function transfer(
  disk: Disk,
  kind: 'read' | 'write',
  start: number,
  size: number,
  count: number,
  from: readonly Uint8Array[] = [],
): Transfer {
  const { bus } = disk.device.kernel
  const poison = patternOf(size, POISON_SEED)
  const chunks: Uint8Array[] = []
  for (let done = 0; done < count; ) {
    const out: Request[] = []
    const batch = Math.min(DEPTH, count - done)
    for (let slot = 0; slot < batch; slot++) {
      const index = done + slot
      bus.writeBytes(disk.data + slot * disk.chunk, kind === 'write' ? from[index]! : poison)
      const made = submit(disk, slot, kind === 'write' ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN, start + index * size, size)
      if (typeof made !== 'string') out.push(made)
      else if (out.length === 0) return { failure: notSubmitted(disk, kind, made) }
      else break
    }
    disk.queue.kick()
    const stuck = awaitRequests(disk.device, disk.queue, out)
    if (stuck !== null) return { failure: { ...stuck, detail: `${kind}: ${stuck.detail}` } }
    for (let slot = 0; slot < out.length; slot++) {
      const failure = checkStatus(disk, slot, kind)
      if (failure !== null) return { failure }
      if (kind === 'write') continue
      const got = new Uint8Array(size)
      bus.readBytes(disk.data + slot * disk.chunk, got)
      if (sameBytes(got, poison)) {
        return { failure: wrong(`read: request ${done + slot} completed, but nothing was written to its buffer`) }
      }
      chunks.push(got)
    }
    done += out.length
  }
  return { chunks }
}

/** Linux takes a request that cannot be mapped for one that comes too early (BLK_STS_RESOURCE), and tries again for ever. */
const tooLittle = (reason: string): string => `${reason}, which the driver waits for`

const notSubmitted = ({ queue }: Disk, kind: string, reason: string): IoOutcome =>
  queue.unmapped === null ? failed(reason) : unmapped(`${kind}: ${tooLittle(reason)}`)

function submit(disk: Disk, slot: number, type: number, position: number, size: number): Request | string {
  const { bus } = disk.device.kernel
  const header = disk.requests + slot * REQUEST_STRIDE
  const request = virtio_blk_req.fields
  const sector = position / VIRTIO_BLK_SECTOR_BYTES
  bus.write32(header + request.type.offset, type)
  bus.write32(header + request.reserved.offset, 0)
  bus.write32(header + request.sector.offset, lowWord(sector))
  bus.write32(header + request.sector.offset + 4, highWord(sector))
  bus.write8(header + STATUS_OFFSET, STATUS_POISON)
  const data: Segment[] =
    size === 0
      ? []
      : [
          {
            cpu: disk.data + slot * disk.chunk,
            length: size,
            direction: type === VIRTIO_BLK_T_OUT ? 'to-device' : 'from-device',
            purpose: type === VIRTIO_BLK_T_OUT ? 'blk write buffer' : 'blk read buffer',
          },
        ]
  return disk.queue.add([
    { cpu: header, length: virtio_blk_req.size, direction: 'to-device', purpose: 'blk request header' },
    ...data,
    { cpu: header + STATUS_OFFSET, length: 1, direction: 'from-device', purpose: 'blk request status' },
  ])
}

function checkStatus(disk: Disk, slot: number, kind: string): IoOutcome | null {
  const status = disk.device.kernel.bus.read8(disk.requests + slot * REQUEST_STRIDE + STATUS_OFFSET)
  if (status === VIRTIO_BLK_S_OK) return null
  if (status === STATUS_POISON) return wrong(`${kind}: a request completed, but its status byte was not written`)
  return failed(`${kind}: ${status === VIRTIO_BLK_S_UNSUPP ? 'unsupported' : 'I/O error'} (status ${status})`)
}

function flush(disk: Disk): IoOutcome | null {
  const made = submit(disk, 0, VIRTIO_BLK_T_FLUSH, 0, 0)
  if (typeof made === 'string') return notSubmitted(disk, 'flush', made)
  disk.queue.kick()
  return awaitRequests(disk.device, disk.queue, [made]) ?? checkStatus(disk, 0, 'flush')
}

function compare(got: readonly Uint8Array[], wanted: readonly Uint8Array[]): string | null {
  for (const [index, chunk] of wanted.entries()) {
    const difference = firstDifference(got[index] ?? new Uint8Array(), chunk)
    if (difference !== null) return `request ${index}, ${difference}`
  }
  return null
}

function checksumOf(chunks: readonly Uint8Array[]): string {
  const value = chunks.reduce((sum, chunk) => crc32(chunk, sum), 0)
  return `0x${value.toString(16).padStart(8, '0')}`
}
