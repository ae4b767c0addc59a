import { enableMsix, type MessageInterrupts } from '../interrupts/message-interrupts.ts'
import type { PciFunction } from '../pci/pci-function.ts'
import { findQueuesOnChannel } from './channel-queues.ts'
import { setUpQueue, type WantedQueue } from './set-up-queue.ts'
import { NO_VECTOR } from './transport.ts'
import type { VirtioDevice } from './virtio-device.ts'
import type { Virtqueue } from './virtqueue.ts'
import { findQueuesOnWire } from './wire-queues.ts'

export type { WantedQueue } from './set-up-queue.ts'

/** How interrupts are shared out: what Linux tries, in this order. */
const POLICIES = ['a vector for each queue', 'one vector for all queues', 'the interrupt pin'] as const
type Policy = (typeof POLICIES)[number]

/**
 * Sets up a device's virtqueues and their interrupts: MSI-X with a vector for configuration changes and one for each
 * queue, else MSI-X with two vectors, else the interrupt pin. A device on no bus has one wire, or the indicators of a channel.
 *
 * @returns why there are none, where all of that failed
 */
export function findQueues(device: VirtioDevice, wanted: readonly WantedQueue[]): readonly Virtqueue[] | string {
  const { fn, platform } = device.site
  if (fn !== null) return findQueuesOnPci(device, fn, wanted)
  const { channel } = platform ?? {}
  return channel === undefined ? findQueuesOnWire(device, wanted) : findQueuesOnChannel(device, channel, wanted)
}

function findQueuesOnPci(
  device: VirtioDevice,
  fn: PciFunction,
  wanted: readonly WantedQueue[],
): readonly Virtqueue[] | string {
  const failures: string[] = []
  for (const policy of POLICIES) {
    const found = tryPolicy(device, fn, wanted, policy)
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

function tryPolicy(
  device: VirtioDevice,
  fn: PciFunction,
  wanted: readonly WantedQueue[],
  policy: Policy,
): Virtqueue[] | string {
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
    const enabled = enableMsix(device.kernel, fn, perQueue ? 1 + withInterrupts : 2)
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
    const pin = device.kernel.pins.connect(fn, () => pinInterrupt(device, queues))
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
