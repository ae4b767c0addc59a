import { DmascopeError } from '@dmascope/layout'
import { isBridge, type PciBus, type PciFunction } from '@dmascope/pci'
import { pcBoard } from '../board/pc-board.ts'
import { type Chipset, I440FX, Q35 } from '../chipset/chipset.ts'
import type { MachineDescription, PcName } from '../description.ts'
import type { PlatformFacts } from '../firmware/acpi-tables.ts'
import { firmwareFiles, REBUILT_FILES } from '../firmware/firmware-files.ts'
import type { IommuPlan, RootBusFacts } from '../iommu/iommu-plan.ts'
import { planIommu } from '../iommu/plan-iommu.ts'
import { Machine } from '../machine.ts'
import type { BuiltMachine } from './built-machine.ts'
import { createPseries } from './create-pseries.ts'
import { withDefaultDevices } from './default-devices.ts'
import { type PlacedBus, type PlacedDevice, rootBusOf } from './placed-bus.ts'
import { busNumberOf, type Placement, placeDevices } from './placement.ts'
import { realize } from './realize.ts'
import { isOff, isOn } from './switches.ts'
import { wiredBehindIommu } from './wiring.ts'

const CHIPSETS: Readonly<Record<PcName, Chipset>> = { q35: Q35, pc: I440FX }
const LARGEST_MEMORY = 2 ** 41
const SMALLEST_MEMORY = 0x400_0000

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
  const { machine: name } = description
  if (name === 'pseries') return createPseries(description, options)
  const chipset = chipsetOf(name, description)
  checkMemory(description)
  const complete = withDefaultDevices(description, chipset)
  const placement = placeDevices(
    complete,
    { name: chipset.rootBusName, nature: chipset.express ? 'express' : 'conventional' },
    chipset.functions(),
  )
  const plan = planIommu(placement, description)
  const bypass = isOn(description.machineProperties.default_bus_bypass_iommu)
  const machine = new Machine({
    board: pcBoard(chipset),
    memory: description.memory,
    ...(plan !== null && { createIommus: (wiring) => [plan.create(wiring)] }),
    rootBusBypass: bypass,
    trace: options.trace === true,
  })
  const roots = plugDevices(machine, placement, bypass, plan)
  const facts = platformFacts(name, description, roots, plan)
  const make = (): ReadonlyMap<string, Uint8Array> =>
    firmwareFiles(chipset, facts, { lowRamEnd: chipset.lowRamEnd(description.memory) })
  const files = make()
  const bootFacts = { cpus: description.cpus, commandLine: description.append }
  machine.offerFirmwareFiles(files, bootFacts, { names: REBUILT_FILES, make })
  return { machine, files, deviceTree: null }
}

/** The chipset, without the functions that `-machine sata=off`, `smbus=off` and, on pc, `acpi=off` leave out. */
function chipsetOf(name: PcName, { machineProperties: { sata, smbus, acpi } }: MachineDescription): Chipset {
  const chipset = CHIPSETS[name]
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

/** @returns the root buses: the machine's own, then those of expanders in order of creation */
function plugDevices(machine: Machine, placement: Placement, bypass: boolean, plan: IommuPlan | null): RootBusFacts[] {
  const roots = new Map<PlacedBus, RootBusFacts>([[placement.rootBus, { bus: machine.root.rootBus, bypass }]])
  for (const [placed, { device, properties }] of placement.expanders) {
    const express = placed.nature === 'express'
    const bus = machine.addExpanderBus({ number: busNumberOf(properties), express, device })
    roots.set(placed, { bus, bypass: isOn(properties.bypass_iommu) })
  }
  const occupied = new Set(placement.functions.map(({ bus }) => bus.above))
  const functions = new Map<PlacedDevice, PciFunction>()
  placement.functions.forEach((placed, index) => {
    const itself = placed === plan?.functionAt ? machine.iommus[0]?.pciFunction : null
    const one = itself ?? realize(placed, index, occupied.has(placed))
    functions.set(placed, one)
    const root = roots.get(rootBusOf(placed.bus))
    const above = placed.bus.above === null ? undefined : functions.get(placed.bus.above)
    const bus: PciBus | undefined = above !== undefined && isBridge(above) ? above.secondary : root?.bus
    const iommu = root?.bypass === true ? null : (machine.iommus[0] ?? null)
    const behindIommu = wiredBehindIommu(placed)
    if (behindIommu && iommu !== null) plan?.checkDevice(placed)
    machine.plug({
      function: one,
      model: placed.model.name,
      described: placed.description,
      device: placed.device,
      fn: placed.fn,
      dmaThrough: behindIommu ? iommu : null,
      messagesThrough: iommu,
      ...(bus !== undefined && { bus }),
    })
  })
  return [...roots.values()]
}

function platformFacts(
  machine: PcName,
  description: MachineDescription,
  roots: readonly RootBusFacts[],
  plan: IommuPlan | null,
): PlatformFacts {
  return {
    machine,
    qemuVersion: description.qemuVersion,
    cpus: description.cpus,
    hpet: !isOff(description.machineProperties.hpet),
    ecamBase: machine === 'q35' ? 0xb000_0000 : null,
    // DEVIATION: with acpi=off QEMU offers no table at all, and SeaBIOS writes some of its own, which name no IOMMU.
    iommuTable: plan === null || isOff(description.machineProperties.acpi) ? null : () => plan.acpiTable(roots),
    // QEMU puts each new root bus at the head of its list.
    expanders: roots
      .slice(1)
      .map(({ bus }) => bus)
      .reverse(),
  }
}
