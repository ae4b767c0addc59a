import type { DeviceDescription, MachineDescription, MachineName, PropertyValue, QemuVersion } from '@dmascope/machine'
import { hasVirtioBuses } from '@dmascope/machine'
import { acceleratorProperties } from './accelerator.ts'
import { resolveChardevs, resolveFsdevs } from './chardevs.ts'
import { collect, type ReadFile } from './collect.ts'
import type { Collected, Entry } from './collected.ts'
import { confidentialGuest } from './confidential-guest.ts'
import { DeviceReader } from './devices.ts'
import { hasDefaultDisplay, readDisplay } from './display.ts'
import { type Drive, resolveDrives } from './drives.ts'
import { firmwareImage } from './firmware-image.ts'
import { checkGlobals } from './globals.ts'
import { compatibleDefaults } from './kept-defaults.ts'
import { textOf } from './key-value.ts'
import { machineProperties } from './machine-properties.ts'
import { memorySize, readProcessors } from './machine-size.ts'
import { compatibleChipset, compatiblePseries, machineType } from './machine-types.ts'
import { resolveNetworks, resolveNic } from './networks.ts'
import { numaNodes } from './numa-nodes.ts'
import { resolveObjects } from './objects.ts'
import { OnboardPlaces } from './onboard-places.ts'
import { isPlain } from './processor-topology.ts'

export interface CommandLineOptions {
  /** The QEMU release whose options, devices and defaults hold. */
  readonly qemuVersion: QemuVersion
  /** Reads the files of `-readconfig`; throws where there is none. No other file is read. */
  readonly readFile?: ReadFile
}

/**
 * Reads a QEMU command line, as a shell splits it, into a machine description. The program's name may come first.
 *
 * `machineProperties` holds the properties of `-machine` that bear on DMA or interrupts, and beside them: `vga: 'none'`
 * (no default display: `-vga` was given, or a display among the devices takes its place), `defaultNic: false`
 * (`-nic none`, `-net none`, or any network option, which does away with the default card), `usb: true` (`-usb`),
 * `accel`, `firmware`, the image that runs before the kernel on an Arm machine, and `type`, the machine type as written
 * where it is a versioned one.
 *
 * Devices come in the order in which QEMU creates them: the display of `-vga`, cards of `-nic` and `-net nic`, then `-device` in the order
 * written, then disks of `-drive if=virtio`, then `-device` in JSON.
 *
 * @throws DmascopeError for what QEMU refuses, in its words or like them, and for what is not modelled; the message
 *   names the argument, and the nearest known name
 */
export function parseQemuCommandLine(args: readonly string[], options: CommandLineOptions): MachineDescription {
  const { qemuVersion: version } = options
  if (version !== '7.2' && version !== '11.1') throw new RangeError(`qemuVersion is 7.2 or 11.1, got ${version}`)
  const collected = collect(args, options.readFile)

  const written = textOf(collected.machine.values, 'type')
  const { architecture } = collected
  const type = machineType(written, architecture, version, collected.machine.placeOf('type'))
  const firmware = firmwareImage(collected)
  const pseries = compatiblePseries(type)
  const cpu = collected.cpu ?? pseries.cpu
  const machine: Record<string, PropertyValue> = {
    ...pseries.properties,
    ...compatibleChipset(type),
    ...machineProperties(collected.machine, architecture, type.machine, version),
    ...acceleratorProperties(collected),
    ...(written !== null && written !== type.machine ? { type: written } : {}),
    ...(collected.usb && architecture !== 'aarch64' ? { usb: true } : {}),
    ...(architecture === 'aarch64' && firmware !== null ? { firmware } : {}),
  }
  const processors = readProcessors(collected, type, version)

  const objects = resolveObjects(collected)
  Object.assign(machine, confidentialGuest(collected.machine, objects, architecture))
  const sizes = memorySize(collected, objects, type.machine)
  const nodes = numaNodes(collected, objects, type.machine, sizes.memory)
  const chardevs = resolveChardevs(collected)
  const fsdevs = resolveFsdevs(collected)
  const drives = resolveDrives(collected)
  const networks = resolveNetworks(collected, chardevs)
  const ignored = [...collected.ignored, ...checkGlobals(collected.globals, version, type.machine)]

  const kept = compatibleDefaults(type, version)
  const reader = new DeviceReader(
    type.machine,
    version,
    collected,
    { drives, networks, objects, chardevs, fsdevs },
    kept,
    machine.usb === true,
  )
  const devices: DeviceDescription[] = []
  const create = (entry: Entry, given: Parameters<DeviceReader['read']>[1] = null): void => {
    const device = reader.read(entry, given)
    if (device === null) ignored.push(entry.place.written)
    else devices.push(device)
  }
  const display = readDisplay(collected, type.machine)
  const onboard = new OnboardPlaces(type.machine)
  if (display.entry !== null) create(onboard.display(display.entry))
  const defaultNic = DEFAULT_NIC[type.machine]
  for (const nic of collected.nics) {
    if (type.machine === 'microvm' || (defaultNic === null && !nic.entry.pairs.has('model'))) {
      ignored.push(nic.entry.place.written)
      continue
    }
    const { entry, backend } = resolveNic(nic, networks, chardevs, defaultNic ?? '')
    create(onboard.card(entry), backend)
  }
  const { device } = collected.entries
  for (const entry of device) if (!entry.json) create(entry)
  for (const drive of drives.values()) if (drive.interface === 'virtio') create(virtioDisk(drive, architecture))
  for (const entry of device) if (entry.json) create(entry)
  ignored.push(...unusedDrives(collected, drives, reader))

  if (collected.vga !== null && !hasDefaultDisplay(type.machine)) ignored.push(collected.vga.place.written)
  if (display.replaced) machine.vga = 'none'
  if (collected.noDefaultNic) machine.defaultNic = false
  return {
    machine: type.machine,
    qemuVersion: version,
    name: type.machine,
    source: 'qemu',
    memory: sizes.memory,
    ...(sizes.most !== null && { maxMemory: sizes.most }),
    cpus: processors.cpus,
    ...(processors.most !== processors.cpus && { maxCpus: processors.most }),
    ...((type.machine === 'virt' || type.machine === 'pseries' || !isPlain(processors)) && {
      topology: processors.topology,
    }),
    ...(cpu !== null && { cpu }),
    ...(nodes.length > 0 && { numaNodes: nodes }),
    ...(type.machine === 'pseries' && { hostBridge: reader.globalsOf('spapr-pci-host-bridge') }),
    ...virtioTransports(reader, type.machine),
    defaultDevices: !collected.nodefaults,
    machineProperties: machine,
    devices,
    append: collected.append,
    ignored,
  }
}

/** Each machine's own card; that of pseries is no PCI function, and microvm makes none, whatever one asks for. */
const DEFAULT_NIC: Readonly<Record<MachineName, string | null>> = {
  q35: 'e1000e',
  pc: 'e1000',
  microvm: null,
  virt: 'virtio-net-pci',
  pseries: null,
  powernv9: null,
  sun4u: 'sunhme',
  ppce500: 'virtio-net-pci',
  mac99: null,
  's390-ccw-virtio': 'virtio-net-ccw',
}

/** What `-global` says of the machine's own virtio-mmio transports, where it has such, and something is said. */
function virtioTransports(reader: DeviceReader, machine: MachineName): Pick<MachineDescription, 'virtioTransports'> {
  const given = hasVirtioBuses(machine) ? reader.globalsOf('virtio-mmio') : {}
  return Object.keys(given).length > 0 ? { virtioTransports: given } : {}
}

/** `-drive if=virtio` is a drive, and a `virtio-blk-pci` on it, or a `virtio-blk-ccw`. */
const virtioDisk = (drive: Drive, architecture: Collected['architecture']): Entry => ({
  id: null,
  pairs: new Map([
    ['driver', architecture === 's390x' ? 'virtio-blk-ccw' : 'virtio-blk-pci'],
    ['drive', drive.id],
  ]),
  place: drive.place,
  json: false,
})

/** Disks that no PCI device carries: on the machine's own controller, or unused. */
function unusedDrives(collected: Collected, drives: ReadonlyMap<string, Drive>, reader: DeviceReader): string[] {
  const nodes = new Set(collected.entries.blockdev.map(({ id }) => id))
  return [...drives.values()]
    .filter(({ id }) => !reader.isTaken(id) && !nodes.has(id))
    .map(({ place }) => place.written)
}
