import { smmuv3OptionsFor } from '@dmascope/iommu/smmuv3'
import type { PlacedBus } from '../build/placed-bus.ts'
import type { PlacedPlatformDevice, Placement } from '../build/placement.ts'
import { isOff, isOn } from '../build/switches.ts'
import type { MachineDescription } from '../description.ts'
import { refuseIommu } from '../iommu/refuse-iommu.ts'
import { VIRT, VIRT_SPI } from './memory-map.ts'
import type { SmmuPlace } from './virt-facts.ts'

/** Interrupts of one SMMU: event queue, PRI queue, command queue sync, global error. */
const SPIS_OF_ONE = 4
/** Interrupts of the platform bus. */
const PLATFORM_SPIS = 64

/** An SMMU of `-device arm-smmuv3`: where it is, and the stages that it translates. */
export interface SmmuDevicePlan extends SmmuPlace {
  readonly rootBus: PlacedBus
  readonly features: ReturnType<typeof smmuv3OptionsFor>
}

/**
 * The SMMUs of `-device arm-smmuv3`, in order of creation: one a root bus, on the platform bus one after the other.
 *
 * @param bypass - the machine's own root bus bypasses IOMMUs
 * @throws DmascopeError MACHINE_REFUSED in QEMU's words, in the order in which it looks
 */
export function planSmmuDevices(
  smmus: readonly PlacedPlatformDevice[],
  placement: Placement,
  machine: MachineDescription,
  bypass: boolean,
): SmmuDevicePlan[] {
  const before = (one: PlacedPlatformDevice): boolean =>
    placement.functions.some(
      ({ model, description }) =>
        model.kind === 'virtio-iommu' &&
        machine.devices.indexOf(description) < machine.devices.indexOf(one.description),
    )
  const taken = new Set<PlacedBus>()
  return smmus.map((one, index): SmmuDevicePlan => {
    const refuse = (message: string): Error => refuseIommu(one, message)
    const other = machine.machineProperties.iommu === 'smmuv3' ? 'iommu=smmuv3' : before(one) ? 'virtio-iommu' : null
    if (other !== null) {
      throw refuse(`virt machine already has ${other} set. Doesn't support incompatible iommus`)
    }
    checkAccelerated(one)
    const rootBus = rootBusOf(one, placement)
    if (rootBus === placement.rootBus ? bypass : isOn(placement.expanders.get(rootBus)?.properties.bypass_iommu)) {
      throw refuse('Bypass option cannot be set for SMMUv3 associated PCIe RC')
    }
    if (taken.has(rootBus)) throw refuse('An iommu is already attached to this bus')
    taken.add(rootBus)
    if ((index + 1) * SPIS_OF_ONE > PLATFORM_SPIS) throw refuse('Platform Bus: Can not fit IRQ line')
    const { stage } = one.given
    return {
      rootBus,
      base: VIRT.platformBus.base + index * VIRT.smmu.size,
      spi: VIRT_SPI.platformBus + index * SPIS_OF_ONE,
      // Any other text is taken for stage 1.
      features: smmuv3OptionsFor('11.1', { stage: stage === '2' || stage === 'nested' ? stage : '1' }),
    }
  })
}

/** Much of an SMMU can be had only where it stands for one of the host's, under KVM; here there is no host. */
function checkAccelerated(one: PlacedPlatformDevice): void {
  const { accel, oas = 'auto', ril, ats, ssidsize = 'auto', cmdqv } = one.given
  const refuse = (message: string): Error => refuseIommu(one, message)
  if (accel === true) throw refuse('SMMUv3 accel=on requires KVM with kernel-irqchip=on support')
  if (oas !== 'auto' && oas !== '44' && oas !== '48') {
    throw refuse(
      'QEMU SMMUv3 model only implements auto, 44 bit, or 48 bit OAS. Other OasMode values are not supported.',
    )
  }
  if (isOff(ril)) throw refuse('ril can only be disabled if accel=on')
  if (isOn(ats)) throw refuse('ats can only be enabled if accel=on')
  if (oas === '48') throw refuse('oas must be 44 bits when accel=off')
  if (ssidsize !== 'auto' && ssidsize !== '0') {
    throw refuse('ssidsize can only be greater than 0 bits if accel=on')
  }
  if (isOn(cmdqv)) throw refuse('cmdqv can only be enabled if accel=on')
}

function rootBusOf(one: PlacedPlatformDevice, { rootBus, expanders }: Placement): PlacedBus {
  const bus = one.primaryBus
  if (bus === undefined) throw refuseIommu(one, 'SMMU is not attached to any PCI bus!')
  if (bus === rootBus || expanders.has(bus)) return bus
  throw refuseIommu(
    one,
    'SMMU should be attached to a default PCIe root complex(pcie.0) or a pxb-pcie based root complex',
  )
}
