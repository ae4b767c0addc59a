import { buildDtb } from '@dmascope/devicetree'
import { DartUnit } from '@dmascope/iommu/dart'
import { DmascopeError } from '@dmascope/layout'
import type { MachineDescription } from '../description.ts'
import { requireHypervisor } from '../hypervisor/hypervisors.ts'
import type { IommuWiring, MachineIommu } from '../iommu/machine-iommu.ts'
import { mac99Tree } from '../mac99/device-tree.ts'
import { MacIo } from '../mac99/mac-io.ts'
import { mac99Board } from '../mac99/mac99-board.ts'
import { DART, MAC_IO, MAC_IO_SLOT, U3_SLOT } from '../mac99/spec/address-map.ts'
import { Machine } from '../machine.ts'
import type { BuiltMachine } from './built-machine.ts'
import { refusePlace } from './placed-bus.ts'
import { type Placement, placeDevices } from './placement.ts'
import { plugSegments } from './plug-segments.ts'
import { isOff, isOn } from './switches.ts'

const MIB = 0x10_0000
const SMALLEST_MEMORY = 128 * MIB
/** What is above is PCI’s. */
const LARGEST_MEMORY = 2048 * MIB
/** Behind a kernel of 64 MiB, where OpenBIOS has nothing. */
const TREE_ADDRESS = 0x480_0000
/** Slots below the bridge’s own are on no address line. */
const RESERVED_SLOTS = 2 ** U3_SLOT - 1
const COMMAND_OFFSET = 4
const MEMORY_SPACE = 2

/**
 * Builds a mac99 with a 970, a G5: U3 and KeyLargo as QEMU has them; with the DART of the real machine where it is a
 * physical one, or where `dart` says so.
 *
 * @throws DmascopeError MACHINE_* where the description is one that QEMU refuses, or that is not modelled
 */
export function createMac99(description: MachineDescription, options: { readonly trace?: boolean }): BuiltMachine {
  check(description)
  const { memory, append } = description
  const dart = hasDart(description)
  const macIo = new MacIo()
  const board = mac99Board(macIo)
  const placement = placeDevices(
    description,
    {
      name: board.rootBusName,
      nature: 'conventional',
      acpiHotplug: false,
      messages: false,
      reservedSlots: RESERVED_SLOTS,
    },
    board.functions,
  )
  checkPlacement(placement)
  const machine = new Machine({
    board,
    memory,
    createIommus: (wiring) => (dart ? [dartIommu(wiring)] : []),
    trace: options.trace === true,
  })
  plugSegments(machine, placement, [placement.rootBus])
  // OpenBIOS has put the interrupt controller's registers there.
  const slot = MAC_IO_SLOT
  machine.root.configWrite(0, slot, 0, 0x10, 4, MAC_IO.base)
  machine.root.configWrite(0, slot, 0, COMMAND_OFFSET, 2, MEMORY_SPACE)
  const slots = placement.functions.flatMap(({ bus, device }) => (bus === placement.rootBus ? [device] : []))
  const tree = mac99Tree({ memory, commandLine: append, dart, slots: [...new Set(slots)] })
  machine.load(TREE_ADDRESS, buildDtb(tree))
  return { machine, files: new Map(), deviceTree: TREE_ADDRESS, firmware: null }
}

function hasDart({ hypervisor, machineProperties: { dart } }: MachineDescription): boolean {
  if (isOn(dart)) return true
  return !isOff(dart) && requireHypervisor(hypervisor ?? 'qemu').name.startsWith('physical')
}

function dartIommu({ ram, onFault }: IommuWiring): MachineIommu {
  const unit = new DartUnit({ model: 'u3', ram, onFault })
  return {
    translator: unit,
    windows: [{ name: 'DART', base: DART.base, size: DART.size, handler: unit.registers }],
    pciFunction: null,
    ioApicRequester: null,
  }
}

function check({ memory, cpu, cpus, defaultDevices }: MachineDescription): void {
  if (defaultDevices) {
    throw new DmascopeError(
      'MACHINE_NOT_MODELLED',
      'the network card and the USB controller that a mac99 has on its board are not modelled; write -nodefaults',
      {},
    )
  }
  if (cpu !== undefined && !/^(970|970fx|970mp)(_v[0-9.]+)?(,|$)/i.test(cpu)) {
    throw new DmascopeError(
      'MACHINE_NOT_MODELLED',
      `mac99 with the processor '${cpu}', which has another north bridge, is not modelled; write -cpu 970fx`,
      { cpu },
    )
  }
  if (cpus !== 1) {
    throw new DmascopeError(
      'MACHINE_PROCESSOR',
      `Invalid SMP CPUs ${cpus}. The max CPUs supported by machine 'mac99' is 1`,
      { cpus },
    )
  }
  if (Number.isSafeInteger(memory) && memory >= SMALLEST_MEMORY && memory <= LARGEST_MEMORY && memory % MIB === 0)
    return
  throw new DmascopeError(
    'MACHINE_MEMORY',
    `${memory} bytes of memory: RAM size more than 2 GiB is not supported; write a multiple of 1M from 128M to 2G`,
    { memory },
  )
}

function checkPlacement({ functions, platform, expanders }: Placement): void {
  for (const { description, model } of [...platform, ...expanders.values()]) {
    throw refusePlace('MACHINE_UNKNOWN_DEVICE', description, `'${model.name}' is not a valid device model for ppc64`)
  }
  for (const { description, model } of functions) {
    if (model.kind !== 'virtio-iommu' && model.kind !== 'host-bridge') continue
    throw refusePlace('MACHINE_NOT_MODELLED', description, `${model.name} on mac99 is not modelled; leave it out`)
  }
}
