import {
  type AmdViFeatures,
  AmdViUnit,
  amdviOptionsFor,
  capabilityBlockOf,
  extendedFeature2Of,
  extendedFeatureOf,
} from '@dmascope/iommu/amdvi'
import { DmascopeError } from '@dmascope/layout'
import { requesterId } from '@dmascope/pci/spec'
import { hasKernelIrqchip } from '../../build/accelerator.ts'
import type { PlacedDevice } from '../../build/placed-bus.ts'
import type { PlacedPlatformDevice, Placement } from '../../build/placement.ts'
import { isOn } from '../../build/switches.ts'
import type { MachineDescription, PropertyValue, QemuVersion } from '../../description.ts'
import type { IommuPlan } from '../iommu-plan.ts'
import { refuseIommu } from '../refuse-iommu.ts'
import { AMD_IOMMU_DEVICE_ID, AmdIommuFunction } from './amd-function.ts'
import { AMDVI_BASE, AMDVI_IOAPIC_REQUESTER, ivrsTable } from './ivrs-table.ts'

const CAPABILITY_OFFSET = 0x40
/** Bytes of registers that QEMU decodes. */
const WINDOW = 0x4000

/** @throws DmascopeError MACHINE_REFUSED in QEMU's words, and those of `amdviOptionsFor` */
export function planAmd(device: PlacedPlatformDevice, placement: Placement, machine: MachineDescription): IommuPlan {
  const features = checkedFeatures(device, machine)
  const functionAt = functionOf(device, placement, machine)
  const ownId = requesterId(0, functionAt.device, functionAt.fn)
  return {
    functionAt,
    create({ ram, raiseMsi, onFault }) {
      const pciFunction = new AmdIommuFunction({
        // Before 11.1 its address stood where the device ID belongs.
        deviceId: machine.qemuVersion === '7.2' ? ownId : AMD_IOMMU_DEVICE_ID,
        multifunction: functionAt.properties.multifunction === true,
        capability: capabilityOf(machine.qemuVersion, features),
      })
      const messages = {
        msi(hi: number, lo: number, data: number) {
          raiseMsi(hi, lo, data)
          return 0 as const
        },
        intx() {},
      }
      const unit = new AmdViUnit({ ram, onFault, raiseMsi: () => pciFunction.raise(messages), ...features })
      return {
        translator: unit,
        windows: [{ name: 'AMD-Vi', base: AMDVI_BASE, size: WINDOW, handler: unit }],
        pciFunction,
        ioApicRequester: AMDVI_IOAPIC_REQUESTER,
        // `amdvi_host_dma_iommu` of older releases looks up the bus's number once.
        namesFunctionsOnce: machine.qemuVersion === '7.2',
      }
    },
    acpiTable: (roots, regions = []) =>
      ivrsTable(roots, {
        regions,
        deviceId: ownId,
        capabilityOffset: CAPABILITY_OFFSET,
        physicalWidth: features.physicalWidth,
        interruptRemapping: features.interruptRemapping,
        x2apic: features.x2apic,
        dmaTranslation: features.dmaTranslation,
        extendedFeatures:
          machine.qemuVersion === '7.2' ? null : [extendedFeatureOf(features), extendedFeature2Of(features)],
      }),
    checkDevice: (placed) => {
      if (placed.model.kind === 'vfio') checkAssigned(placed, machine.qemuVersion, features)
    },
  }
}

function checkedFeatures(device: PlacedPlatformDevice, machine: MachineDescription): AmdViFeatures {
  const { given, description } = device
  const features = featuresOf(machine.qemuVersion, given, description.location.text)
  const inKernel = hasKernelIrqchip(machine)
  if (features.interruptRemapping && isOn(given.intremap) && inKernel) {
    throw refuseIommu(device, "Interrupt Remapping cannot work with kernel-irqchip=on, please use 'split|off'.")
  }
  return inKernel ? { ...features, interruptRemapping: false } : features
}

/** @throws DmascopeError as `amdviOptionsFor` does, naming the place */
function featuresOf(
  version: QemuVersion,
  given: Readonly<Record<string, PropertyValue>>,
  where: string,
): AmdViFeatures {
  const bearing = Object.fromEntries(Object.entries(given).filter(([name]) => !['pci-id', 'id'].includes(name)))
  try {
    return amdviOptionsFor(version, bearing)
  } catch (error) {
    if (!(error instanceof DmascopeError)) throw error
    throw new DmascopeError(error.code, `${where}: ${error.message}`, { ...error.context, where })
  }
}

/** The unit's PCI function: the one that `pci-id` names, which must come first, else its own. */
function functionOf(device: PlacedPlatformDevice, placement: Placement, machine: MachineDescription): PlacedDevice {
  const name = device.given['pci-id']
  if (name === undefined) {
    const own = placement.functions.find(({ description }) => description.location === device.description.location)
    if (own === undefined) throw new TypeError('amd-iommu has been given no place on PCI')
    return own
  }
  const order = (one: PlacedDevice): number => machine.devices.indexOf(one.description)
  const found = placement.functions.find(({ description }) => description.id === name)
  if (found === undefined || order(found) > machine.devices.indexOf(device.description)) {
    throw refuseIommu(device, `Cannot find PCI device '${name}'; write -device AMDVI-PCI,id=${name} before it`)
  }
  if (found.model.kind !== 'amd-iommu-function') {
    throw refuseIommu(device, `Device '${name}' must be an AMDVI-PCI device type`)
  }
  return found
}

/** The capability block. Before 11.1 QEMU put the base address into it sixteen bits from where it belongs. */
function capabilityOf(version: QemuVersion, features: AmdViFeatures): readonly number[] {
  const words = capabilityBlockOf(features, AMDVI_BASE)
  return version === '7.2' ? [words[0]!, 0, AMDVI_BASE >>> 16, ...words.slice(3)] : words
}

/** QEMU's `amdvi_iommu_notify_flag_changed`: an assigned device's mappings must be shadowed. */
function checkAssigned(placed: PlacedDevice, version: QemuVersion, features: AmdViFeatures): void {
  if (version === '11.1' && features.dmaRemap) return
  const { model, description, device, fn } = placed
  const place = `device 00.${device.toString(16).padStart(2, '0')}.${fn}`
  const words =
    version === '7.2'
      ? `${place} requires iommu notifier which is not currently supported`
      : `${place} requires dma-remap=1; write -device amd-iommu,...,dma-remap=on`
  throw new DmascopeError('MACHINE_REFUSED', `${description.location.text}: ${words}`, { device: model.name })
}
