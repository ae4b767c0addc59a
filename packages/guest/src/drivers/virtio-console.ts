import {
  VIRTIO_CONSOLE_CONTROL_RECEIVEQ,
  VIRTIO_CONSOLE_CONTROL_TRANSMITQ,
  VIRTIO_CONSOLE_EVENT,
  VIRTIO_CONSOLE_FEATURES,
  VIRTIO_ID_CONSOLE,
  virtio_console_config,
  virtio_console_control,
} from '@dmascope/virtio-devices/spec'
import { ANYWHERE } from '../early/page-allocator.ts'
import { awaitRequests } from '../virtio/await-requests.ts'
import { findQueues, type WantedQueue } from '../virtio/find-queues.ts'
import { ready } from '../virtio/negotiate.ts'
import type { VirtioDevice } from '../virtio/virtio-device.ts'
import type { VirtioDriver } from '../virtio/virtio-driver.ts'
import type { Request, RequestListener, Virtqueue } from '../virtio/virtqueue.ts'
import { type BoundDriver, failed, hung, type IoOutcome, notAttempted, passed } from './driver.ts'

const F = VIRTIO_CONSOLE_FEATURES.fields
const MULTIPORT = F.VIRTIO_CONSOLE_F_MULTIPORT.low
const LINE = 'dmascope: console self-test\n'
const CONTROL = virtio_console_control.fields
/** Linux's VIRTCONS_MAX_PORTS. A device has queues for far fewer. */
const MAX_PORTS = 0x8000
/** Linux leaves a page in every descriptor of the control queue; of a longer queue than QEMU's, this many will do. */
const MOST_CONTROL_BUFFERS = 128
const PAGE = 4096
const MESSAGES_OUT = PAGE / virtio_console_control.size
const BAD_ID = 0xffff_ffff

export const VIRTIO_CONSOLE: VirtioDriver = {
  name: 'virtio_console',
  type: VIRTIO_ID_CONSOLE,
  features: [F.VIRTIO_CONSOLE_F_SIZE.low, MULTIPORT],
  probe,
}

function probe(device: VirtioDevice): BoundDriver | string {
  const { transport, kernel } = device
  const multiport = device.has(MULTIPORT)
  const asked = multiport ? transport.readConfig(virtio_console_config.fields.max_nr_ports.offset, 4) : 1
  if (asked === 0 || asked > MAX_PORTS) return `max_nr_ports is ${asked}, this kernel takes 1 to ${MAX_PORTS}`
  const wanted: WantedQueue[] = []
  for (let port = 0; port < asked; port++) {
    wanted.push({ name: 'input', interrupts: true }, { name: 'output', interrupts: true })
    if (multiport && port === 0) {
      wanted.push({ name: 'control-i', interrupts: true }, { name: 'control-o', interrupts: false })
    }
  }
  const queues = findQueues(device, wanted)
  if (typeof queues === 'string') return queues
  const buffer = kernel.pages.allocate(1, ANYWHERE)
  const messages = multiport ? kernel.pages.allocate(1, ANYWHERE) : null
  if (buffer === null || (multiport && messages === null)) return 'no memory for a buffer'
  const ports = messages === null ? null : new ControlChannel(device, queues, messages, asked)
  ready(device)
  const failure = ports?.start() ?? null
  if (failure !== null) return failure
  return {
    ioKind: 'console',
    selfTest() {
      if (ports === null) return writeLine(device, queues[1]!, buffer)
      const told = ports.finish()
      if (typeof told !== 'number') return told
      return writeLine(device, queues[told === 0 ? 1 : 3 + told * 2]!, buffer)
    },
  }
}

function writeLine(device: VirtioDevice, queue: Virtqueue, buffer: number): IoOutcome {
  const { bus } = device.kernel
  const text = Uint8Array.from(LINE, (letter) => letter.charCodeAt(0))
  bus.writeBytes(buffer, text)
  const request = queue.add([{ cpu: buffer, length: text.length, direction: 'to-device', purpose: 'console line' }])
  if (typeof request === 'string') return failed(request)
  queue.kick()
  return awaitRequests(device, queue, [request]) ?? passed(`wrote ${text.length} bytes`)
}

/** The talk about ports: the device adds them, the driver says that it is ready for each (virtio 1.3 §5.3.6.2). */
class ControlChannel implements RequestListener {
  readonly #device: VirtioDevice
  readonly #receive: Virtqueue
  readonly #transmit: Virtqueue
  /** Ports that the device has queues for. */
  readonly #ports: number
  /** Messages go out from this page, one behind the other. */
  readonly #page: number
  /** The device took no more of what the driver says. Linux would spin for ever. */
  #deaf = false
  #nextOut = 0
  /** Ports that the other side has opened. */
  readonly #open = new Set<number>()
  readonly #known = new Set<number>()
  readonly #terminals = new Set<number>()

  constructor(device: VirtioDevice, queues: readonly Virtqueue[], page: number, ports: number) {
    this.#device = device
    this.#ports = ports
    this.#receive = queues[VIRTIO_CONSOLE_CONTROL_RECEIVEQ]!
    this.#transmit = queues[VIRTIO_CONSOLE_CONTROL_TRANSMITQ]!
    this.#page = page
    this.#receive.listener = this
  }

  start(): string | null {
    const buffers = Math.min(this.#receive.ring.size, MOST_CONTROL_BUFFERS)
    for (let index = 0; index < buffers; index++) {
      const page = this.#device.kernel.pages.allocate(1, ANYWHERE)
      const failure = page === null ? 'no memory for control messages' : this.#offer(page)
      if (failure !== null) return failure
    }
    this.#receive.kick()
    return this.#send(BAD_ID, VIRTIO_CONSOLE_EVENT.DEVICE_READY, 1)
  }

  /** Lets the talk end, and answers a port that can be written to. */
  finish(): number | IoOutcome {
    const ready = (): boolean => this.#open.size > 0 || this.#receive.ring.broken !== null
    this.#device.kernel.vectors.wait(ready)
    const [port] = [...this.#terminals, ...this.#open]
    if (port !== undefined && !this.#terminals.has(port)) this.#send(port, VIRTIO_CONSOLE_EVENT.PORT_OPEN, 1)
    if (port !== undefined) return port
    if (this.#deaf) return hung(1, 'a control message was never taken')
    return notAttempted(this.#known.size > 0 ? 'no port is open on the other side' : 'the device has no ports')
  }

  #offer(cpu: number): string | null {
    const made = this.#receive.add([
      { cpu, length: PAGE, direction: 'from-device', purpose: 'console control message' },
    ])
    return typeof made === 'string' ? made : null
  }

  requestDone(request: Request): void {
    const cpu = request.segments[0]!.cpu
    const bytes = new Uint8Array(virtio_console_control.size)
    this.#device.kernel.bus.readBytes(cpu, bytes)
    const view = new DataView(bytes.buffer)
    const id = CONTROL.id.get(view, 0)
    const event = CONTROL.event.get(view, 0)
    // Linux adds no port beyond those that the device has queues for, and drops what is said of one that was not added.
    if (id < this.#ports && request.written >= virtio_console_control.size) {
      if (event === VIRTIO_CONSOLE_EVENT.PORT_ADD && !this.#known.has(id)) {
        this.#known.add(id)
        this.#send(id, VIRTIO_CONSOLE_EVENT.PORT_READY, 1)
      }
      this.#toldOf(id, event, CONTROL.value.get(view, 0))
    }
    if (this.#offer(cpu) === null) this.#receive.kick()
  }

  #toldOf(id: number, event: number, value: number): void {
    if (!this.#known.has(id)) return
    if (event === VIRTIO_CONSOLE_EVENT.PORT_OPEN && value === 1) this.#open.add(id)
    // A terminal is opened at once. A pipe is when a program does, which here the self-test is.
    if (event === VIRTIO_CONSOLE_EVENT.CONSOLE_PORT && value === 1 && !this.#terminals.has(id)) {
      this.#terminals.add(id)
      this.#open.add(id)
      this.#send(id, VIRTIO_CONSOLE_EVENT.PORT_OPEN, 1)
    }
  }

  /** Sends a message, and spins until it is taken: the queue has no interrupt. */
  #send(id: number, event: number, value: number): string | null {
    if (this.#deaf) return null
    const bytes = new DataView(new ArrayBuffer(virtio_console_control.size))
    CONTROL.id.set(bytes, 0, id)
    CONTROL.event.set(bytes, 0, event)
    CONTROL.value.set(bytes, 0, value)
    const cpu = this.#page + (this.#nextOut++ % MESSAGES_OUT) * virtio_console_control.size
    this.#device.kernel.bus.writeBytes(cpu, new Uint8Array(bytes.buffer))
    const made = this.#transmit.add([
      { cpu, length: virtio_console_control.size, direction: 'to-device', purpose: 'console control message' },
    ])
    if (typeof made === 'string') return made
    this.#transmit.kick()
    this.#deaf = !this.#device.kernel.vectors.spin(() => {
      this.#transmit.collect()
      return made.done || this.#transmit.ring.broken !== null
    })
    return null
  }
}
