import {
  createMachine,
  type DeviceDescription,
  type Machine,
  type MachineDescription,
} from '../../../machine/src/index.ts'
import { runMiniFirmware } from './mini-firmware.ts'

type Properties = Readonly<Record<string, string | number | boolean>>

const location = { text: 'test' }
const MEMORY = 512 * 1024 * 1024

/** A device at a slot of the root bus, or of the bus that is named. */
export const device = (
  model: string,
  slot: number,
  properties: Properties = {},
  more: Partial<DeviceDescription> = {},
): DeviceDescription => ({ model, addr: { device: slot, function: 0 }, properties, location, ...more })

/** A port of the virtio-serial controller that came before: a terminal. */
export const TERMINAL: DeviceDescription = { model: 'virtconsole', properties: {}, location }

/** A virtio-blk with a disk of 8 MiB. */
export const disk = (
  slot: number,
  properties: Properties = {},
  more: Partial<DeviceDescription> & { readonly readOnly?: boolean; readonly size?: number } = {},
): DeviceDescription => {
  const { readOnly = false, size = 8 * 1024 * 1024, ...rest } = more
  return device('virtio-blk-pci', slot, properties, {
    backend: { kind: 'disk', where: 'qemu', size, readOnly },
    ...rest,
  })
}

/** QEMU's `iommu_platform=on`, which a device takes only without its legacy interface. */
export const ACCESS_PLATFORM: Properties = { iommu_platform: true, 'disable-legacy': 'on' }
export const VTD: DeviceDescription = { model: 'intel-iommu', properties: { intremap: 'on' }, location }

/** A machine with these devices, its firmware run, ready for a kernel. */
export function machineWith(
  devices: readonly DeviceDescription[],
  more: Partial<MachineDescription> = {},
  /** Changes the machine before its firmware runs. */
  prepare: (machine: Machine) => void = () => {},
): Machine {
  const { machine } = createMachine({
    machine: 'q35',
    qemuVersion: '11.1',
    name: 'test',
    source: 'file',
    memory: MEMORY,
    cpus: 1,
    defaultDevices: false,
    machineProperties: {},
    devices,
    append: '',
    ignored: [],
    ...more,
  })
  prepare(machine)
  runMiniFirmware(machine.bus, { memory: more.memory ?? MEMORY, express: more.machine !== 'pc' })
  machine.endFirmwarePhase()
  return machine
}
