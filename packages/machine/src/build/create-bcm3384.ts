import { buildDtb } from '@dmascope/devicetree'
import { DmascopeError } from '@dmascope/layout'
import type { MmioHandler } from '@dmascope/memory'
import { bankRanges, bcm3384Board } from '../bcm3384/bcm3384-board.ts'
import { bcm3384Tree } from '../bcm3384/device-tree.ts'
import { type Processor, processorOf } from '../bcm3384/processors.ts'
import { PCIE, PERIPHERAL_INTERRUPT, VIRTIO } from '../bcm3384/spec/address-map.ts'
import { CORE, RAC_CONFIG } from '../bcm3384/spec/core-registers.ts'
import type { MemorySystemPlan } from '../coherency/memory-system.ts'
import type { ReadAheadCache } from '../coherency/read-ahead-cache.ts'
import type { MachineDescription } from '../description.ts'
import { requireHypervisor } from '../hypervisor/hypervisors.ts'
import { type InboundWindow, InboundWindows, overlapOf } from '../inbound/inbound-windows.ts'
import { Machine } from '../machine.ts'
import type { BuiltMachine } from './built-machine.ts'
import { refusePlace } from './placed-bus.ts'
import { type Placement, placeDevices } from './placement.ts'
import { plugDevices } from './plug-devices.ts'
import { plugVirtioTransports } from './plug-virtio-mmio.ts'

const MIB = 0x10_0000
const SMALLEST_MEMORY = 32 * MIB
/** Above the kernel, in the first bank. */
const TREE_OFFSET = 0x100_0000
/** Devices reach each other's registers at their own addresses. */
const PEERS: InboundWindow = { bus: PCIE.memory.base, memory: PCIE.memory.base, size: PCIE.memory.size }
/** Where the chip's buses end. */
const BUS_END = 0x1_0000_0000

/**
 * Builds a BCM3384: no machine of QEMU's, though its cards are. Its loader has left the device tree in memory for the
 * kernel, and has switched the read-ahead cache on.
 *
 * @throws DmascopeError MACHINE_* where the description is one that the chip cannot be, or that is not modelled
 */
export function createBcm3384(description: MachineDescription, options: { readonly trace?: boolean }): BuiltMachine {
  const { memory, append } = description
  const processor = processorOf(description.cpu)
  check(description, processor)
  const board = bcm3384Board(processor)
  const placement = placeDevices(
    description,
    { name: board.rootBusName, nature: 'express', acpiHotplug: false, virtioTransports: VIRTIO.count },
    board.functions,
  )
  checkPlacement(placement)
  const memorySystem = planCaches(description, processor)
  const windows = windowsOf(description, processor)
  const inbound = windows === null ? null : new InboundWindows([...windows, PEERS])
  const machine = new Machine({
    board,
    memory,
    inbound,
    memorySystem,
    trace: options.trace === true,
  })
  plugDevices(machine, placement, false, [])
  const { base, count } = VIRTIO
  plugVirtioTransports(
    machine,
    description,
    placement.virtio,
    { count, base, wire: PERIPHERAL_INTERRUPT.virtio, bus: { inbound } },
    placement.functions.length,
  )
  const { controlBase } = processor
  if (processor.readAhead !== null) {
    const handler = readAheadRegisters(machine.readAhead)
    machine.addRegisters({ name: 'read-ahead cache', base: controlBase, size: 8, handler })
  }
  const ranges = bankRanges(processor, memory)
  const deviceTree = ranges[0]!.base + TREE_OFFSET
  machine.load(deviceTree, buildDtb(bcm3384Tree({ processor, memory: ranges, windows, commandLine: append })))
  return { machine, files: new Map(), deviceTree, firmware: null }
}

function check({ memory, cpus, inbound = [] }: MachineDescription, { name, banks }: Processor): void {
  const most = banks.reduce((sum, { size }) => sum + size, 0)
  if (cpus !== 1) {
    throw new DmascopeError('MACHINE_PROCESSOR', `${cpus} processors: one of a bcm3384 is modelled`, { cpus })
  }
  if (inbound.length > 1) {
    throw new DmascopeError(
      'MACHINE_NOT_MODELLED',
      `${inbound[1]!.location.text}: a bcm3384 has one bus between its devices and memory; leave the others out`,
    )
  }
  if (Number.isSafeInteger(memory) && memory >= SMALLEST_MEMORY && memory <= most && memory % (2 * MIB) === 0) return
  throw new DmascopeError(
    'MACHINE_MEMORY',
    `${memory} bytes of memory: write an even number of MiB from 32M to ${most / MIB}M, which is what a bcm3384 has below its registers for ${name}`,
    { memory },
  )
}

function checkPlacement({ functions, platform, expanders }: Placement): void {
  for (const { description, model } of platform) {
    throw refusePlace('MACHINE_UNKNOWN_DEVICE', description, `a bcm3384 has no ${model.name}; leave it out`)
  }
  const foreign = [...expanders.values(), ...functions].find(
    ({ model }, index) => index < expanders.size || model.kind === 'virtio-iommu' || model.kind === 'vfio',
  )
  if (foreign === undefined) return
  const { description, model } = foreign
  throw refusePlace('MACHINE_NOT_MODELLED', description, `${model.name} on a bcm3384 is not modelled; leave it out`)
}

/** The chip's own windows, or those of a machine file. */
function windowsOf({ inbound = [] }: MachineDescription, { windows }: Processor): readonly InboundWindow[] | null {
  const [ubus] = inbound
  if (ubus === undefined) return windows
  for (const window of ubus.windows) {
    const { bus, memory, size } = window
    const kept = overlapOf([window, PEERS]) !== null
    if (!kept && bus + size <= BUS_END && memory + size <= BUS_END) continue
    const why = kept ? 'overlaps what is kept for devices’ own registers' : 'ends above 4 GiB, where the bus has ended'
    throw new DmascopeError(
      'MACHINE_INBOUND',
      `${ubus.location.text}: the window at bus address 0x${bus.toString(16)} ${why}; move it`,
      { bus, size },
    )
  }
  return ubus.windows
}

/** Of a physical chip: cards do not look into its caches. Where the chip itself is emulated, there are none, as in QEMU. */
function planCaches({ hypervisor }: MachineDescription, processor: Processor): MemorySystemPlan | null {
  if (!requireHypervisor(hypervisor ?? 'qemu').name.startsWith('physical')) return null
  const { dataCache: geometry, speculativeLines, readAhead } = processor
  return { name: 'noncoherent', geometry, speculativeLines, readAhead }
}

/** @param cache - null where the registers are all that there is of it */
function readAheadRegisters(cache: ReadAheadCache | null): MmioHandler {
  const { BMIPS_RAC_CONFIG, BMIPS_RAC_ADDRESS_RANGE } = CORE.registers
  const { FLUSH, ENABLE } = RAC_CONFIG.fields
  let enabled = ENABLE.get(0xffff_ffff)
  let range = 0xffff_0000
  return {
    read(offset, width) {
      if (width !== 4) return 0
      if (offset === BMIPS_RAC_CONFIG.offset) return ENABLE.setLo(0, enabled)
      return offset === BMIPS_RAC_ADDRESS_RANGE.offset ? range : 0
    },
    write(offset, width, value) {
      if (width !== 4) return
      if (offset === BMIPS_RAC_ADDRESS_RANGE.offset) range = value
      if (offset !== BMIPS_RAC_CONFIG.offset) return
      enabled = ENABLE.get(value)
      cache?.enable(enabled !== 0)
      if (FLUSH.get(value) !== 0) cache?.flush()
    },
  }
}
