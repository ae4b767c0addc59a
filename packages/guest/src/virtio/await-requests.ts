import { VIRTIO_STATUS_DEVICE_NEEDS_RESET } from '@dmascope/virtio-pci/spec'
import { hung, type IoOutcome } from '../drivers/driver.ts'
import type { VirtioDevice } from './virtio-device.ts'
import type { Request, Virtqueue } from './virtqueue.ts'

/**
 * Lets the machine run until interrupts have told of all of these requests.
 *
 * @returns null where they are done; else what became of them
 */
export function awaitRequests(device: VirtioDevice, queue: Virtqueue, requests: readonly Request[]): IoOutcome | null {
  const done = (): boolean => queue.ring.broken !== null || requests.every((one) => one.done)
  const how = device.kernel.vectors.wait(done)
  const out = requests.filter((one) => !one.done).length
  if (out === 0) return null
  const status = device.noteStatus()
  const state = `device status 0x${status.toString(16).padStart(2, '0')}${status !== 0xff && status & VIRTIO_STATUS_DEVICE_NEEDS_RESET ? ', NEEDS_RESET' : ''}`
  if (queue.ring.broken !== null) return hung(out, `${queue.ring.broken}; ${state}`)
  const silence = how === 'idle' ? 'the machine is idle' : 'no end to the waiting'
  // Whether the device finished them and only the interrupt got lost is the difference between two very different ills.
  const lostInterrupt = queue.ring.enableInterrupts()
  return hung(
    out,
    `${out} of ${requests.length} requests never completed: ${
      lostInterrupt ? 'the device finished, but no interrupt came' : silence
    }; ${state}`,
    lostInterrupt,
  )
}
