import { DmascopeError } from '@dmascope/layout'
import { requireModel } from '../catalogue/catalogue.ts'
import type { MachineDescription } from '../description.ts'
import { refuseTableEdits } from '../firmware/table-edits.ts'
import { Machine } from '../machine.ts'
import { MICROVM } from '../microvm/memory-map.ts'
import { microvmBoard } from '../microvm/microvm-board.ts'
import { type MicrovmFacts, microvmFacts } from '../microvm/microvm-facts.ts'
import { microvmFirmwareFiles } from '../microvm/microvm-firmware-files.ts'
import type { BuiltMachine } from './built-machine.ts'
import { refusePlace } from './placed-bus.ts'
import { placeDevices } from './placement.ts'
import { plugDevices } from './plug-devices.ts'
import { plugVirtioTransports } from './plug-virtio-mmio.ts'
import { isOff, isOn } from './switches.ts'

const MIB = 0x10_0000
const SMALLEST_MEMORY = 64 * MIB
const LARGEST_MEMORY = 2 ** 41

/**
 * Builds a `microvm` machine: PCI only where `pcie=on` asks for it, and ACPI unless it is turned off.
 *
 * @throws DmascopeError MACHINE_* where the description is one that QEMU refuses, or that is not modelled
 */
export function createMicrovm(description: MachineDescription, options: { readonly trace?: boolean }): BuiltMachine {
  const { memory, cpus, append } = description
  checkMemory(memory)
  if (isOn(description.machineProperties.usb)) {
    throw new DmascopeError(
      'MACHINE_NOT_MODELLED',
      'usb=on: a USB controller that is on no bus is not modelled; leave it out',
    )
  }
  const facts = microvmFacts(description)
  if (!facts.acpi) refuseTableEdits(description)
  checkDevices(description, facts.pcie !== null)
  const board = microvmBoard(facts)
  const placement = placeDevices(
    description,
    { name: board.rootBusName, nature: 'express', acpiHotplug: false, virtioTransports: facts.transports.count },
    board.functions,
  )
  const machine = new Machine({ board, memory, trace: options.trace === true })
  plugDevices(machine, placement, false, [])
  const { base } = MICROVM.virtioMmio
  const { count, firstGsi } = facts.transports
  plugVirtioTransports(
    machine,
    description,
    placement.virtio,
    { count, base, wire: firstGsi },
    placement.functions.length,
  )
  // The newest bus comes first: that of the last transport.
  const occupied = placement.virtio.map(({ transport }) => transport).sort((a, b) => b - a)
  const files = microvmFirmwareFiles(facts, memory, occupied, description.tables)
  const commandLine = withTransports(append, facts, description.machineProperties['auto-kernel-cmdline'], occupied)
  machine.offerFirmwareFiles(files, { cpus, commandLine })
  return { machine, files, deviceTree: null, firmware: facts.acpi ? 'SeaBIOS' : 'qboot' }
}

/** Without ACPI, QEMU tells the kernel of its transports on its command line, unless it is told not to. */
function withTransports(append: string, facts: MicrovmFacts, wanted: unknown, occupied: readonly number[]): string {
  if (facts.acpi || isOff(wanted)) return append
  const { base, size } = MICROVM.virtioMmio
  const words = occupied.map(
    (index) =>
      `virtio_mmio.device=${size}@0x${(base + index * size).toString(16)}:${facts.transports.firstGsi + index}`,
  )
  return [append, ...words].join(' ').trim()
}

/** There is no IOMMU for this machine, and without `pcie=on` no PCI. */
function checkDevices({ devices, qemuVersion }: MachineDescription, hasPci: boolean): void {
  for (const device of devices) {
    const model = requireModel(device.model, qemuVersion, device.location.text)
    const refuse = (code: string, message: string): DmascopeError => refusePlace(code, device, message)
    if (model.plug === 'platform') {
      throw refuse(
        'MACHINE_PLUG',
        `Parameter 'driver' expects a dynamic sysbus device type for the machine: '${model.name}' needs another machine`,
      )
    }
    if (model.pci === null && model.virtio === null) continue
    if (!hasPci && device.bus === undefined) {
      throw refuse('MACHINE_BUS', `No 'PCI' bus found for device '${model.name}'; write -machine microvm,pcie=on`)
    }
    if (!hasPci) throw refuse('MACHINE_BUS', `Bus '${device.bus}' not found; write -machine microvm,pcie=on`)
    if (model.kind === 'virtio-iommu') {
      throw refuse('MACHINE_REFUSED', `Check your machine implements a hotplug handler for the ${model.name} device`)
    }
  }
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
