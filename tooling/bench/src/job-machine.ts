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
const FUNCTIONS_A_PORT = 8
/** The most functions that a description of root ports and devices below them reaches, ports included. */
export const MOST_FUNCTIONS = MOST_PORTS * (1 + FUNCTIONS_A_PORT)

/**
 * A q35 with VT-d and so many functions behind multifunction root ports, the ports included: as many ports as that
 * takes. The devices have a BAR and no driver, so that each costs the same: vectors of one processor end at about 200.
 */
export function crowdedMachine(functions: number): MachineDescription {
  if (functions > MOST_FUNCTIONS) throw new RangeError(`${functions} functions: at most ${MOST_FUNCTIONS}`)
  const ports = Math.ceil(functions / (1 + FUNCTIONS_A_PORT))
  const devices: DeviceDescription[] = [{ model: 'intel-iommu', properties: {}, location: LOCATION }]
  const multifunction = (fn: number): { multifunction?: string } => (fn === 0 ? { multifunction: 'on' } : {})
  for (let port = 0; port < ports; port++) {
    const fn = port & 7
    devices.push({
      model: 'pcie-root-port',
      id: `port${port}`,
      bus: 'pcie.0',
      addr: { device: 1 + (port >> 3), function: fn },
      properties: { ...multifunction(fn), chassis: port & 0xff, slot: port & 0x1f, port: port & 0xff },
      location: LOCATION,
    })
  }
  for (let index = 0; index < functions - ports; index++) {
    const fn = index % FUNCTIONS_A_PORT
    devices.push({
      model: 'pci-testdev',
      bus: `port${Math.floor(index / FUNCTIONS_A_PORT)}`,
      addr: { device: 0, function: fn },
      properties: multifunction(fn),
      location: LOCATION,
    })
  }
  return {
    machine: 'q35',
    qemuVersion: '11.1',
    name: 'crowded',
    source: 'file',
    memory: 2 ** 31,
    cpus: 1,
    defaultDevices: false,
    machineProperties: {},
    devices,
    append: 'intel_iommu=on',
    ignored: [],
  }
}
