import { setUpQueue, type WantedQueue } from './set-up-queue.ts'
import type { VirtioDevice } from './virtio-device.ts'
import type { Virtqueue } from './virtqueue.ts'

/**
 * Sets up a device's virtqueues with the one interrupt that a device on no bus has (Linux's `vm_find_vqs`): connected
 * first, and shared by all queues and by configuration changes.
 */
export function findQueuesOnWire(device: VirtioDevice, wanted: readonly WantedQueue[]): readonly Virtqueue[] | string {
  const { transport, kernel, record, site } = device
  const { interrupt } = site.platform ?? { interrupt: null }
  if (interrupt === null) return 'firmware tells of no interrupt for it'
  const queues: Virtqueue[] = []
  const wire = kernel.wires.connectWire(interrupt, () => wireInterrupt(device, queues))
  if (typeof wire === 'string') return wire
  record.why(`interrupts by a wire of its own: ${wire.gsi}, ${interrupt.trigger}-triggered`, wire.by)
  for (const [index, { name }] of wanted.entries()) {
    const made = setUpQueue(device, index, name)
    if (typeof made === 'string') {
      for (const queue of queues) {
        transport.removeQueue(queue.index)
        for (const { mapping } of queue.pieces) device.dma?.freeCoherent(mapping)
      }
      queues.length = 0
      return made
    }
    queues.push(made)
  }
  record.interrupt.mode = 'wire'
  device.queues = queues
  return queues
}

/** InterruptStatus tells whether the interrupt was the device's: others may share the wire. */
function wireInterrupt(device: VirtioDevice, queues: readonly Virtqueue[]): boolean {
  const status = device.transport.readIsr()
  // All ones: the device has gone.
  if ((status & 3) === 0 || status === 0xffff_ffff) return false
  device.record.interrupt.delivered++
  if (status & 2) device.onConfigChange?.()
  if (status & 1) for (const queue of queues) queue.interrupt()
  return true
}
