import { type VirtioIommuFeatures, VirtioIommuUnit, virtioIommuOptionsFor } from '@dmascope/iommu/virtio-iommu'
import { DmascopeError } from '@dmascope/layout'
import type { PciFunction } from '@dmascope/pci'
import type { PlacedDevice } from '../../build/placed-bus.ts'
import { realizeVirtio } from '../../build/realize-virtio.ts'
import type { MachineDescription } from '../../description.ts'
import type { IommuPlan } from '../iommu-plan.ts'
import { refuseIommu } from '../refuse-iommu.ts'
import { viotTable } from './viot-table.ts'

/** Properties of QEMU's that the unit itself knows. */
const UNIT_PROPERTIES = ['boot-bypass', 'granule', 'aw-bits']

type MachinePart = Parameters<typeof virtioIommuOptionsFor>[1]

/** What a machine type makes of the device: its doorbells, and how wide newer releases let it translate. */
const MACHINES: Readonly<Partial<Record<MachineDescription['machine'], MachinePart>>> = {
  q35: { msi: { start: 0xfee0_0000, end: 0xfeef_ffff }, inputBits: 39 },
  pc: { msi: { start: 0xfee0_0000, end: 0xfeef_ffff }, inputBits: 64 },
}

/** @throws DmascopeError MACHINE_REFUSED in QEMU's words, and those of `virtioIommuOptionsFor`, naming the place */
export function planVirtioIommu(
  placed: PlacedDevice,
  machine: MachineDescription,
  part: MachinePart | undefined = MACHINES[machine.machine],
): IommuPlan {
  const features = featuresOf(placed, machine, part)
  let made: PciFunction | null = null
  return {
    functionAt: placed,
    create(wiring) {
      const unit = new VirtioIommuUnit({
        endpointExists: (endpoint) => wiring.hasRequester(endpoint),
        wake: () => wiring.touch(pciFunction),
        onFault: (fault) => wiring.onFault(fault),
        ...features,
      })
      const pciFunction = realizeVirtio(placed, 0, unit)
      made = pciFunction
      return { translator: unit, windows: [], pciFunction, ioApicRequester: null }
    },
    acpiTable(roots) {
      for (const { bus } of roots) {
        const own = bus.slots.find((slot) => slot.function === made)
        if (own !== undefined) return viotTable(roots, own.requesterId)
      }
      return viotTable(roots, 0)
    },
    checkDevice() {},
  }
}

function featuresOf(
  placed: PlacedDevice,
  machine: MachineDescription,
  part: MachinePart | undefined,
): VirtioIommuFeatures {
  const { given, description } = placed
  if (part === undefined) {
    throw refuseIommu(placed, 'Check your machine implements a hotplug handler for the virtio-iommu-pci device')
  }
  const known = Object.entries(given).filter(([name]) => UNIT_PROPERTIES.includes(name))
  const where = description.location.text
  try {
    return virtioIommuOptionsFor(machine.qemuVersion, part, Object.fromEntries(known))
  } catch (error) {
    if (!(error instanceof DmascopeError)) throw error
    throw new DmascopeError(error.code, `${where}: ${error.message}`, { ...error.context, where })
  }
}
