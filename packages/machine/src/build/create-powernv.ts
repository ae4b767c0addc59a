import { buildDtb } from '@dmascope/devicetree'
import { DmascopeError } from '@dmascope/layout'
import type { MachineDescription } from '../description.ts'
import { requireHypervisor } from '../hypervisor/hypervisors.ts'
import type { IommuFault, MachineIommu } from '../iommu/machine-iommu.ts'
import { Machine } from '../machine.ts'
import { powernvTree } from '../powernv/device-tree.ts'
import type { Phb } from '../powernv/phb.ts'
import { powernvBoard } from '../powernv/powernv-board.ts'
import { HOST_BRIDGES, phbPlaces } from '../powernv/spec/address-map.ts'
import type { BuiltMachine } from './built-machine.ts'
import { withPowernvDefaults } from './default-devices.ts'
import { type PlacedBus, refusePlace, rootBusOf } from './placed-bus.ts'
import { type PlacedPlatformDevice, type Placement, placeDevices } from './placement.ts'
import { plugSegments } from './plug-segments.ts'

const GIB = 0x4000_0000
const MIB = 0x10_0000
const LARGEST_MEMORY = 2 ** 41
/** Where QEMU puts the tree for skiboot. */
const TREE_ADDRESS = 0x100_0000

/**
 * Builds a powernv9 machine: a chip with PHB4 host bridges, a segment each, and OPAL behind its calls.
 *
 * @throws DmascopeError MACHINE_* where the description is one that QEMU refuses, or that is not modelled
 */
export function createPowernv(description: MachineDescription, options: { readonly trace?: boolean }): BuiltMachine {
  check(description)
  // Its own bus is none of PCI; every bus of PCI is a host bridge's.
  const none = { name: 'main-system-bus', nature: 'express' } as const
  const placement = placeDevices(withPowernvDefaults(description, HOST_BRIDGES), none, [])
  const buses = bridgesOf(placement)
  checkPlacement(placement)
  let tell: (fault: IommuFault) => void = () => {}
  const asHardware = requireHypervisor(description.hypervisor ?? 'qemu').name.startsWith('physical')
  const indexes = [...buses.keys()].sort((a, b) => a - b)
  const places = phbPlaces(indexes)
  let phbs: readonly Phb[] = []
  const machine = new Machine({
    board: powernvBoard({
      phbs: places.map((place) => ({
        place,
        asHardware,
        onFault: (fault) => tell({ ...fault, segment: place.index }),
      })),
      built: (made) => {
        phbs = made
      },
    }),
    memory: description.memory,
    createIommus: (wiring) => {
      tell = wiring.onFault
      return phbs.map(iodaIommu)
    },
    trace: options.trace === true,
  })
  plugSegments(
    machine,
    placement,
    indexes.map((index) => buses.get(index)!),
  )
  const { memory, cpus, append } = description
  const tree = powernvTree({ memory, cpus, commandLine: append, phbs: places })
  machine.load(TREE_ADDRESS, buildDtb(tree))
  return { machine, files: new Map(), deviceTree: TREE_ADDRESS, firmware: 'skiboot' }
}

const iodaIommu = ({ unit, index }: Phb): MachineIommu => ({
  translator: unit,
  segment: index,
  windows: [],
  pciFunction: null,
  ioApicRequester: null,
})

function check({ memory, cpu, cpus }: MachineDescription): void {
  if (cpu !== undefined && !/^power9(_v2\.[0-9])?(,|$)/i.test(cpu)) {
    throw new DmascopeError('MACHINE_PROCESSOR', `Invalid CPU model: ${cpu}; a powernv9 has power9`, { cpu })
  }
  if (cpus > 24) {
    throw new DmascopeError('MACHINE_PROCESSOR', `${cpus} processors: a chip of a powernv9 has 24 at most`, { cpus })
  }
  if (Number.isSafeInteger(memory) && memory >= GIB && memory <= LARGEST_MEMORY && memory % MIB === 0) return
  throw new DmascopeError(
    'MACHINE_MEMORY',
    `${memory} bytes of memory: skiboot may not work with less than 1 GiB; write a multiple of 1M from 1G to 2T`,
    { memory },
  )
}

/** Root buses by the index of their host bridge. */
function bridgesOf({ hostBridges }: Placement): Map<number, PlacedBus> {
  const found = new Map<number, PlacedBus>()
  for (const [bus, bridge] of hostBridges) {
    const index = indexOf(bridge)
    if (found.has(index)) {
      throw refusePlace(
        'MACHINE_PLUG',
        bridge.description,
        `host bridge ${index} is there already; write another index`,
      )
    }
    found.set(index, bus)
  }
  if (found.size > 0) return found
  throw new DmascopeError(
    'MACHINE_NOT_MODELLED',
    'a powernv9 without a host bridge has no PCI: add -device pnv-phb,index=0,id=phb0 and -device pnv-phb-root-port,bus=phb0,id=port0',
    {},
  )
}

function indexOf({ description, model, given }: PlacedPlatformDevice): number {
  const index = Number(given.index ?? 0)
  if (model.name !== 'pnv-phb') {
    throw refusePlace('MACHINE_UNKNOWN_DEVICE', description, `${model.name} is of a pseries; a powernv9 has pnv-phb`)
  }
  if (Number(given['chip-id'] ?? 0) !== 0) {
    throw refusePlace('MACHINE_NOT_MODELLED', description, 'a second chip is not modelled; write chip-id=0')
  }
  if (index < HOST_BRIDGES) return index
  throw refusePlace('MACHINE_PLUG', description, `invalid PHB index ${index}; a chip has 0 to ${HOST_BRIDGES - 1}`)
}

function checkPlacement({ functions, platform, rootBus }: Placement): void {
  for (const { description, model } of platform) {
    throw refusePlace('MACHINE_UNKNOWN_DEVICE', description, `'${model.name}' is not a valid device model for ppc64`)
  }
  const taken = new Set<PlacedBus>()
  for (const { description, model, bus } of functions) {
    const root = rootBusOf(bus)
    if (root === rootBus) {
      throw refusePlace('MACHINE_BUS', description, `No 'PCI' bus found for device '${model.name}'; add a pnv-phb`)
    }
    if (model.kind === 'virtio-iommu' || model.kind === 'host-bridge') {
      throw refusePlace('MACHINE_NOT_MODELLED', description, `${model.name} on powernv9 is not modelled; leave it out`)
    }
    if (bus !== root) continue
    // The bus of a host bridge has room for one device.
    if (taken.has(bus)) {
      throw refusePlace('MACHINE_BUS', description, `Bus '${bus.name}' is full; name the bus behind its port`)
    }
    taken.add(bus)
  }
}
