import { DmascopeError } from '@dmascope/layout'
import { GENERIC_ROOT_PORT, IOH3420_ROOT_PORT, type PciFunction, RootPort } from '@dmascope/pci'
import { BusMasterFunction, DmaProbe } from '@dmascope/virtio-devices'
import { romSize } from '../catalogue/catalogue.ts'
import { planCapabilities } from './capability-plan.ts'
import type { PlacedDevice } from './placement.ts'
import { realizeVirtio } from './realize-virtio.ts'

/** Kinds that need what is not modelled: more topology, or another IOMMU. */
const NOT_YET: Readonly<Partial<Record<string, string>>> = {
  'upstream-port': 'PCI Express switches are',
  'downstream-port': 'PCI Express switches are',
  bridge: 'conventional bridges are',
  'host-bridge': 'further root buses are',
  'virtio-iommu': 'virtio-iommu is',
  'amd-iommu': 'AMD-Vi is',
}

/**
 * Builds the function of a placed device.
 *
 * @param seed - tells apart devices that make up data
 * @param occupied - of a port: whether something is plugged in below
 * @throws DmascopeError MACHINE_REFUSED in QEMU's words, MACHINE_NOT_MODELLED
 */
export function realize(placed: PlacedDevice, seed: number, occupied: boolean): PciFunction {
  const { model, properties, description } = placed
  refuseUnmodelled(placed)
  const multifunction = properties.multifunction === true
  if (model.virtio !== null) return realizeVirtio(placed, seed)
  if (model.kind === 'root-port') {
    return new RootPort({
      model: model.name === 'ioh3420' ? IOH3420_ROOT_PORT : GENERIC_ROOT_PORT,
      multifunction,
      portNumber: Number(properties.port ?? 0),
      slot: Number(properties.slot ?? 0),
      occupied,
    })
  }
  if (model.kind === 'probe') return new DmaProbe()
  const pci = model.pci
  if (pci === null) throw new TypeError(`${model.name} (${description.location.text}) has no PCI function`)
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
    },
    capabilities: planCapabilities(pci, { express: placed.bus.nature === 'express', root: placed.bus.root }),
    dma: model.dma,
    dmaMaskBits: pci.dmaBits,
  })
}

/** @throws DmascopeError MACHINE_NOT_MODELLED */
export function refuseUnmodelled(placed: Pick<PlacedDevice, 'model' | 'description'>): void {
  const what = NOT_YET[placed.model.kind]
  if (what === undefined) return
  throw new DmascopeError(
    'MACHINE_NOT_MODELLED',
    `${placed.description.location.text}: ${placed.model.name}: ${what} not modelled yet; leave the device out`,
    { device: placed.model.name },
  )
}
