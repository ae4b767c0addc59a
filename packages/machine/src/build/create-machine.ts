import { DmascopeError } from '@dmascope/layout'
import { pcBoard } from '../board/pc-board.ts'
import { type Chipset, I440FX, Q35 } from '../chipset/chipset.ts'
import { txtRegisters } from '../chipset/txt-registers.ts'
import { confidentialKind } from '../confidential/plan-confidential.ts'
import type { MachineDescription, PcName } from '../description.ts'
import { planExternalPorts, refuseExternalPorts } from '../external-ports/plan-external-ports.ts'
import type { PlatformFacts } from '../firmware/acpi-tables.ts'
import { firmwareFiles } from '../firmware/firmware-files.ts'
import { REBUILT_FILES } from '../firmware/linked-tables.ts'
import { refuseTableEdits } from '../firmware/table-edits.ts'
import { type FirmwareRegion, placeFirmwareRegions } from '../firmware-regions/firmware-region.ts'
import type { IommuPlan, RootBusFacts } from '../iommu/iommu-plan.ts'
import { planIommu } from '../iommu/plan-iommu.ts'
import { Machine } from '../machine.ts'
import { type SegmentMap, segmentMap } from '../segments/segment-map.ts'
import { checkXen } from '../xen/check-xen.ts'
import type { BuiltMachine } from './built-machine.ts'
import { createBcm3384 } from './create-bcm3384.ts'
import { createE500 } from './create-e500.ts'
import { createMac99 } from './create-mac99.ts'
import { createMicrovm } from './create-microvm.ts'
import { createPowernv } from './create-powernv.ts'
import { createPseries } from './create-pseries.ts'
import { createS390x } from './create-s390x.ts'
import { createSun4u } from './create-sun4u.ts'
import { createVirt } from './create-virt.ts'
import { withDefaultDevices } from './default-devices.ts'
import { refusePlace, rootBusOf } from './placed-bus.ts'
import { type Placement, placeDevices } from './placement.ts'
import { plugDevices } from './plug-devices.ts'
import { isOff, isOn } from './switches.ts'

const CHIPSETS: Readonly<Record<PcName, Chipset>> = { q35: Q35, pc: I440FX }
type Create = (description: MachineDescription, options: { readonly trace?: boolean }) => BuiltMachine

/** Machines that are no PCs, and whether any of their kind has ACPI tables, which may be edited. */
const OTHERS: {
  readonly [Name in Exclude<MachineDescription['machine'], PcName>]: {
    readonly create: Create
    readonly tables: boolean
  }
} = {
  microvm: { create: createMicrovm, tables: true },
  virt: { create: createVirt, tables: true },
  pseries: { create: createPseries, tables: false },
  powernv9: { create: createPowernv, tables: false },
  ppce500: { create: createE500, tables: false },
  mac99: { create: createMac99, tables: false },
  sun4u: { create: createSun4u, tables: false },
  's390-ccw-virtio': { create: createS390x, tables: false },
  bcm3384: { create: createBcm3384, tables: false },
}
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
  const confidential = confidentialKind(description)
  checkLaunch(description)
  refuseExternalPorts(description)
  if (name !== 'q35' && name !== 'pc') {
    checkXen(description, false)
    const { create, tables } = OTHERS[name]
    if (!tables) refuseTableEdits(description)
    return create(description, options)
  }
  const chipset = chipsetOf(name, description)
  checkMemory(description)
  const complete = withDefaultDevices(description, chipset)
  const placement = placeDevices(
    complete,
    {
      name: chipset.rootBusName,
      nature: chipset.express ? 'express' : 'conventional',
      acpiHotplug: !isOff(description.machineProperties.acpiHotplug),
    },
    chipset.functions,
  )
  const plan = planIommu(placement, description)
  checkXen(description, plan !== null)
  const plans = plan === null ? [] : [plan, ...segmentPlans(plan, placement)]
  const segments = segmentMap(chipset, description)
  const bypass = isOn(description.machineProperties.default_bus_bypass_iommu)
  const machine = new Machine({
    board: pcBoard(chipset, segments.places),
    memory: description.memory,
    createIommus: (wiring) => plans.map((one) => one.create(wiring)),
    rootIommu: bypass ? null : 0,
    confidential,
    trace: options.trace === true,
  })
  const roots = plugDevices(machine, placement, bypass, plans)
  const lowRamEnd = chipset.lowRamEnd(description.memory)
  const regions = placeFirmwareRegions(description, lowRamEnd).map(({ device, base, size }) =>
    machine.leaveRunning(device, base, size),
  )
  const externalPorts = planExternalPorts(description, placement.functions)
  const facts = platformFacts(name, description, roots, plan, segments, regions, externalPorts)
  const memory =
    segments.places.length + regions.length === 0
      ? null
      : { ram: pcBoard(chipset).ramRanges(description.memory), segments, reserved: regions }
  const make = firmwareFiles(chipset, facts, { lowRamEnd, memory, edits: description.tables })
  const files = make()
  const bootFacts = { cpus: description.cpus, commandLine: description.append }
  if (description.launch === 'tboot') for (const one of txtRegisters()) machine.addRegisters(one)
  machine.offerFirmwareFiles(files, bootFacts, { names: REBUILT_FILES, make })
  const launch = description.launch === undefined ? {} : { launch: description.launch }
  const xen = description.xen === undefined ? {} : { xen: description.xen }
  return { machine, files, deviceTree: null, firmware: 'SeaBIOS', ...launch, ...xen }
}

/** Chipsets with TXT are Intel's, and have VT-d. */
function checkLaunch({ launch, machine, devices }: MachineDescription): void {
  if (launch === undefined || (machine === 'q35' && devices.some(({ model }) => model === 'intel-iommu'))) return
  throw new DmascopeError(
    'MACHINE_LAUNCH',
    `a launch by ${launch} needs the VT-d of a q35, and this is a ${machine}${machine === 'q35' ? ' without intel-iommu' : ''}; write machine: q35 with the device intel-iommu, or leave launch out`,
    { launch, machine },
  )
}

/** One more IOMMU like the machine's for each segment that has one. */
function segmentPlans(plan: IommuPlan, { segments, functions }: Placement): IommuPlan[] {
  const foreign = functions.find(({ model, bus }) => model.kind === 'virtio-iommu' && segments.has(rootBusOf(bus)))
  if (foreign !== undefined) {
    throw refusePlace(
      'MACHINE_NOT_MODELLED',
      foreign.description,
      `${foreign.model.name} is modelled in segment 0 alone; plug it into pcie.0`,
    )
  }
  return [...segments].flatMap(([bus, { segment, iommu }]) => (iommu ? (plan.forSegment?.(segment, bus) ?? []) : []))
}

/** The chipset, without the functions that `-machine sata=off`, `smbus=off` and, on pc, `acpi=off` leave out. */
function chipsetOf(name: PcName, { machineProperties: { sata, smbus, acpi } }: MachineDescription): Chipset {
  const chipset = CHIPSETS[name]
  const left = new Set<string>()
  if (isOff(sata)) left.add('ich9-ahci')
  if (isOff(smbus)) left.add('ICH9-SMB')
  if (isOff(acpi)) left.add('PIIX4_PM')
  if (left.size === 0) return chipset
  return { ...chipset, functions: chipset.functions.filter(({ model }) => !left.has(model)) }
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

function platformFacts(
  machine: PcName,
  description: MachineDescription,
  roots: readonly RootBusFacts[],
  plan: IommuPlan | null,
  segments: SegmentMap,
  regions: readonly FirmwareRegion[],
  externalPorts: PlatformFacts['externalPorts'],
): PlatformFacts {
  return {
    externalPorts,
    machine,
    qemuVersion: description.qemuVersion,
    cpus: description.cpus,
    maxCpus: description.maxCpus ?? description.cpus,
    topology: description.topology ?? null,
    hpet: !isOff(description.machineProperties.hpet),
    smm: !isOff(description.machineProperties.smm),
    i8042: !isOff(description.machineProperties.i8042),
    ecamBase: machine === 'q35' ? 0xb000_0000 : null,
    // DEVIATION: with acpi=off QEMU offers no table at all, and SeaBIOS writes some of its own, which name no IOMMU.
    iommuTable:
      plan === null || isOff(description.machineProperties.acpi) ? null : () => plan.acpiTable(roots, regions),
    // QEMU puts each new root bus at the head of its list.
    expanders: roots
      .slice(1)
      .filter(({ segment = 0 }) => segment === 0)
      .map(({ bus }) => bus)
      .reverse(),
    segments: segments.places,
  }
}
