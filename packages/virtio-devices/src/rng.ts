import { DMA_OK, DMA_PENDING } from '@dmascope/memory'
import type { VirtioDevice } from '@dmascope/virtio-pci'
import type { DeviceQueue } from '@dmascope/virtqueue/device'
import { QueuePump, SERVE_WAIT } from './queue-pump.ts'
import { RandomBytes } from './random-bytes.ts'
import { VIRTIO_ID_RNG } from './spec/entropy.ts'

export interface RngOptions {
  /** 32 bits. The same seed gives the same bytes, from each reset on. */
  readonly seed: number
  /** Most bytes for one request; a longer buffer is filled in part, as §5.4.6 allows. Default 65536. */
  readonly maxBytes?: number
}

/**
 * An entropy device (virtio 1.3 §5.4): fills buffers with bytes of a deterministic generator, so that a test can tell
 * what should have arrived. Its queue has 8 entries, as QEMU's.
 *
 * A buffer that the device may not write is given back with a used length of 0, and its bytes are lost.
 *
 * @throws RangeError where `seed` is no 32-bit integer or `maxBytes` no positive one
 */
export function createRng(options: RngOptions): VirtioDevice {
  const { seed, maxBytes = 65_536 } = options
  if (!Number.isInteger(seed) || seed < 0 || seed > 0xffff_ffff) throw new RangeError(`seed is ${seed}, not 32 bits`)
  if (!Number.isInteger(maxBytes) || maxBytes < 1 || maxBytes > 2 ** 30) {
    throw new RangeError(`maxBytes is ${maxBytes}, not an integer in [1, 2^30]`)
  }
  const random = new RandomBytes(seed)
  const buffer = new Uint8Array(maxBytes)
  const pump = new QueuePump(serve)

  function serve(_index: number, queue: DeviceQueue, fresh: boolean): number {
    const part = buffer.subarray(0, Math.min(queue.writableBytes, maxBytes))
    // A chain that waited for remote memory gets the same bytes again.
    if (fresh) random.fill(part)
    const result = queue.write(0, part)
    if (result === DMA_PENDING) return SERVE_WAIT
    return result === DMA_OK ? part.length : 0
  }

  return {
    type: VIRTIO_ID_RNG,
    kind: 'virtio-rng',
    queueSizes: [8],
    features: { lo: 0, hi: 0 },
    config: { size: 0, read: () => 0, write: () => {} },
    activate: (queues, _negotiated, host) => pump.activate(queues, host),
    notify: (queue) => pump.wake(queue),
    work: (budget) => pump.work(budget),
    reset() {
      pump.reset()
      random.restart(seed)
    },
  }
}
