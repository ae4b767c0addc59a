import type { ChannelSite } from '../s390x/channel-site.ts'
import type { CcwTransport } from './ccw-transport.ts'
import { setUpQueue, type WantedQueue } from './set-up-queue.ts'
import type { VirtioDevice } from './virtio-device.ts'
import type { Virtqueue } from './virtqueue.ts'

/**
 * Sets up a device's virtqueues and indicators (Linux's `virtio_ccw_find_vqs`): bits that devices share, with an
 * adapter's interruption, else a word of its own, with the subchannel's; and one for changes of configuration.
 *
 * @returns why there are none, where that failed
 */
export function findQueuesOnChannel(
  device: VirtioDevice,
  site: ChannelSite,
  wanted: readonly WantedQueue[],
): readonly Virtqueue[] | string {
  const transport = device.transport as CcwTransport
  const queues: Virtqueue[] = []
  const undo = (reason: string): string => {
    for (const queue of queues) {
      transport.removeQueue(queue.index)
      for (const { mapping } of queue.pieces) device.dma?.freeCoherent(mapping)
    }
    return reason
  }
  for (const [index, { name }] of wanted.entries()) {
    const made = setUpQueue(device, index, name)
    if (typeof made === 'string') return undo(made)
    queues.push(made)
  }
  const { record } = device
  const told = (queue: Virtqueue | undefined): void => {
    record.interrupt.delivered++
    queue?.interrupt()
  }
  const adapter = site.adapters.allocate(
    record.owner,
    queues.map((queue) => () => told(queue)),
  )
  const shared = adapter !== null && transport.setAdapterIndicators(adapter) === 'done'
  if (!shared) {
    const outcome = transport.setIndicators('queues')
    if (outcome !== 'done') return undo(`SET_IND ${outcome}`)
  }
  const outcome = transport.setIndicators('configuration')
  if (outcome !== 'done') return undo(`SET_CONF_IND ${outcome}`)
  site.onInterruption = () => {
    if (!shared) for (const bit of transport.takeIndicators('queues')) told(queues[bit])
    if (transport.takeIndicators('configuration').includes(0)) {
      record.interrupt.delivered++
      device.onConfigChange?.()
    }
  }
  record.interrupt.mode = shared ? 'adapter' : 'subchannel'
  record.why(
    shared
      ? `two-stage indicators from bit ${adapter.firstBit} on, and adapter interruptions of subclass ${adapter.isc}`
      : 'indicators of its own, and interruptions of its subchannel',
    shared ? `SET_IND_ADAPTER, area at 0x${adapter.indicators.toString(16)}` : 'SET_IND',
  )
  device.queues = queues
  return queues
}
