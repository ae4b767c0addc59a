import { DmascopeError } from '@dmascope/layout'
import type { ConsolePort } from '@dmascope/virtio-devices'
import type { Properties } from '../catalogue/check-properties.ts'
import type { DeviceModel } from '../catalogue/model.ts'
import type { DeviceDescription } from '../description.ts'

/** QEMU's VIRTIO_QUEUE_MAX, halved, less the control queues. */
const MOST_PORTS = 511
const UNSTATED = 0xffff_ffff

interface Controller {
  readonly id: string | undefined
  readonly maxPorts: number
  readonly ports: ConsolePort[]
}

/** Ports of virtio-serial controllers, in order of creation: QEMU's `virtser_port_device_realize`. */
export class SerialPorts {
  readonly #controllers: Controller[] = []

  /**
   * A controller was created. Its ports, which grow as they are plugged in.
   *
   * @throws DmascopeError MACHINE_REFUSED in QEMU's words
   */
  addController(description: DeviceDescription, properties: Properties): readonly ConsolePort[] {
    const maxPorts = maxPortsOf(properties)
    if (maxPorts === 0) throw refuse(description, 'Maximum number of serial ports not specified')
    if (maxPorts > MOST_PORTS) throw refuse(description, `maximum ports supported: ${MOST_PORTS}`)
    const ports: ConsolePort[] = []
    this.#controllers.push({ id: description.id, maxPorts, ports })
    return ports
  }

  /**
   * A port was created, if this is one. It goes to the controller whose bus it names, else to the newest.
   *
   * @throws DmascopeError MACHINE_REFUSED in QEMU's words
   */
  add(description: DeviceDescription, model: DeviceModel, given: Properties): void {
    const console = model.name === 'virtconsole'
    if (model.kind !== 'serial-port') return
    const { bus } = description
    const named = this.#controllers.find(({ id }) => id !== undefined && (bus === `${id}.0` || bus === id))
    const controller = named ?? this.#controllers.at(-1)
    if (controller === undefined) return
    const id = numberOf(controller, console, given.nr === undefined ? UNSTATED : Number(given.nr), description)
    if (
      given.name !== undefined &&
      this.#controllers.some(({ ports }) => ports.some((one) => one.name === given.name))
    ) {
      throw refuse(description, `virtio-serial-bus: A port already exists by name ${given.name}`)
    }
    controller.ports.push({ id, console, ...(given.name !== undefined && { name: String(given.name) }) })
  }
}

/** The first terminal is port 0, which nothing else may be; what states no number gets the lowest that is free. */
function numberOf(
  { maxPorts, ports }: Controller,
  console: boolean,
  stated: number,
  description: DeviceDescription,
): number {
  const taken = new Set(ports.map(({ id }) => id))
  if (taken.has(stated)) throw refuse(description, `virtio-serial-bus: A port already exists at id ${stated}`)
  let id = stated
  if (stated === UNSTATED) {
    id = console && !taken.has(0) ? 0 : 1
    while (id > 0 && taken.has(id)) id++
    if (id >= maxPorts) throw refuse(description, 'virtio-serial-bus: Maximum port limit for this device reached')
  }
  if (id >= maxPorts) {
    throw refuse(description, `virtio-serial-bus: Out-of-range port id specified, max. allowed: ${maxPorts - 1}`)
  }
  if (id === 0 && !console) {
    throw refuse(
      description,
      'Port number 0 on virtio-serial devices reserved for virtconsole devices for backward compatibility.',
    )
  }
  return id
}

const maxPortsOf = (properties: Properties): number => Number(properties.max_ports ?? 31)

/** A controller that states no number of vectors has one for each port, and one for changes of configuration. */
export const withSerialVectors = (properties: Properties): Properties =>
  Number(properties.vectors) === UNSTATED ? { ...properties, vectors: maxPortsOf(properties) + 1 } : properties

const refuse = ({ location, model }: DeviceDescription, message: string): DmascopeError =>
  new DmascopeError('MACHINE_REFUSED', `${location.text}: ${message}`, { device: model })
