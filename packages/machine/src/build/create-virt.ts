import { buildDtb } from '@dmascope/devicetree'
import { DmascopeError } from '@dmascope/layout'
import { cpuModel } from '../arm-virt/cpu-models.ts'
import { virtDeviceTree } from '../arm-virt/device-tree.ts'
import { highMemory, RAM_BASE, VIRT, VIRT_SPI, VIRTIO_TRANSPORTS } from '../arm-virt/memory-map.ts'
import { planInbound } from '../arm-virt/plan-inbound.ts'
import { planVirtIommu } from '../arm-virt/plan-virt-iommu.ts'
import { virtBoard } from '../arm-virt/virt-board.ts'
import type { VirtFacts } from '../arm-virt/virt-facts.ts'
import { virtFirmwareFiles } from '../arm-virt/virt-firmware-files.ts'
import { interruptsOf } from '../arm-virt/virt-interrupts.ts'
import { planMemorySystem } from '../coherency/plan-memory-system.ts'
import type { MachineDescription } from '../description.ts'
import type { FirmwareFiles } from '../firmware/firmware-file.ts'
import { REBUILT_FILES } from '../firmware/linked-tables.ts'
import { refuseTableEdits } from '../firmware/table-edits.ts'
import { Machine } from '../machine.ts'
import { planRestrictedPool } from '../restricted/plan-restricted-pool.ts'
import type { BuiltMachine } from './built-machine.ts'
import { withVirtDefaults } from './default-devices.ts'
import { placeDevices } from './placement.ts'
import { plugDevices, rootIommu } from './plug-devices.ts'
import { plugVirtioTransports } from './plug-virtio-mmio.ts'
import { isOff, isOn } from './switches.ts'

const MIB = 0x10_0000
const GIB = 0x4000_0000
const LARGEST_MEMORY = 2 ** 41
const SMALLEST_MEMORY = 64 * MIB
/** Direct boot: the tree lies where an initial RAM disk would end that is not there, at most so far above RAM's start. */
const LOADER_SPAN = 128 * MIB
const TREE_ALIGNMENT = 2 * MIB

/**
 * Builds a `virt` machine. Without firmware, its device tree is in memory for the kernel; with firmware (`-bios`), for
 * the firmware, which has ACPI for the kernel.
 *
 * @throws DmascopeError MACHINE_* where the description is one that QEMU refuses, or that is not modelled
 */
export function createVirt(description: MachineDescription, options: { readonly trace?: boolean }): BuiltMachine {
  const { qemuVersion, memory, cpus, maxCpus = cpus, machineProperties: given } = description
  const { topology = { sockets: 1, cores: maxCpus, threads: 1 } } = description
  checkProperties(description)
  const cpu = cpuModel(description.cpu, qemuVersion)
  if (isOn(given.mte) && !cpu.taggedMemory) {
    throw new DmascopeError('MACHINE_REFUSED', 'MTE requested, but not supported by the guest CPU; write -cpu max', {
      cpu: cpu.name,
    })
  }
  checkMemory(memory)
  checkAddresses(description, isOff(given.highmem) ? 32 : cpu.addressBits)
  if (isOn(given.secure) && hasFirmware(description)) {
    throw new DmascopeError(
      'MACHINE_NOT_MODELLED',
      'secure=on with firmware, which then runs in the secure world, is not modelled; leave -bios out',
    )
  }
  const { gic, msi, announcesIts } = interruptsOf(description)
  const high = highMemory({
    memory,
    addressBits: cpu.addressBits,
    highmem: !isOff(given.highmem),
    redistributors: !isOff(given['highmem-redists']),
    ecam: !isOff(given['highmem-ecam']),
    mmio: !isOff(given['highmem-mmio']),
    compact: !isOff(given['compact-highmem']),
  })
  const board = virtBoard({ qemuVersion, cpus, gic, msi, high })
  const placement = placeDevices(
    withVirtDefaults(description),
    // No method of its firmware manages hot plug below bridges: their own controllers do.
    { name: board.rootBusName, nature: 'express', acpiHotplug: false, virtioTransports: VIRTIO_TRANSPORTS },
    board.functions,
  )
  const bypass = isOn(given.default_bus_bypass_iommu)
  const plan = planVirtIommu(placement, description, { msi, bypass })
  const memorySystem = planMemorySystem(description, cpu, {
    msi,
    firmware: hasFirmware(description),
    iommu: plan.iommus.length > 0,
  })
  const restrictedPool = planRestrictedPool(description, {
    firmware: hasFirmware(description),
    iommu: plan.iommus.length > 0,
  })
  const machine = new Machine({
    board,
    memory,
    openRegion: restrictedPool,
    inbound: planInbound(description, { msi, firmware: hasFirmware(description), high, iommu: plan.announced }),
    memorySystem,
    createIommus: (wiring) => plan.iommus.map((one) => one.create(wiring)),
    rootIommu: rootIommu(plan.iommus, placement.rootBus, bypass),
    trace: options.trace === true,
  })
  const roots = plugDevices(machine, placement, bypass, plan.iommus)
  plugVirtioTransports(
    machine,
    description,
    placement.virtio,
    { count: VIRTIO_TRANSPORTS, base: VIRT.virtioMmio.base, wire: VIRT_SPI.virtioMmio },
    placement.functions.length,
  )
  const firmware = hasFirmware(description)
  const facts: VirtFacts = {
    qemuVersion,
    memory,
    type: typeof given.type === 'string' ? given.type : null,
    cpus,
    maxCpus,
    topology,
    cpu,
    gic,
    msi,
    announcesIts,
    high,
    iommu: plan.announced,
    inbound: (description.inbound ?? []).map(({ windows }) => windows),
    acpi: firmware && !isOff(given.acpi),
    virtualization: isOn(given.virtualization),
    spcr: !isOff(given.spcr),
    secure: isOn(given.secure),
    randomness: !isOff(given['dtb-randomness']) && !isOff(given['dtb-kaslr-seed']),
    commandLine: description.append,
    memorySystem: memorySystem?.name ?? null,
    restrictedPool,
  }
  if (memorySystem?.name === 'write-buffer') {
    const read = (): number => {
      machine.drainWrites()
      return 0
    }
    machine.addRegisters({ name: 'write buffer', ...VIRT.writeBuffer, handler: { read, write: () => {} } })
  }
  const tree = buildDtb(virtDeviceTree(facts))
  const deviceTree = firmware ? RAM_BASE : treeAddress(memory)
  machine.load(deviceTree, tree)
  const viot = facts.iommu.kind === 'virtio-iommu' ? (): Uint8Array => plan.iommus[0]!.acpiTable(roots) : null
  if (!facts.acpi) refuseTableEdits(description)
  const make = (): FirmwareFiles => virtFirmwareFiles(facts, roots, viot, description.tables)
  const files = make()
  machine.offerFirmwareFiles(files, { cpus, commandLine: description.append }, { names: REBUILT_FILES, make })
  return { machine, files, deviceTree, firmware: firmware ? 'UEFI' : null }
}

/** Machine properties that came with QEMU 8.0 and later. */
const NEWER = ['highmem-redists', 'highmem-ecam', 'highmem-mmio', 'compact-highmem', 'msi', 'spcr']

function checkProperties({ qemuVersion, machineProperties: given }: MachineDescription): void {
  const found = qemuVersion === '7.2' ? NEWER.find((name) => given[name] !== undefined) : undefined
  if (found === undefined) return
  const type = typeof given.type === 'string' ? given.type : 'virt-7.2'
  const instead = found === 'msi' ? '; QEMU 7.2 has its=' : ''
  throw new DmascopeError('MACHINE_REFUSED', `Property '${type}-machine.${found}' not found${instead}`, {
    property: found,
  })
}

/** Whether firmware runs before the kernel: `-bios`, or a flash image. */
const hasFirmware = ({ machineProperties: { firmware } }: MachineDescription): boolean =>
  firmware !== undefined && firmware !== ''

/** QEMU's `arm_setup_direct_kernel_boot`: the middle of RAM, at most 128 MiB up, is for what is loaded beside the kernel. */
const treeAddress = (memory: number): number =>
  Math.ceil((RAM_BASE + Math.min(memory / 2, LOADER_SPAN)) / TREE_ALIGNMENT) * TREE_ALIGNMENT

/** RAM, with all that may be plugged in, has to be where processors reach; behind it the next whole GiB counts. */
function checkAddresses({ memory, maxMemory = memory }: MachineDescription, bits: number): void {
  const top = Math.ceil((RAM_BASE + memory) / GIB) * GIB + Math.ceil((maxMemory - memory) / GIB) * GIB
  if (top <= 2 ** bits) return
  throw new DmascopeError(
    'MACHINE_REFUSED',
    `Addressing limited to ${bits} bits, but memory exceeds it by ${top - 2 ** bits} bytes`,
    { memory, bits },
  )
}

function checkMemory(memory: number): void {
  if (Number.isSafeInteger(memory) && memory >= SMALLEST_MEMORY && memory <= LARGEST_MEMORY && memory % MIB === 0)
    return
  throw new DmascopeError(
    'MACHINE_MEMORY',
    `${memory} bytes of memory: write a multiple of 1 MiB from 64 MiB to 2 TiB, such as 512M`,
    { memory },
  )
}
