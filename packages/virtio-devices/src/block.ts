import { DMA_OK, DMA_PENDING } from '@dmascope/memory'
import type { FeatureBits, VirtioDevice } from '@dmascope/virtio-pci'
import type { DeviceQueue } from '@dmascope/virtqueue/device'
import { BlockConfigSpace, MAX_REQUEST_SECTORS } from './block-config.ts'
import type { Disk } from './disk.ts'
import { hasFeature, offer } from './features.ts'
import { QueuePump, SERVE_MORE, SERVE_WAIT } from './queue-pump.ts'
import {
  VIRTIO_BLK_DISCARD_WRITE_ZEROES_FLAGS,
  VIRTIO_BLK_FEATURES,
  VIRTIO_BLK_ID_BYTES,
  VIRTIO_BLK_S_IOERR,
  VIRTIO_BLK_S_OK,
  VIRTIO_BLK_S_UNSUPP,
  VIRTIO_BLK_SECTOR_BYTES,
  VIRTIO_BLK_T_BARRIER,
  VIRTIO_BLK_T_DISCARD,
  VIRTIO_BLK_T_FLUSH,
  VIRTIO_BLK_T_GET_ID,
  VIRTIO_BLK_T_IN,
  VIRTIO_BLK_T_OUT,
  VIRTIO_BLK_T_WRITE_ZEROES,
  VIRTIO_ID_BLOCK,
  virtio_blk_discard_write_zeroes,
  virtio_blk_req,
} from './spec/block.ts'

export interface BlockOptions {
  readonly disk: Disk
  /** Offers VIRTIO_BLK_F_RO and refuses writes. Default false. */
  readonly readOnly?: boolean
  /** What GET_ID answers, at most 20 characters of ASCII. Default empty. */
  readonly serial?: string
  /** Entries of each queue, a power of two. Default 256, as QEMU. */
  readonly queueSize?: number
  /** Request queues; more than one offers VIRTIO_BLK_F_MQ. QEMU gives a PCI device one for each CPU. Default 1. */
  readonly queues?: number
  /** Logical block size in bytes: a power of two, at least 512. Default 512. */
  readonly blockSize?: number
  /** Whether the disk starts with its write cache on. Default true. */
  readonly writeBack?: boolean
}

/** Most bytes moved between disk and memory at a time; one unit of work's budget. */
const CHUNK_BYTES = 65_536
const FIRST_CHUNK_BYTES = 4096
const HEADER_BYTES = virtio_blk_req.size
const { type: reqType, sector: reqSector } = virtio_blk_req.fields
const segment = virtio_blk_discard_write_zeroes.fields
const { unmap, reserved } = VIRTIO_BLK_DISCARD_WRITE_ZEROES_FLAGS.fields
const F = VIRTIO_BLK_FEATURES.fields

/** A request under way on one queue. */
interface Request {
  type: number
  /** Byte offset on the disk; checked with `length` when the request was taken. */
  offset: number
  /** Bytes of data to move, and how many were. */
  length: number
  done: number
}

/**
 * A block device (virtio 1.3 §5.2) that offers what QEMU's virtio-blk offers: read, write, flush, identify, discard
 * and write zeroes, on one or more queues.
 *
 * Chains without a whole header or a status byte cannot be answered; they put the device into the state that needs a
 * reset. Whatever else the driver asks for wrongly is answered with a status.
 *
 * DEVIATION: where the IOMMU refuses the data, the status is VIRTIO_BLK_S_IOERR. QEMU maps buffers through a bounce
 * page, so that there a refused buffer of one page ends in success with the data lost.
 *
 * @throws RangeError where sizes are no powers of two, or the disk is not a whole number of blocks
 */
export function createBlock(options: BlockOptions): VirtioDevice {
  const {
    disk,
    readOnly = false,
    serial = '',
    queueSize = 256,
    queues = 1,
    blockSize = 512,
    writeBack = true,
  } = options
  requirePowerOfTwo('queueSize', queueSize, 1, 32_768)
  requirePowerOfTwo('blockSize', blockSize, VIRTIO_BLK_SECTOR_BYTES, CHUNK_BYTES)
  if (!Number.isInteger(queues) || queues < 1 || queues > 1024) {
    throw new RangeError(`queues is ${queues}, not an integer in [1, 1024]`)
  }
  if (disk.size % blockSize !== 0) {
    throw new RangeError(`the disk has ${disk.size} bytes, not a multiple of its block size ${blockSize}`)
  }
  const id = new TextEncoder().encode(serial)
  if (id.length > VIRTIO_BLK_ID_BYTES) {
    throw new RangeError(
      `the serial ${JSON.stringify(serial)} has ${id.length} bytes, more than ${VIRTIO_BLK_ID_BYTES}`,
    )
  }

  const config = new BlockConfigSpace({
    sectors: disk.size / VIRTIO_BLK_SECTOR_BYTES,
    queues,
    // QEMU leaves room for header and status; a queue of fewer than 3 entries can carry one segment indirectly.
    segMax: Math.max(queueSize - 2, 1),
    blockSize,
    writeBack,
  })
  const features = offer([
    F.VIRTIO_BLK_F_SEG_MAX,
    F.VIRTIO_BLK_F_GEOMETRY,
    F.VIRTIO_BLK_F_BLK_SIZE,
    F.VIRTIO_BLK_F_TOPOLOGY,
    F.VIRTIO_BLK_F_CONFIG_WCE,
    F.VIRTIO_BLK_F_DISCARD,
    F.VIRTIO_BLK_F_WRITE_ZEROES,
    ...(writeBack ? [F.VIRTIO_BLK_F_FLUSH] : []),
    ...(readOnly ? [F.VIRTIO_BLK_F_RO] : []),
    ...(queues > 1 ? [F.VIRTIO_BLK_F_MQ] : []),
  ])

  const requests: Request[] = []
  for (let queue = 0; queue < queues; queue++) requests.push({ type: 0, offset: 0, length: 0, done: 0 })
  let chunk = new Uint8Array(FIRST_CHUNK_BYTES)
  const header = new DataView(new ArrayBuffer(HEADER_BYTES))
  const headerBytes = new Uint8Array(header.buffer)
  const status = new Uint8Array(1)
  const pump = new QueuePump(serve)

  /** Writes the status byte; `data` bytes before it were written. Answers the length for the used ring. */
  function finish(queue: DeviceQueue, code: number, data: number): number {
    status[0] = code
    const last = queue.writableBytes - 1
    const result = queue.write(last, status)
    if (result === DMA_PENDING) return SERVE_WAIT
    // The used length counts from the first writable byte, so it reaches the status only over data all written.
    return result === DMA_OK && data === last ? last + 1 : data
  }

  /** Whether [sector, sector + bytes) can be asked for: on the disk, whole blocks, not too long. */
  function inRange(hi: number, lo: number, bytes: number): boolean {
    const offset = (hi * 0x1_0000_0000 + lo) * VIRTIO_BLK_SECTOR_BYTES
    return (
      bytes <= MAX_REQUEST_SECTORS * VIRTIO_BLK_SECTOR_BYTES &&
      bytes % blockSize === 0 &&
      offset % blockSize === 0 &&
      offset <= disk.size &&
      bytes <= disk.size - offset
    )
  }

  function serve(index: number, queue: DeviceQueue, fresh: boolean): number {
    const request = requests[index]!
    if (!fresh && request.done >= 0) return step(queue, request)
    request.done = -1
    if (queue.readableBytes < HEADER_BYTES) return pump.fail('virtio-blk: a request is shorter than its header')
    if (queue.writableBytes < 1) return pump.fail('virtio-blk: a request has no byte for its status')
    const result = queue.read(0, headerBytes)
    if (result === DMA_PENDING) return SERVE_WAIT
    if (result !== DMA_OK) return finish(queue, VIRTIO_BLK_S_IOERR, 0)
    return begin(queue, request)
  }

  function begin(queue: DeviceQueue, request: Request): number {
    const type = (reqType.get(header, 0) & ~VIRTIO_BLK_T_BARRIER) >>> 0
    const hi = reqSector.hi.get(header, 0)
    const lo = reqSector.lo.get(header, 0)
    const incoming = queue.readableBytes - HEADER_BYTES
    const outgoing = queue.writableBytes - 1
    switch (type) {
      case VIRTIO_BLK_T_IN:
      case VIRTIO_BLK_T_OUT: {
        const length = type === VIRTIO_BLK_T_OUT ? incoming : outgoing
        if ((readOnly && type === VIRTIO_BLK_T_OUT) || !inRange(hi, lo, length)) {
          return finish(queue, VIRTIO_BLK_S_IOERR, 0)
        }
        request.type = type
        request.offset = (hi * 0x1_0000_0000 + lo) * VIRTIO_BLK_SECTOR_BYTES
        request.length = length
        request.done = 0
        return step(queue, request)
      }
      case VIRTIO_BLK_T_FLUSH:
        return finish(queue, disk.flush() ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR, 0)
      case VIRTIO_BLK_T_GET_ID: {
        const length = Math.min(outgoing, VIRTIO_BLK_ID_BYTES)
        const text = chunk.subarray(0, length)
        text.fill(0)
        text.set(id.subarray(0, length))
        const result = queue.write(0, text)
        if (result === DMA_PENDING) return SERVE_WAIT
        return finish(queue, result === DMA_OK ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR, result === DMA_OK ? length : 0)
      }
      case VIRTIO_BLK_T_DISCARD:
      case VIRTIO_BLK_T_WRITE_ZEROES:
        return clearSegment(queue, type, incoming)
      default:
        return finish(queue, VIRTIO_BLK_S_UNSUPP, 0)
    }
  }

  /** Moves one chunk of a read or write. */
  function step(queue: DeviceQueue, request: Request): number {
    const count = Math.min(request.length - request.done, CHUNK_BYTES)
    if (count > chunk.length) chunk = new Uint8Array(CHUNK_BYTES)
    const part = count === chunk.length ? chunk : chunk.subarray(0, count)
    const written = request.type === VIRTIO_BLK_T_IN ? request.done : 0
    let ok: boolean
    if (request.type === VIRTIO_BLK_T_IN) {
      ok = disk.read(request.offset + request.done, part)
      const result = ok ? queue.write(request.done, part) : DMA_OK
      if (result === DMA_PENDING) return SERVE_WAIT
      ok &&= result === DMA_OK
    } else {
      const result = queue.read(HEADER_BYTES + request.done, part)
      if (result === DMA_PENDING) return SERVE_WAIT
      ok = result === DMA_OK && disk.write(request.offset + request.done, part)
    }
    if (!ok) return finish(queue, VIRTIO_BLK_S_IOERR, written)
    if (request.done + count < request.length) {
      request.done += count
      return SERVE_MORE
    }
    if (request.type === VIRTIO_BLK_T_IN) return finish(queue, VIRTIO_BLK_S_OK, request.length)
    // §5.2.6.2: in write-through mode data is on the medium before the request completes.
    return finish(queue, config.writeBack || disk.flush() ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR, 0)
  }

  function clearSegment(queue: DeviceQueue, type: number, incoming: number): number {
    // max_discard_seg and max_write_zeroes_seg are 1; more, or a part of one, is what this device does not do.
    if (incoming !== virtio_blk_discard_write_zeroes.size) return finish(queue, VIRTIO_BLK_S_UNSUPP, 0)
    const result = queue.read(HEADER_BYTES, headerBytes)
    if (result === DMA_PENDING) return SERVE_WAIT
    if (result !== DMA_OK) return finish(queue, VIRTIO_BLK_S_IOERR, 0)
    const flags = segment.flags.get(header, 0)
    // §5.2.6.2: unknown flags, and `unmap` in a discard, are unsupported.
    if (reserved.get(flags) !== 0 || (type === VIRTIO_BLK_T_DISCARD && unmap.get(flags) !== 0)) {
      return finish(queue, VIRTIO_BLK_S_UNSUPP, 0)
    }
    const hi = segment.sector.hi.get(header, 0)
    const lo = segment.sector.lo.get(header, 0)
    const bytes = segment.num_sectors.get(header, 0) * VIRTIO_BLK_SECTOR_BYTES
    if (readOnly || !inRange(hi, lo, bytes)) return finish(queue, VIRTIO_BLK_S_IOERR, 0)
    const cleared = disk.clear((hi * 0x1_0000_0000 + lo) * VIRTIO_BLK_SECTOR_BYTES, bytes)
    return finish(queue, cleared ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR, 0)
  }

  return {
    type: VIRTIO_ID_BLOCK,
    kind: 'virtio-blk',
    queueSizes: new Array<number>(queues).fill(queueSize),
    features,
    config,
    activate(deviceQueues, negotiated: FeatureBits, host) {
      // A driver that cannot write `writeback` has the cache on only if it can flush it (§5.2.5).
      if (!hasFeature(negotiated, F.VIRTIO_BLK_F_CONFIG_WCE)) {
        config.writeBack = hasFeature(negotiated, F.VIRTIO_BLK_F_FLUSH)
      }
      pump.activate(deviceQueues, host)
    },
    notify: (queue) => pump.wake(queue),
    work: (budget) => pump.work(budget),
    reset() {
      pump.reset()
      config.reset()
    },
  }
}

function requirePowerOfTwo(name: string, value: number, least: number, most: number): void {
  if (!(Number.isInteger(Math.log2(value)) && value >= least && value <= most)) {
    throw new RangeError(`${name} is ${value}, not a power of two in [${least}, ${most}]`)
  }
}
