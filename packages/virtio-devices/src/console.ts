import { DMA_OK, DMA_PENDING } from '@dmascope/memory'
import type { VirtioDevice } from '@dmascope/virtio-pci'
import type { DeviceQueue } from '@dmascope/virtqueue/device'
import { eachByte, readConfig } from './config-window.ts'
import { hasFeature, offer } from './features.ts'
import { QueuePump, SERVE_MORE, SERVE_WAIT } from './queue-pump.ts'
import {
  VIRTIO_CONSOLE_FEATURES,
  VIRTIO_CONSOLE_RECEIVEQ,
  VIRTIO_ID_CONSOLE,
  virtio_console_config,
} from './spec/console.ts'

export interface ConsoleOptions {
  /** Gets what the guest prints, a copy each time. Without it, output is kept in `output` up to `outputLimit`. */
  readonly sink?: (bytes: Uint8Array) => void
  /** Most bytes of output that are kept; what comes after is counted and dropped. Default 1 MiB. */
  readonly outputLimit?: number
  /** Most bytes of input that wait for the guest. Default 64 KiB. */
  readonly inputLimit?: number
  /** Columns and rows; offers VIRTIO_CONSOLE_F_SIZE. */
  readonly size?: { readonly cols: number; readonly rows: number }
}

export interface ConsoleDevice extends VirtioDevice {
  /** A copy of what the guest printed, where there is no sink; survives reset. */
  readonly output: Uint8Array
  /** Bytes that the guest printed, kept or not. */
  readonly printed: number
  /** Types bytes for the guest to read. Answers how many were taken: those that `inputLimit` has room for. */
  typeIn(bytes: Uint8Array): number
  /** Changes the size; tells a driver that negotiated VIRTIO_CONSOLE_F_SIZE. */
  resize(cols: number, rows: number): void
}

const F = VIRTIO_CONSOLE_FEATURES.fields
const { fields } = virtio_console_config
/** Bytes moved at a time; one unit of work's budget. */
const CHUNK_BYTES = 4096

/** Bytes that grow up to a limit. */
class BoundedBytes {
  #bytes = new Uint8Array(0)
  #length = 0
  readonly #limit: number

  constructor(limit: number) {
    this.#limit = limit
  }

  get length(): number {
    return this.#length
  }

  /** Answers how many were taken. */
  append(from: Uint8Array): number {
    const count = Math.min(from.length, this.#limit - this.#length)
    const needed = this.#length + count
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.min(Math.max(needed, this.#bytes.length * 2, 256), this.#limit))
      grown.set(this.#bytes.subarray(0, this.#length))
      this.#bytes = grown
    }
    this.#bytes.set(from.subarray(0, count), this.#length)
    this.#length = needed
    return count
  }

  /** A view of the first `count` bytes. */
  head(count: number): Uint8Array {
    return this.#bytes.subarray(0, Math.min(count, this.#length))
  }

  drop(count: number): void {
    this.#bytes.copyWithin(0, count, this.#length)
    this.#length -= count
  }
}

/**
 * A console with one port (virtio 1.3 §5.3): keeps or passes on what the guest prints, and hands it what is typed.
 *
 * DEVIATION: VIRTIO_CONSOLE_F_MULTIPORT is not offered. QEMU's virtio-serial-pci offers it unless `max_ports=1`.
 */
export function createConsole(options: ConsoleOptions = {}): ConsoleDevice {
  const { sink, outputLimit = 2 ** 20, inputLimit = 65_536, size } = options
  const view = new DataView(new ArrayBuffer(virtio_console_config.size))
  fields.max_nr_ports.set(view, 0, 1)
  fields.cols.set(view, 0, size?.cols ?? 0)
  fields.rows.set(view, 0, size?.rows ?? 0)
  const output = new BoundedBytes(outputLimit)
  const input = new BoundedBytes(inputLimit)
  const chunk = new Uint8Array(CHUNK_BYTES)
  const pump = new QueuePump(serve)
  let printed = 0
  let transmitted = 0
  let reportsSize = false

  function print(bytes: Uint8Array): void {
    printed += bytes.length
    if (sink !== undefined) sink(bytes.slice())
    else output.append(bytes)
  }

  function serve(index: number, queue: DeviceQueue, fresh: boolean): number {
    return index === VIRTIO_CONSOLE_RECEIVEQ ? receive(queue) : transmit(queue, fresh)
  }

  function receive(queue: DeviceQueue): number {
    const part = input.head(Math.min(queue.writableBytes, CHUNK_BYTES))
    const result = queue.write(0, part)
    if (result === DMA_PENDING) return SERVE_WAIT
    input.drop(part.length)
    if (input.length === 0) pump.sleep(VIRTIO_CONSOLE_RECEIVEQ)
    return result === DMA_OK ? part.length : 0
  }

  function transmit(queue: DeviceQueue, fresh: boolean): number {
    if (fresh) transmitted = 0
    const part = chunk.subarray(0, Math.min(queue.readableBytes - transmitted, CHUNK_BYTES))
    const result = queue.read(transmitted, part)
    if (result === DMA_PENDING) return SERVE_WAIT
    if (result !== DMA_OK) return 0
    print(part)
    transmitted += part.length
    return transmitted < queue.readableBytes ? SERVE_MORE : 0
  }

  return {
    type: VIRTIO_ID_CONSOLE,
    kind: 'virtio-console',
    queueSizes: [128, 128],
    features: offer([F.VIRTIO_CONSOLE_F_EMERG_WRITE, ...(size === undefined ? [] : [F.VIRTIO_CONSOLE_F_SIZE])]),
    config: {
      size: virtio_console_config.size,
      read: (offset, width) => readConfig(view, offset, width),
      write(offset, width, value) {
        // §5.3.4: a character written to `emerg_wr` is printed, even before the device is set up.
        eachByte(offset, width, value, (at, byte) => {
          if (at === fields.emerg_wr.offset) print(Uint8Array.of(byte))
        })
      },
    },
    get output() {
      return output.head(output.length).slice()
    },
    get printed() {
      return printed
    },
    typeIn(bytes) {
      const taken = input.append(bytes)
      if (taken > 0) pump.wake(VIRTIO_CONSOLE_RECEIVEQ)
      return taken
    },
    resize(cols, rows) {
      fields.cols.set(view, 0, cols)
      fields.rows.set(view, 0, rows)
      if (reportsSize) pump.host?.configChanged()
    },
    activate(queues, negotiated, host) {
      reportsSize = hasFeature(negotiated, F.VIRTIO_CONSOLE_F_SIZE)
      pump.activate(queues, host)
      if (input.length === 0) pump.sleep(VIRTIO_CONSOLE_RECEIVEQ)
    },
    notify(queue) {
      if (queue !== VIRTIO_CONSOLE_RECEIVEQ || input.length > 0) pump.wake(queue)
    },
    work: (budget) => pump.work(budget),
    reset() {
      pump.reset()
      input.drop(input.length)
      reportsSize = false
    },
  }
}
