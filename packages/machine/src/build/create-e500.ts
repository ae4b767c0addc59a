import { buildDtb } from '@dmascope/devicetree'
import { DmascopeError } from '@dmascope/layout'
import type { MachineDescription } from '../description.ts'
import { e500Tree } from '../e500/device-tree.ts'
import { e500Board } from '../e500/e500-board.ts'
import { E500HostBridge } from '../e500/host-bridge.ts'
import { PCI_MEMORY } from '../e500/spec/address-map.ts'
import { Machine } from '../machine.ts'
import type { BuiltMachine } from './built-machine.ts'
import { refusePlace } from './placed-bus.ts'
import { type Placement, placeDevices } from './placement.ts'
import { plugDevices } from './plug-devices.ts'

const MIB = 0x10_0000
const MEMORY_BLOCK = 64 * MIB
/** Behind a kernel of 16 MiB, as far as QEMU puts the tree behind any. */
const TREE_ADDRESS = 0x280_0000
const MOST_PROCESSORS = 32

/**
 * Builds a ppce500: an MPC8544’s PCI host bridge, whose windows a kernel sets up, and no IOMMU. QEMU starts the kernel
 * itself, with its tree.
 *
 * @throws DmascopeError MACHINE_* where the description is one that QEMU refuses, or that is not modelled
 */
export function createE500(description: MachineDescription, options: { readonly trace?: boolean }): BuiltMachine {
  const { qemuVersion, memory, cpus, append } = description
  check(description)
  const bridge = new E500HostBridge()
  const board = e500Board(isWideProcessor(description.cpu) ? 'ppc64' : 'ppc', bridge)
  const placement = placeDevices(
    description,
    { name: board.rootBusName, nature: 'conventional', acpiHotplug: false },
    board.functions,
  )
  checkPlacement(placement)
  const machine = new Machine({
    board,
    memory,
    inbound: bridge,
    trace: options.trace === true,
  })
  plugDevices(machine, placement, false, [])
  machine.load(TREE_ADDRESS, buildDtb(e500Tree({ qemuVersion, memory, cpus, commandLine: append })))
  return { machine, files: new Map(), deviceTree: TREE_ADDRESS, firmware: null }
}

/** Of Freescale’s processors, those that run 64-bit kernels. */
const isWideProcessor = (cpu: string | undefined): boolean => /^e[56]500(,|$)/i.test(cpu ?? '')

function check({ memory, cpu, cpus }: MachineDescription): void {
  if (cpu !== undefined && !/^e(500(v1|v2|mc|_v[0-9]+|v2_v[0-9]+)?|5500|6500)(,|$)/i.test(cpu)) {
    throw new DmascopeError(
      'MACHINE_PROCESSOR',
      `'${cpu}' is not a processor of a ppce500; write e500v2 or e500mc, or e5500 or e6500 for a 64-bit kernel`,
      { cpu },
    )
  }
  if (cpus > MOST_PROCESSORS) {
    throw new DmascopeError(
      'MACHINE_PROCESSOR',
      `Invalid SMP CPUs ${cpus}. The max CPUs supported by machine 'ppce500' is ${MOST_PROCESSORS}`,
      { cpus },
    )
  }
  const ends = Number.isSafeInteger(memory) && memory > 0 && memory <= PCI_MEMORY.base
  if (ends && memory % MEMORY_BLOCK === 0) return
  throw new DmascopeError(
    'MACHINE_MEMORY',
    `${memory} bytes of memory: RAM size must be multiple of 67108864; write a multiple of 64M, up to 48G`,
    { memory },
  )
}

function checkPlacement({ functions, platform, expanders }: Placement): void {
  for (const { description, model } of [...platform, ...expanders.values()]) {
    throw refusePlace('MACHINE_UNKNOWN_DEVICE', description, `'${model.name}' is not a valid device model for ppc64`)
  }
  for (const { description, model } of functions) {
    if (model.kind === 'virtio-iommu') {
      throw refusePlace(
        'MACHINE_REFUSED',
        description,
        'ppce500 machine fails to create iommu-map device tree bindings: it has no IOMMU; leave it out',
      )
    }
    if (model.kind !== 'host-bridge') continue
    throw refusePlace('MACHINE_NOT_MODELLED', description, `${model.name} on ppce500 is not modelled; leave it out`)
  }
}
