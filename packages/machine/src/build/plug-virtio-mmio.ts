import { emptyTransport, VirtioMmioDevice } from '@dmascope/virtio-mmio'
import { VIRTIO_MMIO_BYTES } from '@dmascope/virtio-mmio/spec'
import { requireModel } from '../catalogue/catalogue.ts'
import { checkProperties, withDefaults } from '../catalogue/check-properties.ts'
import type { MachineDescription } from '../description.ts'
import type { Machine } from '../machine.ts'
import { behaviourOf } from './virtio-behaviour.ts'
import type { PlacedVirtioDevice } from './virtio-buses.ts'
import { withheldFeatures } from './withheld-features.ts'

/** Where a board has its virtio-mmio transports: one after the other, each with an interrupt wire of its own. */
export interface VirtioTransports {
  readonly count: number
  /** Guest-physical address of the first. */
  readonly base: number
  /** The board's interrupt wire of the first. */
  readonly wire: number
}

/**
 * Fills the machine's transports: with the devices that were placed there, or with nothing. Whatever `iommu_platform` a
 * device has, its DMA goes to memory as it is: QEMU's transport has no other address space to give (`virtio-mmio` is on
 * no bus with an IOMMU).
 *
 * @param firstSeed - tells these devices apart from others that make up data
 */
export function plugVirtioTransports(
  machine: Machine,
  { qemuVersion, virtioTransports = {} }: MachineDescription,
  placed: readonly PlacedVirtioDevice[],
  { count, base, wire }: VirtioTransports,
  firstSeed: number,
): void {
  const model = requireModel('virtio-mmio', qemuVersion)
  const given = checkProperties(model, virtioTransports, qemuVersion)
  const legacy = withDefaults(model, given, qemuVersion)['force-legacy'] !== false
  const empty = emptyTransport({ legacy })
  for (let transport = 0; transport < count; transport++) {
    const at = { base: base + transport * VIRTIO_MMIO_BYTES, size: VIRTIO_MMIO_BYTES }
    const index = placed.findIndex((one) => one.transport === transport)
    const one = placed[index]
    if (one === undefined) {
      machine.addRegisters({ name: model.name, ...at, handler: empty })
      continue
    }
    const { properties, description } = one
    machine.plugPlatform({
      device: new VirtioMmioDevice({
        device: behaviourOf(one, firstSeed + index),
        legacy,
        accessPlatform: properties.iommu_platform === true,
        indirect: properties.indirect_desc !== false,
        eventIndex: properties.event_idx !== false,
        packed: properties.packed === true,
        ringReset: properties.queue_reset !== false,
        withheld: withheldFeatures(one),
      }),
      model: one.model.name,
      described: description,
      ...at,
      wire: wire + transport,
    })
  }
}
