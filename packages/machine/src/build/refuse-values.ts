import type { MachineDescription } from '../description.ts'
import { type PlacedDevice, refusePlace } from './placed-bus.ts'

/** The most entries that a virtqueue of QEMU's has. */
const LONGEST_QUEUE = 1024
/** Of a network card's queues. */
const SHORTEST_QUEUE = 256
const MOST_NVME_QUEUES = 0xffff
const MOST_NVME_VECTORS = 2048
/** Not a number of queues, but: as many as there are processors. */
const AUTO_QUEUES = 0xffff

const isPowerOfTwo = (value: number): boolean => value > 0 && (value & (value - 1)) === 0

/**
 * Values that fit their properties' types, and that the device refuses all the same when it comes to be: queues of a
 * length that no queue has, a second balloon.
 *
 * @param before - devices of the machine that came to be before this one
 * @throws DmascopeError MACHINE_REFUSED in QEMU's words
 */
export function refuseValues(
  placed: PlacedDevice,
  before: readonly PlacedDevice[],
  { qemuVersion }: Pick<MachineDescription, 'qemuVersion'>,
): void {
  const words = refusalOf(placed, before, qemuVersion === '7.2')
  if (words !== null) throw refusePlace('MACHINE_REFUSED', placed.description, words)
}

function refusalOf(placed: PlacedDevice, before: readonly PlacedDevice[], older: boolean): string | null {
  const { model, properties } = placed
  const number = (name: string, otherwise: number): number => Number(properties[name] ?? otherwise)
  switch (model.kind) {
    case 'virtio-blk':
      return refusedDisk(number('num-queues', AUTO_QUEUES), number('queue-size', SHORTEST_QUEUE))
    case 'virtio-net':
      return refusedCard(
        placed,
        number('rx_queue_size', SHORTEST_QUEUE),
        number('tx_queue_size', SHORTEST_QUEUE),
        older,
      )
    case 'virtio-rng':
      if (number('period', 1) === 0) return "'period' parameter expects a positive integer"
      return !older && properties['max-bytes'] === 0
        ? "'max-bytes' parameter must be positive, and less than 2^63"
        : null
    case 'virtio-balloon':
      return before.some((one) => one.model.kind === 'virtio-balloon') ? 'Only one balloon device is supported' : null
    case 'nvme':
      return refusedController(number('max_ioqpairs', 1), number('msix_qsize', 1))
    default:
      return null
  }
}

function refusedDisk(queues: number, length: number): string | null {
  if (queues === 0) return 'num-queues property must be larger than 0'
  if (length <= 2) return `invalid queue-size property (${length}), must be > 2`
  return isPowerOfTwo(length) && length <= LONGEST_QUEUE
    ? null
    : `invalid queue-size property (${length}), must be a power of 2 (max ${LONGEST_QUEUE})`
}

/** A longer queue for sending is for back ends that are programs of their own; older releases shorten it for others. */
function refusedCard({ description }: PlacedDevice, receive: number, send: number, older: boolean): string | null {
  const fits = (length: number, most: number): boolean =>
    isPowerOfTwo(length) && length >= SHORTEST_QUEUE && length <= most
  if (!fits(receive, LONGEST_QUEUE)) {
    return `Invalid rx_queue_size (= ${receive}), must be a power of 2 between ${SHORTEST_QUEUE} and ${LONGEST_QUEUE}.`
  }
  const most = older || description.backend?.where === 'vhost-user' ? LONGEST_QUEUE : SHORTEST_QUEUE
  return fits(send, most)
    ? null
    : `Invalid tx_queue_size (= ${send}), must be a power of 2 between ${SHORTEST_QUEUE} and ${most}`
}

function refusedController(queues: number, vectors: number): string | null {
  if (queues < 1 || queues > MOST_NVME_QUEUES) return `max_ioqpairs must be between 1 and ${MOST_NVME_QUEUES}`
  return vectors < 1 || vectors > MOST_NVME_VECTORS ? `msix_qsize must be between 1 and ${MOST_NVME_VECTORS}` : null
}
