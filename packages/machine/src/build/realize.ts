import { ModelledBridge, type PciFunction } from '@dmascope/pci'
import { BusMasterFunction, DmaProbe } from '@dmascope/virtio-devices'
import { romSize } from '../catalogue/catalogue.ts'
import { StaticFunction } from '../chipset/static-function.ts'
import { idleAmdFunction } from '../iommu/amd/idle-amd-function.ts'
import { assignedIdentity } from './assigned-identity.ts'
import { bridgeModelOf } from './bridge-models.ts'
import { planCapabilities } from './capability-plan.ts'
import { type PlacedDevice, refusePlace } from './placed-bus.ts'
import { realizeVirtio } from './realize-virtio.ts'
import { realizeVirtual, sriovCapability } from './realize-virtual.ts'
import { sriovPlan } from './sriov-plan.ts'
import { behaviourOf } from './virtio-behaviour.ts'

/**
 * Builds the function of a placed device.
 *
 * @param seed - tells apart devices that make up data
 * @param occupied - of a port: whether something is plugged in below
 * @param virtual - devices that are its virtual functions
 * @throws DmascopeError MACHINE_REFUSED in QEMU's words
 */
export function realize(
  placed: PlacedDevice,
  seed: number,
  occupied: boolean,
  virtual: readonly PlacedDevice[] = [],
): PciFunction {
  const { model, properties, description } = placed
  const multifunction = properties.multifunction === true
  if (model.virtio !== null) return realizeVirtio(placed, seed, behaviourOf(placed, seed), virtual)
  const messages = placed.bus.messages !== false
  const bridge = bridgeModelOf(model, messages ? properties : { ...properties, msi: 'off' })
  if (bridge !== null) {
    return new ModelledBridge({
      model: bridge,
      multifunction,
      portNumber: Number(properties.port ?? 0),
      slot: Number(properties.slot ?? 0),
      occupied,
      anyDevice: true,
    })
  }
  if (model.kind === 'probe')
    return new DmaProbe({
      dmaBits: probeBits(placed),
      lateWrite: properties['late-write'] === true,
      readsAround: properties['reads-around'] === true,
      maxLength: probeLength(placed),
    })
  if (model.kind === 'amd-iommu-function') return idleAmdFunction(multifunction)
  const pci = model.pci
  if (pci === null) throw new TypeError(`${model.name} (${description.location.text}) has no PCI function`)
  // What stands on bus 0 for an expander's root bus: it decodes nothing, and forwards nothing.
  if (model.kind === 'host-bridge') {
    return new StaticFunction({
      vendorId: pci.vendorId,
      deviceId: pci.deviceId,
      classCode: pci.classCode,
      subsystemVendorId: pci.subsystemVendorId,
      subsystemId: pci.subsystemId,
      multifunction,
    })
  }
  const sriov = sriovPlan(placed)
  return new BusMasterFunction({
    config: {
      vendorId: pci.vendorId,
      deviceId: pci.deviceId,
      classCode: pci.classCode,
      revisionId: pci.revision,
      subsystemVendorId: pci.subsystemVendorId,
      subsystemId: pci.subsystemId,
      interruptPin: pci.interruptPin,
      multifunction,
      size: pci.configSize,
      bars: pci.bars.map(({ index, kind, prefetchable, size }) => ({
        bar: index,
        kind: kind === 'io' ? ('io' as const) : kind === 'mem64' ? ('memory64' as const) : ('memory32' as const),
        prefetchable,
        size,
      })),
      romSize: romSize(model, properties),
      ...(properties['use-intel-id'] === true && INTEL_NVME),
      ...(model.kind === 'vfio' && assignedIdentity(placed)),
    },
    capabilities: [
      ...planCapabilities(pci, { express: placed.bus.nature === 'express', root: placed.bus.root }).filter(
        ({ kind }) => messages || (kind !== 'msi' && kind !== 'msix'),
      ),
      ...(sriov === null ? [] : sriovCapability(sriov, pci)),
    ],
    dma: model.dma,
    dmaMaskBits: pci.dmaBits,
    ...(sriov !== null && { virtualFunctions: realizeVirtual(sriov, placed.bus.root) }),
  })
}

/** What QEMU's NVMe controller was before it had a number of its own; `use-intel-id` keeps that. */
const INTEL_NVME = { vendorId: 0x8086, deviceId: 0x5845 }

/** `max_transfer` of a DMA probe. @throws DmascopeError MACHINE_PROPERTY_VALUE */
function probeLength(placed: PlacedDevice): number {
  const bytes = Number(placed.properties.max_transfer)
  if (Number.isInteger(bytes) && bytes >= 64 && bytes <= 0x1_0000 && bytes % 4 === 0) return bytes
  throw refusePlace(
    'MACHINE_PROPERTY_VALUE',
    placed.description,
    `a DMA probe transfers 64 to 65536 bytes at once, in words of 4; write max_transfer=256, not max_transfer=${bytes}`,
  )
}

/** `dma_bits` of a DMA probe. @throws DmascopeError MACHINE_PROPERTY_VALUE */
function probeBits(placed: PlacedDevice): number {
  const bits = Number(placed.properties.dma_bits)
  if (Number.isInteger(bits) && bits >= 12 && bits <= 64) return bits
  throw refusePlace(
    'MACHINE_PROPERTY_VALUE',
    placed.description,
    `a DMA probe drives 12 to 64 address bits; write dma_bits=30, not dma_bits=${bits}`,
  )
}
