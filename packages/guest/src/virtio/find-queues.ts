import type { DmaMapping } from '@dmascope/dma'
import {
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_RING_PACKED,
  VIRTQ_MAX_SIZE,
} from '@dmascope/virtqueue/spec'
import { busAddress } from '../bus-address.ts'
import { enableMsix, type MessageInterrupts } from '../interrupts/message-interrupts.ts'
import { placePackedRing, placeSplitRing } from './place-ring.ts'
import { NO_VECTOR } from './transport.ts'
import type { VirtioDevice } from './virtio-device.ts'
import { Virtqueue } from './virtqueue.ts'

/** A queue that a driver wants. */
export interface WantedQueue {
  readonly name: string
  /** Whether the driver wants interrupts from it. A control queue is looked at without. */
  readonly interrupts: boolean
}

/** How interrupts are shared out: what Linux tries, in this order. */
const POLICIES = ['a vector for each queue', 'one vector for all queues', 'the interrupt pin'] as const
type Policy = (typeof POLICIES)[number]

/**
 * Sets up a device's virtqueues and their interrupts: MSI-X with a vector for configuration changes and one for each
 * queue, else MSI-X with two vectors, else the interrupt pin.
 *
 * @returns why there are none, where all of that failed
 */
export function findQueues(device: VirtioDevice, wanted: readonly WantedQueue[]): readonly Virtqueue[] | string {
  const failures: string[] = []
  for (const policy of POLICIES) {
    const found = tryPolicy(device, wanted, policy)
    if (typeof found !== 'string') {
      device.queues = found
      return found
    }
    const reason = `${policy}: ${found}`
    failures.push(reason)
    device.record.why(`not ${reason}`, 'virtio PCI transport')
  }
  return failures.at(-1) ?? 'no queues'
}

function tryPolicy(device: VirtioDevice, wanted: readonly WantedQueue[], policy: Policy): Virtqueue[] | string {
  const { transport } = device
  const perQueue = policy === POLICIES[0]
  const withInterrupts = wanted.filter(({ interrupts }) => interrupts).length
  let msix: MessageInterrupts | null = null
  const queues: Virtqueue[] = []
  const undo = (reason: string): string => {
    for (const queue of queues) {
      transport.removeQueue(queue.index)
      for (const { mapping } of queue.pieces) device.dma?.freeCoherent(mapping)
    }
    if (msix !== null) {
      transport.setConfigVector(NO_VECTOR)
      msix.disable()
      transport.setMsix(false)
    }
    return reason
  }

  if (policy !== 'the interrupt pin') {
    const enabled = enableMsix(device.kernel, device.fn, perQueue ? 1 + withInterrupts : 2)
    if (typeof enabled === 'string') return enabled
    msix = enabled
    transport.setMsix(true)
    requestConfig(device, msix)
    if (transport.setConfigVector(0) === NO_VECTOR) return undo('the device takes no vector for configuration changes')
    if (!perQueue) msix.request(1, () => interruptAll(device, queues))
  }

  let nextVector = 1
  for (const [index, { name, interrupts }] of wanted.entries()) {
    const made = setUpQueue(device, index, name)
    if (typeof made === 'string') return undo(made)
    queues.push(made)
    if (msix === null) continue
    const vector = !interrupts ? NO_VECTOR : perQueue ? nextVector++ : 1
    if (transport.setQueueVector(index, vector) !== vector) return undo(`the device takes no vector for ${name}`)
    if (perQueue && interrupts) {
      msix.request(vector, () => {
        device.record.interrupt.delivered++
        made.interrupt()
        return true
      })
    }
  }

  if (msix === null) {
    const pin = device.kernel.pins.connect(device.fn, () => pinInterrupt(device, queues))
    if (typeof pin === 'string') return undo(pin)
    device.record.why(`interrupts by the pin: GSI ${pin.gsi}, vector 0x${pin.vector.toString(16)}`, pin.by)
  } else {
    const { vectors } = msix
    device.record.why(
      `MSI-X with ${vectors.length} vectors, ${policy}`,
      `vectors 0x${vectors.map((one) => one.number.toString(16)).join(' 0x')}`,
    )
  }
  const { interrupt } = device.record
  interrupt.mode = msix === null ? 'intx' : 'msix'
  interrupt.remapped =
    msix === null ? device.kernel.iommu.interruptRemapping : msix.messages.some(({ remapped }) => remapped === true)
  for (const queue of queues) transport.enableQueue(queue.index)
  return queues
}

function requestConfig(device: VirtioDevice, msix: MessageInterrupts): void {
  msix.request(0, () => {
    device.record.interrupt.delivered++
    device.onConfigChange?.()
    return true
  })
}

function interruptAll(device: VirtioDevice, queues: readonly Virtqueue[]): boolean {
  device.record.interrupt.delivered++
  for (const queue of queues) queue.interrupt()
  return true
}

/** The pin may be shared: the device's interrupt status tells whether it was this one, and is cleared by that. */
function pinInterrupt(device: VirtioDevice, queues: readonly Virtqueue[]): boolean {
  const isr = device.transport.readIsr()
  if (isr === 0 || isr === 0xff) return false
  device.record.interrupt.delivered++
  if (isr & 2) device.onConfigChange?.()
  for (const queue of queues) queue.interrupt()
  return true
}

function setUpQueue(device: VirtioDevice, index: number, name: string): Virtqueue | string {
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
