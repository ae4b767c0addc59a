import { Sun4uUnit } from '@dmascope/iommu/sun4u'
import { DmascopeError } from '@dmascope/layout'
import { findModel } from '../catalogue/catalogue.ts'
import type { MachineDescription } from '../description.ts'
import { requireHypervisor } from '../hypervisor/hypervisors.ts'
import type { MachineIommu } from '../iommu/machine-iommu.ts'
import { Machine } from '../machine.ts'
import { sun4uBoard } from '../sun4u/sun4u-board.ts'
import type { BuiltMachine } from './built-machine.ts'
import { withSun4uDevices } from './default-devices.ts'
import { refusePlace } from './placed-bus.ts'
import { type Placement, placeDevices } from './placement.ts'
import { plugSegments } from './plug-segments.ts'

const MIB = 0x10_0000
const SMALLEST_MEMORY = 64 * MIB
/** Entries of the IOMMU have 41 address bits, of which the bridge's windows take the upper end. */
const LARGEST_MEMORY = 2 ** 40

/** Slots of the first bus that are not for devices: all but those of the host bridge and of the bridge on it. */
const RESERVED_SLOTS = 0xffff_fffc

/**
 * Builds a sun4u machine: an UltraSPARC-IIi whose PCI host bridge, Sabre, has its IOMMU in front of every device.
 *
 * @throws DmascopeError MACHINE_* where the description is one that QEMU refuses, or that is not modelled
 */
export function createSun4u(description: MachineDescription, options: { readonly trace?: boolean }): BuiltMachine {
  check(description)
  let unit: Sun4uUnit | null = null
  const board = sun4uBoard(() => unit)
  const placement = placeDevices(
    withSun4uDevices(description),
    { name: 'pci', nature: 'conventional', acpiHotplug: false, messages: false, reservedSlots: RESERVED_SLOTS },
    board.functions,
  )
  checkPlacement(placement)
  const asHardware = requireHypervisor(description.hypervisor ?? 'qemu').name.startsWith('physical')
  const machine = new Machine({
    board,
    memory: description.memory,
    createIommus: ({ ram, onFault }) => {
      const features = { keepsEntries: asHardware, recordsErrors: asHardware, decodesTargets: asHardware }
      unit = new Sun4uUnit({ ram, onFault, ...features })
      return [sun4uIommu(unit)]
    },
    trace: options.trace === true,
  })
  plugSegments(machine, placement, [placement.rootBus])
  const { cpus, append } = description
  machine.offerFirmwareFiles(new Map(), { cpus, commandLine: append })
  return { machine, files: new Map(), deviceTree: null, firmware: 'OpenBIOS' }
}

const sun4uIommu = (translator: Sun4uUnit): MachineIommu => ({
  translator,
  // Its registers are among those of the host bridge.
  windows: [],
  pciFunction: null,
  ioApicRequester: null,
})

function check({ memory, cpu, cpus, devices }: MachineDescription): void {
  for (const device of devices) {
    if (findModel(device.model)?.kind !== 'virtio-iommu') continue
    throw refusePlace(
      'MACHINE_REFUSED',
      device,
      `Check your machine implements a hotplug handler for the ${device.model} device`,
    )
  }
  if (cpu !== undefined && !/^(TI UltraSparc IIi|TI-UltraSparc-IIi)(,|$)/i.test(cpu)) {
    throw new DmascopeError(
      'MACHINE_NOT_MODELLED',
      `processor ${cpu} on sun4u is not modelled; write "TI UltraSparc IIi", or leave it out`,
      { cpu },
    )
  }
  if (cpus > 1) {
    throw new DmascopeError(
      'MACHINE_PROCESSOR',
      `Invalid SMP CPUs ${cpus}. The max CPUs supported by machine 'sun4u' is 1`,
      { cpus },
    )
  }
  if (Number.isSafeInteger(memory) && memory >= SMALLEST_MEMORY && memory <= LARGEST_MEMORY && memory % MIB === 0)
    return
  throw new DmascopeError(
    'MACHINE_MEMORY',
    `${memory} bytes of memory: write a multiple of 1 MiB from 64 MiB to 1 TiB, such as 512M`,
    { memory },
  )
}

function checkPlacement({ functions, platform }: Placement): void {
  for (const { description, model } of platform) {
    throw refusePlace('MACHINE_UNKNOWN_DEVICE', description, `'${model.name}' is not a valid device model for sparc64`)
  }
  for (const { description, model, bus } of functions) {
    if (model.kind === 'host-bridge' || (model.bridge !== null && model.bridge.secondary === 'express')) {
      throw refusePlace('MACHINE_UNKNOWN_DEVICE', description, `'${model.name}' is not a valid device model name`)
    }
    if (bus.above === null && model.name !== 'pbm-bridge') {
      throw refusePlace(
        'MACHINE_NOT_MODELLED',
        description,
        `no interrupt of a device on '${bus.name}' is modelled; write bus=pciB`,
      )
    }
  }
}
