import { VtdUnit, vtdOptionsFor } from '@dmascope/iommu/vtd'
import { DmascopeError } from '@dmascope/layout'
import { isBridge, type PciBus, type PciFunction } from '@dmascope/pci'
import { type Chipset, I440FX, Q35 } from '../chipset/chipset.ts'
import type { MachineDescription } from '../description.ts'
import type { DmarFacts, PlatformFacts } from '../firmware/acpi-tables.ts'
import { firmwareFiles } from '../firmware/firmware-files.ts'
import { Machine, VTD_BASE } from '../machine.ts'
import { withDefaultDevices } from './default-devices.ts'
import { type PlacedDevice, type Placement, placeDevices } from './placement.ts'
import { realize, refuseUnmodelled } from './realize.ts'

const CHIPSETS: Readonly<Record<MachineDescription['machine'], Chipset>> = { q35: Q35, pc: I440FX }
const LARGEST_MEMORY = 2 ** 41
const SMALLEST_MEMORY = 0x400_0000

/** What `createMachine` made beside the machine, for those who dump firmware. */
export interface BuiltMachine {
  readonly machine: Machine
  /** The files that fw_cfg offers. */
  readonly files: ReadonlyMap<string, Uint8Array>
}

/**
 * Builds a machine from its description: places devices by QEMU's rules, wires each as QEMU would, and offers the
 * firmware files that QEMU would write.
 *
 * @throws DmascopeError MACHINE_* where the description is one that QEMU refuses, or that is not modelled
 */
export function createMachine(
  description: MachineDescription,
  options: { readonly trace?: boolean } = {},
): BuiltMachine {
  const chipset = CHIPSETS[description.machine]
  checkMemory(description)
  const complete = withDefaultDevices(description, chipset)
  const placement = placeDevices(
    complete,
    { name: chipset.rootBusName, nature: chipset.express ? 'express' : 'conventional' },
    chipset.functions(),
  )
  const unit = iommuOf(placement, description)
  const bypass = isOn(description.machineProperties.default_bus_bypass_iommu)
  const machine = new Machine({
    chipset,
    memory: description.memory,
    ...(unit !== null && { createIommu: (wiring) => new VtdUnit({ ...unit.features, ...wiring }) }),
    interruptsBypass: bypass,
    trace: options.trace === true,
  })
  if (bypass)
    for (const { device, fn } of chipset.functions())
      machine.rewire(`0000:00:${device.toString(16).padStart(2, '0')}.${fn}`, false)
  plugDevices(machine, placement, bypass)
  const facts = platformFacts(machine, description, bypass ? 'bypassed' : 'covered', unit)
  const files = firmwareFiles(chipset, facts, { lowRamEnd: machine.lowRamEnd })
  machine.offerFirmwareFiles(files, { cpus: description.cpus, commandLine: description.append })
  return { machine, files }
}

const isOn = (value: unknown): boolean => value === true || value === 'on'

function checkMemory({ memory }: MachineDescription): void {
  if (Number.isSafeInteger(memory) && memory >= SMALLEST_MEMORY && memory <= LARGEST_MEMORY && memory % 0x10_0000 === 0)
    return
  throw new DmascopeError(
    'MACHINE_MEMORY',
    `${memory} bytes of memory: write a multiple of 1 MiB from 64 MiB to 2 TiB, such as 512M`,
    { memory },
  )
}

type Unit = { readonly features: ReturnType<typeof vtdOptionsFor> }

function iommuOf(placement: Placement, machine: MachineDescription): Unit | null {
  const [first, second] = placement.platform
  if (first === undefined) return null
  const refuse = (at: string, message: string): DmascopeError =>
    new DmascopeError('MACHINE_REFUSED', `${at}: ${message}`, { device: first.model.name })
  if (second !== undefined) {
    throw refuse(second.description.location.text, 'QEMU does not support multiple vIOMMUs for x86 yet.')
  }
  refuseUnmodelled(first)
  const where = first.description.location.text
  if (machine.machine !== 'q35')
    throw refuse(where, `Machine-type '${machine.machine}' not supported by ${first.model.name}; use q35`)
  const features = vtdOptionsFor(machine.qemuVersion, bearingOn(first.given))
  const irqchip = machine.machineProperties['kernel-irqchip']
  if (features.interruptRemapping && isOn(first.given.intremap) && isOn(irqchip) && isKvm(machine)) {
    throw refuse(where, "Interrupt Remapping cannot work with kernel-irqchip=on, please use 'split|off'.")
  }
  return { features: isKvm(machine) && isOn(irqchip) ? { ...features, interruptRemapping: false } : features }
}

const isKvm = (machine: MachineDescription): boolean => machine.machineProperties.accel === 'kvm'

/** Properties that the unit knows; the catalogue accepts a few that change nothing. */
const bearingOn = (
  given: Readonly<Record<string, string | number | boolean>>,
): Record<string, string | number | boolean> =>
  Object.fromEntries(Object.entries(given).filter(([name]) => !['svm', 'x-cap-fs1gp', 'addr', 'id'].includes(name)))

function plugDevices(machine: Machine, placement: Placement, bypass: boolean): void {
  const occupied = new Set(placement.functions.map(({ bus }) => bus.above))
  const functions = new Map<PlacedDevice, PciFunction>()
  placement.functions.forEach((placed, index) => {
    const one = realize(placed, index, occupied.has(placed))
    functions.set(placed, one)
    const above = placed.bus.above === null ? undefined : functions.get(placed.bus.above)
    const bus: PciBus | undefined = above !== undefined && isBridge(above) ? above.secondary : undefined
    machine.plug({
      function: one,
      model: placed.model.name,
      described: placed.description,
      device: placed.device,
      fn: placed.fn,
      behindIommu: !bypass && wiredBehindIommu(placed),
      ...(bus !== undefined && { bus }),
    })
  })
}

/**
 * QEMU's `virtio_bus_device_plugged`: a virtio device without `iommu_platform` gets system memory as its DMA address
 * space, whatever the bus; every other device gets the bus's.
 */
function wiredBehindIommu({ model, properties }: PlacedDevice): boolean {
  if (model.kind === 'probe') return properties.bypass !== true
  return model.virtio === null || properties.iommu_platform === true
}

function platformFacts(
  machine: Machine,
  description: MachineDescription,
  rootBus: 'covered' | 'bypassed',
  unit: Unit | null,
): PlatformFacts {
  return {
    machine: description.machine,
    qemuVersion: description.qemuVersion,
    cpus: description.cpus,
    hpet: description.machineProperties.hpet !== 'off' && description.machineProperties.hpet !== false,
    ecamBase: description.machine === 'q35' ? 0xb000_0000 : null,
    dmar: unit === null ? null : dmarFacts(machine, rootBus, unit),
  }
}

/** QEMU's `build_dmar_q35`: every function on a root bus that does not bypass, bridges as what is below them. */
function dmarFacts(machine: Machine, rootBus: 'covered' | 'bypassed', { features }: Unit): DmarFacts {
  const slots = rootBus === 'covered' ? machine.root.rootBus.slots : []
  return {
    registerBase: VTD_BASE,
    addressWidth: features.addressWidth,
    interruptRemapping: features.interruptRemapping,
    deviceIotlb: features.deviceIotlb,
    scopes: slots.map(({ bus, device, fn, function: one }) => ({
      bus: bus.number,
      device,
      function: fn,
      bridge: isBridge(one),
    })),
  }
}
