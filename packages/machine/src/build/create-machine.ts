import { type VtdFeatures, VtdUnit, vtdOptionsFor } from '@dmascope/iommu/vtd'
import { DmascopeError } from '@dmascope/layout'
import { isBridge, type PciBus, type PciFunction } from '@dmascope/pci'
import { type Chipset, I440FX, Q35 } from '../chipset/chipset.ts'
import type { MachineDescription, PropertyValue, QemuVersion } from '../description.ts'
import type { DmarFacts, PlatformFacts } from '../firmware/acpi-tables.ts'
import { firmwareFiles, REBUILT_FILES } from '../firmware/firmware-files.ts'
import { Machine, VTD_BASE } from '../machine.ts'
import { withDefaultDevices } from './default-devices.ts'
import { type PlacedBus, type PlacedDevice, rootBusOf } from './placed-bus.ts'
import { busNumberOf, type Placement, placeDevices } from './placement.ts'
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
  const chipset = chipsetOf(description)
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
    rootBusBypass: bypass,
    trace: options.trace === true,
  })
  const roots = plugDevices(machine, placement, bypass)
  const facts = platformFacts(description, roots, unit)
  const make = (): ReadonlyMap<string, Uint8Array> => firmwareFiles(chipset, facts, { lowRamEnd: machine.lowRamEnd })
  const files = make()
  const bootFacts = { cpus: description.cpus, commandLine: description.append }
  machine.offerFirmwareFiles(files, bootFacts, { names: REBUILT_FILES, make })
  return { machine, files }
}

const isOn = (value: unknown): boolean => value === true || value === 'on'
const isOff = (value: unknown): boolean => value === false || value === 'off'

/** The chipset, without the functions that `-machine sata=off`, `smbus=off` and, on pc, `acpi=off` leave out. */
function chipsetOf({ machine, machineProperties: { sata, smbus, acpi } }: MachineDescription): Chipset {
  const chipset = CHIPSETS[machine]
  const left = new Set<string>()
  if (isOff(sata)) left.add('ich9-ahci')
  if (isOff(smbus)) left.add('ICH9-SMB')
  if (isOff(acpi)) left.add('PIIX4_PM')
  if (left.size === 0) return chipset
  return { ...chipset, functions: () => chipset.functions().filter(({ model }) => !left.has(model)) }
}

function checkMemory({ memory }: MachineDescription): void {
  if (Number.isSafeInteger(memory) && memory >= SMALLEST_MEMORY && memory <= LARGEST_MEMORY && memory % 0x10_0000 === 0)
    return
  throw new DmascopeError(
    'MACHINE_MEMORY',
    `${memory} bytes of memory: write a multiple of 1 MiB from 64 MiB to 2 TiB, such as 512M`,
    { memory },
  )
}

/** A root bus, and whether it is wired past the IOMMU. */
interface RootBusFacts {
  readonly bus: PciBus
  readonly bypass: boolean
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
  const features = featuresOf(machine.qemuVersion, first.given, where)
  const split = machine.machineProperties['kernel-irqchip'] === 'split'
  if (
    machine.qemuVersion === '7.2' &&
    isOn(first.given.eim) &&
    !isOn(first.given['x-buggy-eim']) &&
    !(isKvm(machine) && split)
  ) {
    throw refuse(where, 'eim=on requires accel=kvm,kernel-irqchip=split')
  }
  const inKernel = hasKernelIrqchip(machine)
  if (features.interruptRemapping && isOn(first.given.intremap) && inKernel) {
    throw refuse(where, "Interrupt Remapping cannot work with kernel-irqchip=on, please use 'split|off'.")
  }
  return { features: inKernel ? { ...features, interruptRemapping: false } : features }
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

/** Whether KVM emulates the I/O APIC too, which keeps its messages from being remapped: so unless told otherwise. */
function hasKernelIrqchip(machine: MachineDescription): boolean {
  const { 'kernel-irqchip': given, type } = machine.machineProperties
  // One machine type had another default.
  return isKvm(machine) && (given === undefined ? type !== 'pc-q35-4.0' : isOn(given))
}

const isKvm = (machine: MachineDescription): boolean => machine.machineProperties.accel === 'kvm'

/** Properties that the unit knows; the catalogue accepts a few that change nothing. */
const bearingOn = (
  given: Readonly<Record<string, string | number | boolean>>,
): Record<string, string | number | boolean> =>
  Object.fromEntries(Object.entries(given).filter(([name]) => !['svm', 'x-cap-fs1gp', 'addr', 'id'].includes(name)))

/** @returns the root buses: the machine's own, then those of expanders in order of creation */
function plugDevices(machine: Machine, placement: Placement, bypass: boolean): RootBusFacts[] {
  const roots = new Map<PlacedBus, RootBusFacts>([[placement.rootBus, { bus: machine.root.rootBus, bypass }]])
  for (const [placed, { device, properties }] of placement.expanders) {
    const express = placed.nature === 'express'
    const bus = machine.addExpanderBus({ number: busNumberOf(properties), express, device })
    roots.set(placed, { bus, bypass: isOn(properties.bypass_iommu) })
  }
  const occupied = new Set(placement.functions.map(({ bus }) => bus.above))
  const functions = new Map<PlacedDevice, PciFunction>()
  placement.functions.forEach((placed, index) => {
    const one = realize(placed, index, occupied.has(placed))
    functions.set(placed, one)
    const root = roots.get(rootBusOf(placed.bus))
    const above = placed.bus.above === null ? undefined : functions.get(placed.bus.above)
    const bus: PciBus | undefined = above !== undefined && isBridge(above) ? above.secondary : root?.bus
    const past = root?.bypass === true
    const behindIommu = !past && wiredBehindIommu(placed)
    if (behindIommu) refuseWithoutCachingMode(machine, placed)
    machine.plug({
      function: one,
      model: placed.model.name,
      described: placed.description,
      device: placed.device,
      fn: placed.fn,
      behindIommu,
      bypass: past,
      ...(bus !== undefined && { bus }),
    })
  })
  return [...roots.values()]
}

/** Shadowing an assigned device's mappings needs to hear of each new one (QEMU's `vtd_iommu_notify_flag_changed`). */
function refuseWithoutCachingMode({ iommu }: Machine, { model, description, device, fn }: PlacedDevice): void {
  if (model.kind !== 'vfio' || iommu === null || iommu.features.cachingMode) return
  const place = `${device.toString(16).padStart(2, '0')}.${fn}`
  throw new DmascopeError(
    'MACHINE_REFUSED',
    `${description.location.text}: device ${place} requires caching mode; write -device intel-iommu,...,caching-mode=on`,
    { device: model.name },
  )
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
  description: MachineDescription,
  roots: readonly RootBusFacts[],
  unit: Unit | null,
): PlatformFacts {
  return {
    machine: description.machine,
    qemuVersion: description.qemuVersion,
    cpus: description.cpus,
    hpet: !isOff(description.machineProperties.hpet),
    ecamBase: description.machine === 'q35' ? 0xb000_0000 : null,
    // DEVIATION: with acpi=off QEMU offers no table at all, and SeaBIOS writes some of its own, which name no IOMMU.
    dmar: unit === null || isOff(description.machineProperties.acpi) ? null : dmarFacts(roots, unit),
    // QEMU puts each new root bus at the head of its list.
    expanders: roots
      .slice(1)
      .map(({ bus }) => bus)
      .reverse(),
  }
}

/**
 * QEMU's `build_dmar_q35`: every function on a root bus that does not bypass, bridges as what is below them.
 *
 * DEVIATION: QEMU walks several expanders' buses in the order of a hash table; here they stand as they were created.
 */
function dmarFacts(roots: readonly RootBusFacts[], { features }: Unit): DmarFacts {
  return {
    registerBase: VTD_BASE,
    addressWidth: features.addressWidth,
    interruptRemapping: features.interruptRemapping,
    deviceIotlb: features.deviceIotlb,
    scopes: roots
      .filter(({ bypass }) => !bypass)
      .flatMap(({ bus }) => bus.slots)
      .map(({ bus, device, fn, function: one }) => ({
        bus: bus.number,
        device,
        function: fn,
        bridge: isBridge(one),
      })),
  }
}
