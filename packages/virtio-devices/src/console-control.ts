import { VIRTIO_CONSOLE_EVENT, virtio_console_control, virtio_console_resize } from './spec/console.ts'

/** What a driver may ask for faster than it takes it: what comes beyond is dropped, as QEMU drops all without a buffer. */
const MOST_WAITING = 4096
const { fields } = virtio_console_control

/** A port of a console, as it is described. */
export interface ConsolePort {
  /** Below the console's number of ports. */
  readonly id: number
  /** A terminal (QEMU's `virtconsole`), or a pipe (`virtserialport`). */
  readonly console: boolean
  /** What the guest calls a pipe, e.g. `org.qemu.guest_agent.0`. */
  readonly name?: string
  /** Whether the host's side is open. Default true. */
  readonly open?: boolean
}

/** What the device says of its ports, and what it is told of them (virtio 1.3 §5.3.6.2), in QEMU's order. */
export class ConsoleControl {
  readonly #ports: ReadonlyMap<number, ConsolePort>
  #waiting: Uint8Array[] = []
  readonly #ready = new Set<number>()
  readonly #opened: (id: number, open: boolean) => void

  /** @param opened - the driver opened a port, or closed it */
  constructor(ports: ReadonlyMap<number, ConsolePort>, opened: (id: number, open: boolean) => void) {
    this.#ports = ports
    this.#opened = opened
  }

  /** The next message for the driver; null where there is none. */
  get next(): Uint8Array | null {
    return this.#waiting[0] ?? null
  }

  /** The driver has `next`. */
  shift(): void {
    this.#waiting.shift()
  }

  /** A message of the driver's. One about no port, or too short to be one, is ignored. */
  take(bytes: Uint8Array): void {
    if (bytes.length < virtio_console_control.size) return
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    const event = fields.event.get(view, 0)
    const value = fields.value.get(view, 0)
    if (event === VIRTIO_CONSOLE_EVENT.DEVICE_READY) {
      if (value !== 0) for (const id of this.#ports.keys()) this.#say(id, VIRTIO_CONSOLE_EVENT.PORT_ADD, 1)
      return
    }
    const port = this.#ports.get(fields.id.get(view, 0))
    if (port === undefined) return
    if (event === VIRTIO_CONSOLE_EVENT.PORT_READY && value !== 0) this.#introduce(port)
    if (event === VIRTIO_CONSOLE_EVENT.PORT_OPEN) this.#opened(port.id, value !== 0)
  }

  #introduce({ id, console, name, open = true }: ConsolePort): void {
    this.#ready.add(id)
    if (console) this.#say(id, VIRTIO_CONSOLE_EVENT.CONSOLE_PORT, 1)
    if (name !== undefined) this.#say(id, VIRTIO_CONSOLE_EVENT.PORT_NAME, 1, new TextEncoder().encode(`${name}\0`))
    if (open) this.#say(id, VIRTIO_CONSOLE_EVENT.PORT_OPEN, 1)
  }

  /** Tells the terminals that the driver knows of their new size. */
  resize(cols: number, rows: number): void {
    const size = new DataView(new ArrayBuffer(virtio_console_resize.size))
    virtio_console_resize.fields.cols.set(size, 0, cols)
    virtio_console_resize.fields.rows.set(size, 0, rows)
    for (const id of this.#ready) {
      if (this.#ports.get(id)?.console) {
        this.#say(id, VIRTIO_CONSOLE_EVENT.RESIZE, 0, new Uint8Array(size.buffer))
      }
    }
  }

  reset(): void {
    this.#waiting = []
    this.#ready.clear()
  }

  #say(id: number, event: number, value: number, more = new Uint8Array(0)): void {
    if (this.#waiting.length >= MOST_WAITING) return
    const message = new Uint8Array(virtio_console_control.size + more.length)
    const view = new DataView(message.buffer)
    fields.id.set(view, 0, id)
    fields.event.set(view, 0, event)
    fields.value.set(view, 0, value)
    message.set(more, virtio_console_control.size)
    this.#waiting.push(message)
  }
}
