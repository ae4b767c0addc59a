import { type VtdFeatures, VtdUnit, vtdOptionsFor } from '@dmascope/iommu/vtd'
import { DmascopeError } from '@dmascope/layout'
import { hasKernelIrqchip, isKvm } from '../../build/accelerator.ts'
import type { PlacedDevice } from '../../build/placed-bus.ts'
import type { PlacedPlatformDevice } from '../../build/placement.ts'
import { isOn } from '../../build/switches.ts'
import type { MachineDescription, PropertyValue, QemuVersion } from '../../description.ts'
import { requireHypervisor } from '../../hypervisor/hypervisors.ts'
import type { IommuPlan } from '../iommu-plan.ts'
import type { IommuWiring, MachineIommu } from '../machine-iommu.ts'
import { refuseIommu } from '../refuse-iommu.ts'
import { dmarTable, VTD_BASE, VTD_IOAPIC_REQUESTER, VTD_SIZE, type VtdPlace } from './dmar-table.ts'

/** @throws DmascopeError MACHINE_REFUSED in QEMU's words, and those of `vtdOptionsFor` */
export function planVtd(device: PlacedPlatformDevice, machine: MachineDescription): IommuPlan {
  const features = checkedFeatures(device, machine)
  const hypervisor = requireHypervisor(machine.hypervisor ?? 'qemu')
  const units: VtdPlace[] = [{ segment: 0, base: VTD_BASE }]
  const planFor = (place: VtdPlace): Omit<IommuPlan, 'rootBus' | 'forSegment'> => ({
    functionAt: null,
    create: (wiring) => vtdIommu(features, wiring, place),
    acpiTable: (roots, regions = []) => dmarTable(roots, features, hypervisor.dmarScopes, units, regions),
    checkDevice(placed) {
      if (placed.model.kind === 'vfio' && !features.cachingMode && hypervisor.assignedDma === 'platform')
        throw withoutCachingMode(placed)
    },
  })
  return {
    forSegment(segment, rootBus) {
      const place = { segment, base: VTD_BASE + units.length * VTD_SIZE }
      units.push(place)
      return { rootBus, ...planFor(place) }
    },
    ...planFor(units[0]!),
  }
}

/** The I/O APIC's messages go through the unit of segment 0. */
function vtdIommu(features: VtdFeatures, wiring: IommuWiring, { segment, base }: VtdPlace): MachineIommu {
  const { ram, raiseMsi } = wiring
  const unit = new VtdUnit({ ram, raiseMsi, onFault: (fault) => wiring.onFault({ segment, ...fault }), ...features })
  return {
    translator: unit,
    segment,
    windows: [{ name: 'VT-d', base, size: VTD_SIZE, handler: unit }],
    pciFunction: null,
    ioApicRequester: segment === 0 ? VTD_IOAPIC_REQUESTER : null,
  }
}
function checkedFeatures(device: PlacedPlatformDevice, machine: MachineDescription): VtdFeatures {
  const { given, description } = device
  const features = featuresOf(machine.qemuVersion, given, description.location.text)
  const split = machine.machineProperties['kernel-irqchip'] === 'split'
  if (machine.qemuVersion === '7.2' && isOn(given.eim) && !isOn(given['x-buggy-eim']) && !(isKvm(machine) && split)) {
    throw refuseIommu(device, 'eim=on requires accel=kvm,kernel-irqchip=split')
  }
  // What closes memory to devices before there are page tables: chipsets with TXT have it, QEMU's unit has not.
  const protectedMemory = machine.launch === 'tboot'
  const inKernel = hasKernelIrqchip(machine)
  if (features.interruptRemapping && isOn(given.intremap) && inKernel) {
    throw refuseIommu(device, "Interrupt Remapping cannot work with kernel-irqchip=on, please use 'split|off'.")
  }
  return { ...features, protectedMemory, ...(inKernel && { interruptRemapping: false }) }
}

/** @throws DmascopeError as `vtdOptionsFor` does, naming the place */
function featuresOf(version: QemuVersion, given: Readonly<Record<string, PropertyValue>>, where: string): VtdFeatures {
  try {
    return vtdOptionsFor(version, bearingOn(given))
  } catch (error) {
    if (!(error instanceof DmascopeError)) throw error
    throw new DmascopeError(error.code, `${where}: ${error.message}`, { ...error.context, where })
  }
}

/** Properties that the unit knows; the catalogue accepts a few that change nothing. */
function bearingOn(given: Readonly<Record<string, PropertyValue>>): Record<string, PropertyValue> {
  const known: Record<string, PropertyValue> = {}
  for (const name in given) if (name !== 'addr' && name !== 'id') known[name] = given[name]!
  return known
}

/** Shadowing an assigned device's mappings needs to hear of each new one (QEMU's `vtd_iommu_notify_flag_changed`). */
function withoutCachingMode({ model, description, device, fn }: PlacedDevice): DmascopeError {
  const place = `${device.toString(16).padStart(2, '0')}.${fn}`
  return new DmascopeError(
    'MACHINE_REFUSED',
    `${description.location.text}: device ${place} requires caching mode; write -device intel-iommu,...,caching-mode=on`,
    { device: model.name },
  )
}
