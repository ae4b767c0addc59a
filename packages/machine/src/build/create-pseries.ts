import { buildDtb, type DeviceTree } from '@dmascope/devicetree'
import { TceUnit } from '@dmascope/iommu/tce'
import { DmascopeError } from '@dmascope/layout'
import type { PciFunction, RootComplex } from '@dmascope/pci'
import { findModel } from '../catalogue/catalogue.ts'
import type { Properties } from '../catalogue/check-properties.ts'
import { withDefaults } from '../catalogue/check-properties.ts'
import { confidentialKind } from '../confidential/plan-confidential.ts'
import type { MachineDescription, QemuVersion } from '../description.ts'
import type { IommuFault, MachineIommu } from '../iommu/machine-iommu.ts'
import { Machine } from '../machine.ts'
import { busFacts } from '../pseries/function-facts.ts'
import { numberBuses } from '../pseries/number-buses.ts'
import { type PlannedBridge, pseriesBoard } from '../pseries/pseries-board.ts'
import { hostBridgePlace, MOST_HOST_BRIDGES } from '../pseries/spec/address-map.ts'
import { MEMORY_BLOCK } from '../pseries/tree/device-memory.ts'
import { pseriesTree } from '../pseries/tree/device-tree.ts'
import { DEFAULT_PROCESSOR, processorFamily } from '../pseries/tree/processors.ts'
import type { HostBridgeFacts, InterruptFacts, PseriesFacts } from '../pseries/tree/tree-facts.ts'
import { isKvm } from './accelerator.ts'
import type { BuiltMachine } from './built-machine.ts'
import { withPseriesDefaults } from './default-devices.ts'
import { type PlacedBus, type PlacedDevice, refusePlace } from './placed-bus.ts'
import { type PlacedPlatformDevice, type Placement, placeDevices } from './placement.ts'
import { plugSegments } from './plug-segments.ts'

const MIB = 0x10_0000
const LARGEST_MEMORY = 2 ** 41
/** The tree lies below this, or below the end of memory, with room to grow. */
const TREE_LIMIT = 0x8000_0000
const TREE_ROOM = 0x20_0000

/** A host bridge to be, with the bus that devices are placed on. */
interface Bridge extends PlannedBridge {
  readonly placed: PlacedBus
  readonly properties: Properties
}

/**
 * Builds a pseries machine: a segment for each host bridge, and the device tree for the firmware.
 *
 * @throws DmascopeError MACHINE_* where the description is one that QEMU refuses, or that is not modelled
 */
export function createPseries(description: MachineDescription, options: { readonly trace?: boolean }): BuiltMachine {
  checkProcessor(description)
  checkMemory(description)
  const placement = placeDevices(withPseriesDefaults(description), { name: 'pci.0', nature: 'conventional' }, [])
  checkPlacement(placement)
  let tell: (fault: IommuFault) => void = () => {}
  const bridges = planBridges(placement, description, (fault) => tell(fault))
  // The machine is there by the time that a guest asks for a tree.
  const treeFor = (chosen: InterruptFacts['chosen']): DeviceTree | null => {
    const offered = interruptsOffered(description)
    if (offered !== 'dual' && offered !== chosen) return null
    return pseriesTree(treeFacts(description, bridges, machine.roots, functions, { offered, chosen }))
  }
  const machine = new Machine({
    board: pseriesBoard({
      bridges,
      treeFor: (chosen) => {
        const tree = treeFor(chosen)
        return tree === null ? null : buildDtb(tree)
      },
    }),
    memory: description.memory,
    confidential: confidentialKind(description),
    createIommus: (wiring) => {
      tell = wiring.onFault
      return bridges.map(({ unit, index }) => tceIommu(unit, index))
    },
    trace: options.trace === true,
  })
  const functions = plugSegments(
    machine,
    placement,
    bridges.map(({ placed }) => placed),
  )
  for (const { rootBus } of machine.roots) numberBuses(rootBus)
  const tree = buildDtb(treeFor(interruptsOffered(description) === 'xive' ? 'xive' : 'xics')!)
  const deviceTree = Math.min(description.memory, TREE_LIMIT) - TREE_ROOM
  machine.load(deviceTree, tree)
  return { machine, files: new Map(), deviceTree, firmware: 'SLOF' }
}

const tceIommu = (unit: TceUnit, segment: number): MachineIommu => ({
  translator: unit,
  segment,
  windows: [],
  pciFunction: null,
  ioApicRequester: null,
})

function checkProcessor(description: MachineDescription): void {
  const { cpu, cpus, topology, machineProperties, qemuVersion } = description
  if (cpu !== undefined && processorFamily(cpu) === null) {
    throw new DmascopeError(
      'MACHINE_PROCESSOR',
      `unable to find CPU model '${cpu}'; write power8, power9, power10 or power11`,
      { cpu },
    )
  }
  if (cpus > 4096)
    throw new DmascopeError('MACHINE_PROCESSOR', `${cpus} processors: pseries has 4096 at most`, { cpus })
  const refused = refusedThreads(cpus, topology?.threads ?? 1, isKvm(description) ? null : qemuVersion)
  if (refused !== null) throw new DmascopeError('MACHINE_REFUSED', refused, { threads: topology?.threads })
  const family = processorFamily(cpu ?? DEFAULT_PROCESSOR[qemuVersion])
  if (machineProperties['ic-mode'] === 'xive' && family?.isa3 === false) {
    throw new DmascopeError('MACHINE_REFUSED', 'XIVE-only machines require a POWER9 CPU; write ic-mode=xics', { cpu })
  }
}

/**
 * QEMU's `spapr_set_vsmt_mode` and `spapr_init_cpus`, in their order.
 *
 * @param tcg - the release, where it emulates processors; null where KVM runs them
 */
function refusedThreads(cpus: number, threads: number, tcg: QemuVersion | null): string | null {
  const most = tcg === null ? threads : tcg === '7.2' ? 1 : 8
  if (threads > most) {
    return `TCG cannot support more than ${most} thread${most === 1 ? '' : 's'}/core on a pseries machine; ${most === 1 ? 'leave threads out of -smp' : `write threads=${most} or less`}`
  }
  if (!Number.isInteger(Math.log2(threads))) {
    return `Cannot support ${threads} threads/core on a pseries machine because it must be a power of 2`
  }
  return cpus % threads === 0 ? null : `smp_cpus (${cpus}) must be multiple of threads (${threads})`
}

function checkMemory({ memory, maxMemory = memory }: MachineDescription): void {
  for (const [what, bytes] of [
    ['Memory', memory],
    ['Maximum memory', maxMemory],
  ] as const) {
    if (Number.isSafeInteger(bytes) && bytes > 0 && bytes <= LARGEST_MEMORY && bytes % MEMORY_BLOCK === 0) continue
    throw new DmascopeError(
      'MACHINE_MEMORY',
      `${what} size 0x${bytes.toString(16)} is not aligned to ${MEMORY_BLOCK / MIB} MiB; write a multiple of 256M, up to 2T`,
      { [what === 'Memory' ? 'memory' : 'maxMemory']: bytes },
    )
  }
  if (maxMemory >= memory) return
  throw new DmascopeError('MACHINE_MEMORY', `maxmem of ${maxMemory} bytes is less than the memory of ${memory}`, {
    memory,
    maxMemory,
  })
}

/** QEMU's `spapr_pci_pre_plug`: bridges are told apart by their chassis. */
function checkPlacement({ functions, platform }: Placement): void {
  for (const { description, model } of platform) {
    throw refusePlace(
      'MACHINE_UNKNOWN_DEVICE',
      description,
      `'${model.name}' is not a valid device model name for ppc64`,
    )
  }
  const chassis = new Set<number>()
  for (const { description, model, properties } of functions) {
    if (model.kind === 'virtio-iommu' || model.kind === 'host-bridge') {
      throw refusePlace('MACHINE_NOT_MODELLED', description, `${model.name} on pseries is not modelled; leave it out`)
    }
    if (model.bridge === null) continue
    const number = Number(properties.chassis_nr ?? 0)
    if (number === 0) {
      throw refusePlace(
        'MACHINE_PLUG',
        description,
        'PCI Bridge lacks a "chassis_nr" property; try -device pci-bridge,chassis_nr=1 instead',
      )
    }
    if (chassis.has(number)) throw refusePlace('MACHINE_PLUG', description, `Bridge chassis ${number} already in use`)
    chassis.add(number)
  }
}

/** The machine's own host bridge, with index 0, and those of the description. */
function planBridges(
  { rootBus, hostBridges }: Placement,
  { qemuVersion, hostBridge = {} }: MachineDescription,
  onFault: (fault: IommuFault) => void,
): Bridge[] {
  const model = findModel('spapr-pci-host-bridge')!
  const bridges: Bridge[] = []
  const add = (index: number, placed: PlacedBus, given: Properties): void => {
    const properties = withDefaults(model, given, qemuVersion)
    const shifts = Array.from({ length: 35 }, (_, shift) => shift)
    const sizes = Number(properties.pgsz)
    const unit = new TceUnit({
      liobns: hostBridgePlace(index).liobns,
      defaultWindowBase: Number(properties.dma_win_addr),
      defaultWindowSize: Number(properties.dma_win_size),
      dynamicWindowHi: Math.floor(Number(properties.dma64_win_addr ?? 2 ** 59) / 0x1_0000_0000),
      dynamicWindows: properties.ddw === true,
      pageShifts: shifts.filter((shift) => shift >= 12 && Math.floor(sizes / 2 ** shift) % 2 === 1),
      onFault: (fault) => onFault({ ...fault, segment: index }),
    })
    bridges.push({ index, unit, placed, properties })
  }
  add(0, rootBus, hostBridge)
  for (const [placed, bridge] of hostBridges) add(indexOf(bridge, bridges), placed, bridge.given)
  return bridges
}

/** QEMU's `spapr_phb_pre_plug`. */
function indexOf({ description, given }: PlacedPlatformDevice, before: readonly Bridge[]): number {
  const { index } = given
  if (typeof index !== 'number') {
    throw refusePlace('MACHINE_PLUG', description, '"index" for PAPR PHB is mandatory; write index=1')
  }
  if (before.some((one) => one.index === index)) {
    throw refusePlace('MACHINE_PLUG', description, `PHB ${index} already attached; write another index`)
  }
  if (index < MOST_HOST_BRIDGES) return index
  throw refusePlace('MACHINE_PLUG', description, `"index" for PAPR PHB is too large (max ${MOST_HOST_BRIDGES - 1})`)
}

/** `ic-mode`: both controllers are there by default, but before POWER9, which has no XIVE. */
function interruptsOffered({ machineProperties, cpu, qemuVersion }: MachineDescription): InterruptFacts['offered'] {
  if (processorFamily(cpu ?? DEFAULT_PROCESSOR[qemuVersion])?.isa3 === false) return 'xics'
  const mode = machineProperties['ic-mode']
  return mode === 'xics' || mode === 'xive' ? mode : 'dual'
}

/** The proposal of 2015: a property on each virtio device that goes past the IOMMU. */
const tellsBypass = (placed: PlacedDevice | undefined): boolean =>
  placed?.virtio?.throughPlatform === false &&
  (placed.hypervisor.tells === 'property' || placed.hypervisor.tells === 'property-and-version')

function treeFacts(
  description: MachineDescription,
  bridges: readonly Bridge[],
  roots: readonly RootComplex[],
  functions: ReadonlyMap<PciFunction, PlacedDevice>,
  interrupts: InterruptFacts,
): PseriesFacts {
  const { qemuVersion, memory, maxMemory = memory, cpus, maxCpus = cpus, cpu, append, defaultDevices } = description
  const names = {
    modelOf: (one: PciFunction): string => functions.get(one)?.model.name ?? '',
    chassisOf: (one: PciFunction): number => Number(functions.get(one)?.properties.chassis_nr ?? 0),
    tellsBypass: (one: PciFunction): boolean => tellsBypass(functions.get(one)),
  }
  return {
    qemuVersion,
    memory,
    maxMemory,
    cpus,
    maxCpus,
    topology: description.topology ?? { sockets: 1, cores: maxCpus, threads: 1 },
    cpu: cpu ?? DEFAULT_PROCESSOR[qemuVersion],
    commandLine: append,
    hostBridges: bridges.map(
      ({ index, unit: { features } }, at): HostBridgeFacts => ({
        index,
        place: hostBridgePlace(index),
        dynamicWindows: features.dynamicWindows,
        dmaWindowBase: features.defaultWindowBase,
        dmaWindowSize: features.defaultWindowSize,
        bus: busFacts(roots[at]!.rootBus, names),
      }),
    ),
    // DEVIATION: what -serial and -device spapr-vty ask for is not looked at.
    virtualIo: defaultDevices ? [{ kind: 'vty' }, { kind: 'nvram' }] : [{ kind: 'nvram' }],
    interrupts,
  }
}
