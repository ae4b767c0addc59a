import { VIRTIO_ID_RNG } from '@dmascope/virtio-devices/spec'
import { ANYWHERE } from '../early/page-allocator.ts'
import { awaitRequests } from '../virtio/await-requests.ts'
import { findQueues } from '../virtio/find-queues.ts'
import { ready } from '../virtio/negotiate.ts'
import type { VirtioDevice } from '../virtio/virtio-device.ts'
import type { VirtioDriver } from '../virtio/virtio-driver.ts'
import type { Virtqueue } from '../virtio/virtqueue.ts'
import { type BoundDriver, failed, type IoOutcome, passed, wrong } from './driver.ts'
import { fillPattern, POISON_SEED } from './test-pattern.ts'

/** Linux asks for a cache line at a time. */
const BYTES = 64

export const VIRTIO_RNG: VirtioDriver = {
  name: 'virtio_rng',
  type: VIRTIO_ID_RNG,
  features: [],
  probe,
}

function probe(device: VirtioDevice): BoundDriver | string {
  const queues = findQueues(device, [{ name: 'input', interrupts: true }])
  if (typeof queues === 'string') return queues
  const queue = queues[0]!
  const buffer = device.kernel.pages.allocate(1, ANYWHERE)
  if (buffer === null) return 'no memory for a buffer'
  ready(device)
  // Linux always has one request out, from the probe on.
  const early = queue.add([{ cpu: buffer, length: BYTES, direction: 'from-device', purpose: 'rng buffer' }])
  if (typeof early === 'string') return early
  queue.kick()
  return {
    ioKind: 'rng',
    selfTest() {
      const stuck = awaitRequests(device, queue, [early])
      return stuck ?? selfTest(device, queue, buffer)
    },
  }
}

function selfTest(device: VirtioDevice, queue: Virtqueue, buffer: number): IoOutcome {
  const { bus } = device.kernel
  const poison = fillPattern(new Uint8Array(BYTES), POISON_SEED)
  bus.writeBytes(buffer, poison)
  const request = queue.add([{ cpu: buffer, length: BYTES, direction: 'from-device', purpose: 'rng buffer' }])
  if (typeof request === 'string') return failed(request)
  queue.kick()
  const stuck = awaitRequests(device, queue, [request])
  if (stuck !== null) return stuck
  if (request.written === 0 || request.written > BYTES) {
    return wrong(`the device says that it wrote ${request.written} bytes into a buffer of ${BYTES}`)
  }
  const got = new Uint8Array(request.written)
  bus.readBytes(buffer, got)
  if (got.every((byte, index) => byte === poison[index])) {
    return wrong(`${request.written} bytes reported, but nothing was written to the buffer`)
  }
  if (got.length > 1 && got.every((byte) => byte === got[0])) {
    return wrong(`${request.written} bytes, all 0x${got[0]!.toString(16).padStart(2, '0')}`)
  }
  return passed(`${request.written} bytes, ${new Set(got).size} distinct values`)
}
