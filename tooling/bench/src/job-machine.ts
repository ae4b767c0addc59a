import { runFirmware } from '@dmascope/firmware'
import { bootGuest } from '@dmascope/guest'
import { createMachine, type DeviceDescription, type MachineDescription } from '@dmascope/machine'
import { formatText, joinReport, type Report } from '@dmascope/report'

const LOCATION = { text: 'benchmark' }

/** Builds the machine, runs firmware and guest on it, and reports: what the command does between start and end. */
export function bootAndReport(description: MachineDescription): { readonly report: Report; readonly text: string } {
  const { machine } = createMachine(description)
  try {
    runFirmware(machine.bus)
    machine.endFirmwarePhase()
    const guest = bootGuest(machine.bus, { profile: 'linux-6.12', witness: machine.witness })
    const report = joinReport({ description, guest, observations: machine.observe(), version: '0.0.0' })
    return { report, text: formatText(report) }
  } finally {
    machine.dispose()
  }
}

/** Root ports take 30 slots of the root bus, eight functions in each; a port has one device of eight functions. */
const MOST_PORTS = 240
const FUNCTIONS_A_SLOT = 8
/** The most functions that a description of root ports and devices below them reaches, ports included. */
export const MOST_BEHIND_PORTS = MOST_PORTS * (1 + FUNCTIONS_A_SLOT)

/** The function's place in its slot, and what QEMU wants the first one to say there. */
const inSlot = (
  index: number,
  firstDevice: number,
): Required<Pick<DeviceDescription, 'addr'>> & { readonly multifunction: { readonly multifunction?: string } } => {
  const fn = index % FUNCTIONS_A_SLOT
  const device = firstDevice + Math.floor(index / FUNCTIONS_A_SLOT)
  return { addr: { device, function: fn }, multifunction: fn === 0 ? { multifunction: 'on' } : {} }
}

/**
 * A q35 with VT-d and so many functions behind multifunction root ports, the ports included: as many ports as that
 * takes. The devices have a BAR and no driver, so that each costs the same: vectors of one processor end at about 200.
 *
 * @throws RangeError above `MOST_BEHIND_PORTS`: a segment has no more buses
 */
export function machineOfPorts(functions: number): MachineDescription {
  if (functions > MOST_BEHIND_PORTS) throw new RangeError(`${functions} functions: at most ${MOST_BEHIND_PORTS}`)
  const ports = Math.ceil(functions / (1 + FUNCTIONS_A_SLOT))
  const devices: DeviceDescription[] = []
  for (let port = 0; port < ports; port++) {
    const { addr, multifunction } = inSlot(port, 1)
    const properties = { ...multifunction, chassis: port & 0xff, slot: port & 0x1f, port: port & 0xff }
    devices.push({ model: 'pcie-root-port', id: `port${port}`, bus: 'pcie.0', addr, properties, location: LOCATION })
  }
  for (let index = 0; index < functions - ports; index++) {
    const bus = `port${Math.floor(index / FUNCTIONS_A_SLOT)}`
    const { addr, multifunction } = inSlot(index % FUNCTIONS_A_SLOT, 0)
    devices.push({ model: 'pci-testdev', bus, addr, properties: multifunction, location: LOCATION })
  }
  return crowded(devices)
}

/** Slots of a conventional bridge's bus, the first left out. */
const SLOTS_A_BRIDGE = 31
const FUNCTIONS_A_BRIDGE = SLOTS_A_BRIDGE * FUNCTIONS_A_SLOT

/**
 * The same behind conventional bridges, each with all of its bus taken: so few buses hold many times more. The devices
 * have a memory BAR alone, since 65,536 ports would not do for all of them.
 */
export function machineOfBridges(functions: number): MachineDescription {
  const bridges = Math.ceil(functions / (1 + FUNCTIONS_A_BRIDGE))
  const devices: DeviceDescription[] = []
  for (let bridge = 0; bridge < bridges; bridge++) {
    const { addr, multifunction } = inSlot(bridge, 1)
    const properties = { ...multifunction, chassis_nr: bridge + 1, shpc: 'off' }
    devices.push({ model: 'pci-bridge', id: `bridge${bridge}`, bus: 'pcie.0', addr, properties, location: LOCATION })
  }
  for (let index = 0; index < functions - bridges; index++) {
    const bus = `bridge${Math.floor(index / FUNCTIONS_A_BRIDGE)}`
    const { addr, multifunction } = inSlot(index % FUNCTIONS_A_BRIDGE, 1)
    devices.push({ model: 'i6300esb', bus, addr, properties: multifunction, location: LOCATION })
  }
  return crowded(devices)
}

const crowded = (devices: readonly DeviceDescription[]): MachineDescription => ({
  machine: 'q35',
  qemuVersion: '11.1',
  name: 'crowded',
  source: 'file',
  memory: 2 ** 31,
  cpus: 1,
  defaultDevices: false,
  machineProperties: {},
  devices: [{ model: 'intel-iommu', properties: {}, location: LOCATION }, ...devices],
  append: 'intel_iommu=on',
  ignored: [],
})
