import type { DeviceNotes } from '../device-notes.ts'
import type { ChannelSite, InterruptionTaker } from '../s390x/channel-site.ts'
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
  const adapter = site.adapters.allocate(
    record.owner,
    queues.map((queue) => () => tell(record, queue)),
  )
  const shared = adapter !== null && transport.setAdapterIndicators(adapter) === 'done'
  if (!shared) {
    const outcome = transport.setIndicators('queues')
    if (outcome !== 'done') return undo(`SET_IND ${outcome}`)
  }
  const outcome = transport.setIndicators('configuration')
  if (outcome !== 'done') return undo(`SET_CONF_IND ${outcome}`)
  site.taker = new Indications(device, transport, shared ? null : queues)
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

/** What interruptions of the subchannel itself stand for: bits of the indicators that the device has to itself. */
class Indications implements InterruptionTaker {
  readonly #device: VirtioDevice
  readonly #transport: CcwTransport
  readonly #queues: readonly Virtqueue[] | null

  /** @param queues - null where their bits are among the adapter's */
  constructor(device: VirtioDevice, transport: CcwTransport, queues: readonly Virtqueue[] | null) {
    this.#device = device
    this.#transport = transport
    this.#queues = queues
  }

  interrupted(): void {
    const { record } = this.#device
    if (this.#queues !== null) {
      for (const bit of this.#transport.takeIndicators('queues')) tell(record, this.#queues[bit])
    }
    if (this.#transport.takeIndicators('configuration').includes(0)) {
      record.interrupt.delivered++
      this.#device.onConfigChange?.()
    }
  }
}

function tell(record: DeviceNotes, queue: Virtqueue | undefined): void {
  record.interrupt.delivered++
  queue?.interrupt()
}
