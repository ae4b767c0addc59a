import type { DmaMapping } from '@dmascope/dma'
import {
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_RING_PACKED,
  VIRTQ_MAX_SIZE,
} from '@dmascope/virtqueue/spec'
import { busAddress } from '../bus-address.ts'
import { placePackedRing, placeSplitRing } from './place-ring.ts'
import type { VirtioDevice } from './virtio-device.ts'
import { Virtqueue } from './virtqueue.ts'

/** A queue that a driver wants. */
export interface WantedQueue {
  readonly name: string
  /** Whether the driver wants interrupts from it. A control queue is looked at without. */
  readonly interrupts: boolean
}

/** Finds memory for a queue and tells the device where. @returns why not, where that failed */
export function setUpQueue(device: VirtioDevice, index: number, name: string): Virtqueue | string {
  const { transport, dma } = device
  if (dma === null) return 'no way to give the device addresses'
  const offered = transport.offeredQueue(index)
  if (offered === null) return `queue ${index} (${name}) is not there, or in use`
  const { size } = offered
  if (size > VIRTQ_MAX_SIZE || (size & (size - 1)) !== 0)
    return `queue ${index} (${name}) has the impossible size ${size}`
  const packed = device.has(VIRTIO_F_RING_PACKED)
  const purpose = `virtqueue ${index} (${name})`
  const ring = packed ? placePackedRing(dma, size, purpose) : placeSplitRing(dma, size, transport, purpose)
  if (ring === null) return `no memory for queue ${index} (${name}) of ${size} entries`
  const refusal = transport.placeQueue(index, ring.device)
  if (refusal !== null) {
    for (const { mapping } of ring.pieces) dma.freeCoherent(mapping)
    return refusal
  }
  const note = (what: string, given: DmaMapping): void =>
    device.record.why(`${what} at 0x${given.cpu.toString(16)}, given to the device as ${busAddress(given)}`, dma.kind)
  for (const piece of ring.pieces) note(piece.purpose, piece.mapping)
  return new Virtqueue({
    note: (segment, mapping) => note(segment.purpose, mapping),
    index,
    name,
    ring,
    bus: device.kernel.bus,
    dma,
    pages: device.kernel.pages,
    transport,
    features: {
      packed,
      indirect: device.has(VIRTIO_F_INDIRECT_DESC),
      eventIndex: device.has(VIRTIO_F_EVENT_IDX),
    },
  })
}
