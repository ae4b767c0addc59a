import { DmascopeError } from '@dmascope/layout'
import { channelOwner } from '@dmascope/memory'
import { ChannelSubsystem, VirtioCcwDevice } from '@dmascope/virtio-ccw'
import { requireModel } from '../catalogue/catalogue.ts'
import { checkProperties, type Properties, withDefaults } from '../catalogue/check-properties.ts'
import type { DeviceModel } from '../catalogue/model.ts'
import { confidentialDefaults, confidentialKind } from '../confidential/plan-confidential.ts'
import type { DeviceDescription, MachineDescription } from '../description.ts'
import { requireHypervisor } from '../hypervisor/hypervisors.ts'
import { virtioBehaviour } from '../hypervisor/virtio-behaviour.ts'
import { Machine } from '../machine.ts'
import { ChannelPlaces } from '../s390x/channel-places.ts'
import { s390xBoard } from '../s390x/s390x-board.ts'
import { incrementBytes } from '../s390x/service-call.ts'
import { COMMAND_LINE } from '../s390x/spec/instructions.ts'
import type { BuiltMachine } from './built-machine.ts'
import { BY_DEFAULT } from './default-devices.ts'
import { refusePlace } from './placed-bus.ts'
import { SerialPorts } from './serial-ports.ts'
import { behaviourOf } from './virtio-behaviour.ts'
import { withheldFeatures } from './withheld-features.ts'

const MIB = 0x10_0000
const LARGEST_MEMORY = 2 ** 41
const SMALLEST_MEMORY = 64 * MIB

/**
 * Builds QEMU's `s390-ccw-virtio`, which starts the kernel itself: virtio devices at the ends of subchannels.
 *
 * DEVIATION: of a protected guest the whole kernel is taken to run protected; a real one is unpacked by a first stage
 * that asks for that (DIAGNOSE 0x308).
 *
 * @throws DmascopeError MACHINE_* where the description is one that QEMU refuses, or that is not modelled
 */
export function createS390x(description: MachineDescription, options: { readonly trace?: boolean }): BuiltMachine {
  const { memory, append, qemuVersion } = description
  check(description)
  const css = new ChannelSubsystem()
  const machine = new Machine({
    board: s390xBoard(css, memory),
    memory,
    confidential: confidentialKind(description),
    trace: options.trace === true,
  })
  const places = new ChannelPlaces()
  const ports = new SerialPorts()
  for (const [seed, device] of withDefaultCard(description).entries()) {
    const model = requireModel(device.model, qemuVersion, device.location.text)
    const given = checkProperties(model, device.properties, qemuVersion, device.location.text)
    ports.add(device, model, given)
    if (model.plug === 'not-pci') continue
    refuseModel(device, model)
    const stated = confidentialDefaults(description, model, given)
    const properties = withDefaults(model, stated, qemuVersion)
    const place = places.place(device, properties)
    const serialPorts = model.kind === 'virtio-console' ? ports.addController(device, properties) : []
    const { hypervisor, virtio, maxRevision } = generation(description, model, properties)
    const one = new VirtioCcwDevice({
      device: behaviourOf({ description: device, model, properties, serialPorts }, seed),
      accessPlatform: virtio.offersAccessPlatform,
      platformDma: hypervisor.platformDma,
      insists: virtio.insists,
      maxRevision,
      indirect: properties.indirect_desc !== false,
      eventIndex: properties.event_idx !== false,
      packed: properties.packed === true,
      ringReset: properties.queue_reset !== false,
      withheld: withheldFeatures({ model, properties }),
    })
    const subchannel = css.add(place, one)
    machine.plugChannel({
      id: channelOwner(place.set, place.deviceNumber),
      worker: subchannel,
      connect: (port) => subchannel.connect(port),
      model: model.name,
      described: device,
    })
  }
  machine.load(COMMAND_LINE.address, commandLine(append))
  return { machine, files: new Map(), deviceTree: null, firmware: null }
}

/** What QEMU adds unless told otherwise: a network card, before all others. */
function withDefaultCard({
  defaultDevices,
  machineProperties,
  devices,
}: MachineDescription): readonly DeviceDescription[] {
  if (!defaultDevices || machineProperties.defaultNic === false) return devices
  const backend = { kind: 'network', where: 'qemu' } as const
  return [{ model: 'virtio-net-ccw', properties: {}, backend, location: BY_DEFAULT }, ...devices]
}

function check({ memory, cpus }: MachineDescription): void {
  if (cpus > 248) {
    throw new DmascopeError('MACHINE_PROCESSOR', `${cpus} processors: an s390-ccw-virtio has 248 at most`, { cpus })
  }
  const step = Number.isSafeInteger(memory) ? incrementBytes(memory) : MIB
  if (Number.isSafeInteger(memory) && memory >= SMALLEST_MEMORY && memory <= LARGEST_MEMORY && memory % step === 0) {
    return
  }
  throw new DmascopeError(
    'MACHINE_MEMORY',
    `${memory} bytes of memory: write a multiple of ${step / MIB}M from 64M to 2T, such as 512M`,
    { memory },
  )
}

/** Only what is at the end of a subchannel is modelled. */
function refuseModel(device: DeviceDescription, model: DeviceModel): void {
  if (model.plug === 'channel') return
  const onChannel = model.name.replace(/-(pci(-(non-)?transitional)?|device)$/, '-ccw')
  throw refusePlace(
    'MACHINE_NOT_MODELLED',
    device,
    model.name.startsWith('virtio')
      ? `${model.name}: devices on PCI (zPCI) are not modelled on s390-ccw-virtio; write ${onChannel}`
      : `${model.name} on s390-ccw-virtio is not modelled; leave it out`,
  )
}

function generation(
  machine: MachineDescription,
  model: DeviceModel,
  properties: Properties,
): {
  readonly hypervisor: ReturnType<typeof requireHypervisor>
  readonly virtio: ReturnType<typeof virtioBehaviour>
  readonly maxRevision: 0 | 1 | 2
} {
  const hypervisor = requireHypervisor(machine.hypervisor ?? 'qemu')
  const revision = hypervisor.virtioInterface === 'legacy' ? 0 : Number(properties.max_revision ?? 2)
  return {
    hypervisor,
    virtio: virtioBehaviour(hypervisor, model, properties, machine),
    maxRevision: revision === 0 ? 0 : revision === 1 ? 1 : 2,
  }
}

/** Cut off where QEMU cuts it, and ended by a zero. */
function commandLine(append: string): Uint8Array {
  const bytes = new Uint8Array(COMMAND_LINE.bytes)
  bytes.set(new TextEncoder().encode(append).subarray(0, COMMAND_LINE.bytes - 1))
  return bytes
}
