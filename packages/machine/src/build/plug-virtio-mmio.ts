import { emptyTransport, VirtioMmioDevice } from '@dmascope/virtio-mmio'
import { VIRTIO_MMIO_BYTES } from '@dmascope/virtio-mmio/spec'
import { requireModel } from '../catalogue/catalogue.ts'
import { checkProperties, withDefaults } from '../catalogue/check-properties.ts'
import type { MachineDescription } from '../description.ts'
import { requireHypervisor } from '../hypervisor/hypervisors.ts'
import { type VirtioBehaviour, virtioBehaviour } from '../hypervisor/virtio-behaviour.ts'
import type { InboundMap } from '../inbound/inbound-map.ts'
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
  /**
   * The bus that the transports are on, where they are not QEMU's: its devices follow the hypervisor's rules, as those of
   * PCI do. `inbound` is how it sees memory; at its own address where null.
   */
  readonly bus?: { readonly inbound: InboundMap | null }
}

/**
 * Fills the machine's transports: with the devices that were placed there, or with nothing. Whatever `iommu_platform` a
 * device of QEMU's has, its DMA goes to memory as it is: QEMU's transport has no other address space to give
 * (`virtio-mmio` is on no bus with an IOMMU).
 *
 * @param firstSeed - tells these devices apart from others that make up data
 */
export function plugVirtioTransports(
  machine: Machine,
  description: MachineDescription,
  placed: readonly PlacedVirtioDevice[],
  { count, base, wire, bus }: VirtioTransports,
  firstSeed: number,
): void {
  const { qemuVersion, virtioTransports = {} } = description
  const model = requireModel('virtio-mmio', qemuVersion)
  const given = checkProperties(model, virtioTransports, qemuVersion)
  const legacy =
    bus === undefined
      ? withDefaults(model, given, qemuVersion)['force-legacy'] !== false
      : given['force-legacy'] === true
  const empty = emptyTransport({ legacy })
  for (let transport = 0; transport < count; transport++) {
    const at = { base: base + transport * VIRTIO_MMIO_BYTES, size: VIRTIO_MMIO_BYTES }
    const index = placed.findIndex((one) => one.transport === transport)
    const one = placed[index]
    if (one === undefined) {
      machine.addRegisters({ name: model.name, ...at, handler: empty })
      continue
    }
    const { properties } = one
    const rules = bus === undefined ? null : rulesOf(description, one)
    machine.plugPlatform({
      device: new VirtioMmioDevice({
        device: behaviourOf(one, firstSeed + index),
        legacy,
        accessPlatform: rules === null ? properties.iommu_platform === true : rules.offersAccessPlatform,
        indirect: properties.indirect_desc !== false,
        eventIndex: properties.event_idx !== false,
        packed: properties.packed === true,
        ringReset: properties.queue_reset !== false,
        withheld: withheldFeatures(one),
      }),
      model: one.model.name,
      described: one.description,
      ...at,
      wire: wire + transport,
      ...(rules?.throughPlatform && bus?.inbound && { inbound: bus.inbound }),
    })
  }
}

/** DEVIATION: of a hypervisor's rules a device here has those about bit 33 and about the way of its DMA alone. */
const rulesOf = (description: MachineDescription, { model, properties }: PlacedVirtioDevice): VirtioBehaviour =>
  virtioBehaviour(requireHypervisor(description.hypervisor ?? 'qemu'), model, properties, description)
