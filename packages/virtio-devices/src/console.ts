import { DMA_OK, DMA_PENDING } from '@dmascope/memory'
import type { VirtioDevice } from '@dmascope/virtio-pci'
import type { DeviceQueue } from '@dmascope/virtqueue/device'
import { BoundedBytes } from './bounded-bytes.ts'
import { eachByte, readConfig } from './config-window.ts'
import { ConsoleControl, type ConsolePort } from './console-control.ts'
import { hasFeature, offer } from './features.ts'
import { QueuePump, SERVE_HOLD, SERVE_MORE, SERVE_WAIT } from './queue-pump.ts'
import {
  VIRTIO_CONSOLE_CONTROL_RECEIVEQ,
  VIRTIO_CONSOLE_CONTROL_TRANSMITQ,
  VIRTIO_CONSOLE_FEATURES,
  VIRTIO_ID_CONSOLE,
  virtio_console_config,
  virtio_console_control,
} from './spec/console.ts'

export interface ConsoleOptions {
  /** Gets what the guest prints, a copy each time. Without it, output is kept in `output` up to `outputLimit`. */
  readonly sink?: (bytes: Uint8Array, port: number) => void
  /** Most bytes of output that are kept; what comes after is counted and dropped. Default 1 MiB. */
  readonly outputLimit?: number
  /** Most bytes of input that wait for the guest, for each port. Default 64 KiB. */
  readonly inputLimit?: number
  /** Columns and rows; offers VIRTIO_CONSOLE_F_SIZE. */
  readonly size?: { readonly cols: number; readonly rows: number }
  /**
   * Room for ports, and those that are there: QEMU's virtio-serial bus. Has control queues, and offers
   * VIRTIO_CONSOLE_F_MULTIPORT where there is room for more than one. Left out: one port, a terminal, and no control.
   */
  readonly serial?: { readonly maxPorts: number; readonly ports: readonly ConsolePort[] }
}

export interface ConsoleDevice extends VirtioDevice {
  /** A copy of what the guest printed, to whatever port, where there is no sink; survives reset. */
  readonly output: Uint8Array
  /** Bytes that the guest printed, kept or not. */
  readonly printed: number
  /**
   * Types bytes for the guest to read. Answers how many were taken: those that `inputLimit` has room for; none where
   * there is no such port.
   */
  typeIn(bytes: Uint8Array, port?: number): number
  /** Changes the size; tells a driver that negotiated VIRTIO_CONSOLE_F_SIZE, or several ports. */
  resize(cols: number, rows: number): void
}

const F = VIRTIO_CONSOLE_FEATURES.fields
const { fields } = virtio_console_config
/** Bytes moved at a time; one unit of work's budget. */
const CHUNK_BYTES = 4096
const DATA_QUEUE_SIZE = 128
const CONTROL_QUEUE_SIZE = 32
/** Virtqueues are numbered in 16 bits, and QEMU has 1024 for a device. */
const MOST_PORTS = 511

/** A port at work. */
interface Port {
  readonly isOpen: boolean
  readonly input: BoundedBytes
  /** The driver said that it reads; without control queues it always does. */
  guestOpen: boolean
  /** Bytes of the chain at hand that were printed. */
  transmitted: number
}

const isReceive = (index: number): boolean => (index & 1) === 0
const portOf = (index: number): number => (index < 2 ? 0 : (index >>> 1) - 1)
const receiveQueueOf = (port: number): number => (port === 0 ? 0 : 2 * port + 2)
const isControl = (index: number): boolean =>
  index === VIRTIO_CONSOLE_CONTROL_RECEIVEQ || index === VIRTIO_CONSOLE_CONTROL_TRANSMITQ

/**
 * What the guest printed. A class, for its getter: in a literal it would make a hidden class of each console, which
 * keeps the machine around it until a full garbage collection.
 */
class Printout {
  readonly kept: BoundedBytes
  printed = 0

  constructor(kept: BoundedBytes) {
    this.kept = kept
  }

  get output(): Uint8Array {
    return this.kept.head(this.kept.length).slice()
  }
}

/**
 * A console (virtio 1.3 §5.3): keeps or passes on what the guest prints, and hands it what is typed; with one port, or
 * with several that it tells the driver of.
 *
 * @throws RangeError for more than 511 ports, or a port that there is no room for
 */
export function createConsole(options: ConsoleOptions = {}): ConsoleDevice {
  const { sink, outputLimit = 2 ** 20, inputLimit = 65_536, size, serial } = options
  const maxPorts = serial?.maxPorts ?? 1
  const described = serial?.ports ?? [{ id: 0, console: true }]
  if (!(Number.isInteger(maxPorts) && maxPorts >= 1 && maxPorts <= MOST_PORTS)) {
    throw new RangeError(`1 to ${MOST_PORTS} ports, not ${maxPorts}`)
  }
  for (const { id } of described) {
    if (!(Number.isInteger(id) && id >= 0 && id < maxPorts)) throw new RangeError(`port ${id} of ${maxPorts}`)
  }
  const ports = new Map<number, Port>(
    described.map(({ id, open = true }) => [
      id,
      { isOpen: open, input: new BoundedBytes(inputLimit), guestOpen: false, transmitted: 0 },
    ]),
  )
  const control = new ConsoleControl(new Map(described.map((port) => [port.id, port])), (id, open) => {
    ports.get(id)!.guestOpen = open
    wakeInput(id)
  })
  const queueSizes = [DATA_QUEUE_SIZE, DATA_QUEUE_SIZE]
  if (serial !== undefined) queueSizes.push(CONTROL_QUEUE_SIZE, CONTROL_QUEUE_SIZE)
  for (let port = 1; port < maxPorts; port++) queueSizes.push(DATA_QUEUE_SIZE, DATA_QUEUE_SIZE)

  const view = new DataView(new ArrayBuffer(virtio_console_config.size))
  fields.max_nr_ports.set(view, 0, maxPorts)
  fields.cols.set(view, 0, size?.cols ?? 0)
  fields.rows.set(view, 0, size?.rows ?? 0)
  const chunk = new Uint8Array(CHUNK_BYTES)
  const pump = new QueuePump(serve)
  const printout = new Printout(new BoundedBytes(outputLimit))
  let reportsSize = false
  let multiport = false

  function print(bytes: Uint8Array, port: number): void {
    printout.printed += bytes.length
    if (sink !== undefined) sink(bytes.slice(), port)
    else printout.kept.append(bytes)
  }

  /** Whether anything is to be put into this queue's buffers. */
  function hasFor(index: number): boolean {
    if (index === VIRTIO_CONSOLE_CONTROL_RECEIVEQ) return control.next !== null
    const port = ports.get(portOf(index))
    return port?.guestOpen === true && port.input.length > 0
  }

  function wakeInput(port: number): void {
    const index = receiveQueueOf(port)
    if (hasFor(index)) pump.wake(index)
  }

  function serve(index: number, queue: DeviceQueue, fresh: boolean): number {
    if (isReceive(index)) return fill(index, queue)
    return index === VIRTIO_CONSOLE_CONTROL_TRANSMITQ ? takeControl(queue) : transmit(portOf(index), queue, fresh)
  }

  function fill(index: number, queue: DeviceQueue): number {
    if (!hasFor(index)) return SERVE_HOLD
    const input = isControl(index) ? null : ports.get(portOf(index))!.input
    const room = Math.min(queue.writableBytes, CHUNK_BYTES)
    const part = input === null ? control.next!.subarray(0, room) : input.head(room)
    const result = queue.write(0, part)
    if (result === DMA_PENDING) return SERVE_WAIT
    if (input === null) control.shift()
    else input.drop(part.length)
    if (!hasFor(index)) pump.sleep(index)
    return result === DMA_OK ? part.length : 0
  }

  function takeControl(queue: DeviceQueue): number {
    const message = chunk.subarray(0, Math.min(queue.readableBytes, virtio_console_control.size))
    const result = queue.read(0, message)
    if (result === DMA_PENDING) return SERVE_WAIT
    if (result === DMA_OK) control.take(message)
    if (control.next !== null) pump.wake(VIRTIO_CONSOLE_CONTROL_RECEIVEQ)
    return 0
  }

  /** What goes to a port that is not there, or not open, is taken and lost. */
  function transmit(id: number, queue: DeviceQueue, fresh: boolean): number {
    const port = ports.get(id)
    if (port === undefined || !port.isOpen) return 0
    if (fresh) port.transmitted = 0
    const part = chunk.subarray(0, Math.min(queue.readableBytes - port.transmitted, CHUNK_BYTES))
    const result = queue.read(port.transmitted, part)
    if (result === DMA_PENDING) return SERVE_WAIT
    if (result !== DMA_OK) return 0
    print(part, id)
    port.transmitted += part.length
    return port.transmitted < queue.readableBytes ? SERVE_MORE : 0
  }

  return Object.assign(printout, {
    type: VIRTIO_ID_CONSOLE,
    kind: 'virtio-console',
    queueSizes,
    features: offer([
      F.VIRTIO_CONSOLE_F_EMERG_WRITE,
      ...(size === undefined ? [] : [F.VIRTIO_CONSOLE_F_SIZE]),
      ...(maxPorts > 1 ? [F.VIRTIO_CONSOLE_F_MULTIPORT] : []),
    ]),
    config: {
      size: virtio_console_config.size,
      read: (offset, width) => readConfig(view, offset, width),
      write(offset, width, value) {
        // §5.3.4: a character written to `emerg_wr` is printed, even before the device is set up.
        eachByte(offset, width, value, (at, byte) => {
          if (at === fields.emerg_wr.offset) print(Uint8Array.of(byte), 0)
        })
      },
    },
    typeIn(bytes, port = 0) {
      const taken = ports.get(port)?.input.append(bytes) ?? 0
      if (taken > 0) wakeInput(port)
      return taken
    },
    resize(cols, rows) {
      fields.cols.set(view, 0, cols)
      fields.rows.set(view, 0, rows)
      if (multiport) {
        control.resize(cols, rows)
        if (control.next !== null) pump.wake(VIRTIO_CONSOLE_CONTROL_RECEIVEQ)
      } else if (reportsSize) pump.host?.configChanged()
    },
    activate(queues, negotiated, host) {
      reportsSize = hasFeature(negotiated, F.VIRTIO_CONSOLE_F_SIZE)
      multiport = hasFeature(negotiated, F.VIRTIO_CONSOLE_F_MULTIPORT)
      if (!multiport) for (const [id, port] of ports) port.guestOpen = id === 0
      pump.activate(queues, host)
      for (let index = 0; index < queueSizes.length; index += 2) if (!hasFor(index)) pump.sleep(index)
    },
    notify(queue) {
      if (!isReceive(queue) || hasFor(queue)) pump.wake(queue)
    },
    work: (budget) => pump.work(budget),
    reset() {
      pump.reset()
      control.reset()
      for (const port of ports.values()) {
        port.input.drop(port.input.length)
        port.guestOpen = false
      }
      reportsSize = false
      multiport = false
    },
  } satisfies Omit<ConsoleDevice, 'output' | 'printed'>)
}
