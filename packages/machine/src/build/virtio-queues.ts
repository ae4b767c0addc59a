import type { DeviceModel } from '../catalogue/model.ts'
import type { PropertyValue } from '../description.ts'

type Properties = Readonly<Record<string, PropertyValue>>

/** Not a number of queues, but: as many as the transport finds good. */
const AUTO_QUEUES = 0xffff
const UNSTATED_VECTORS = 0xffff_ffff
const MOST_QUEUES = 1024

/** A disk's request queues, where it stands on no transport that knows a better number than one. */
export function blockQueues(properties: Properties, automatic = 1): number {
  const stated = Number(properties['num-queues'] ?? AUTO_QUEUES)
  return Math.min(stated === AUTO_QUEUES ? automatic : stated, MOST_QUEUES)
}

/**
 * Gives a disk on PCI a request queue for each processor, where the command line leaves that to QEMU; with an interrupt
 * vector for each, and one for changes of configuration.
 */
export function withBlockQueues(model: DeviceModel, properties: Properties, cpus: number): Properties {
  if (model.kind !== 'virtio-blk') return properties
  const queues = blockQueues(properties, cpus)
  const vectors = Number(properties.vectors) === UNSTATED_VECTORS ? { vectors: queues + 1 } : {}
  return { ...properties, 'num-queues': queues, ...vectors }
}
