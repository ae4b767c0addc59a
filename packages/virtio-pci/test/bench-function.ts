import { DMA_OK, type InterruptPort } from '@dmascope/memory'
import { VirtioPciFunction, type VirtioPciOptions } from '@dmascope/virtio-pci'
import { createFlatPort } from '@dmascope/virtqueue/device'
import { BufferList, createFlatBus, type DriverQueue, SplitDriverQueue } from '@dmascope/virtqueue/driver'
import { EchoDevice } from './echo-device.ts'

type Width = 1 | 2 | 4

/** A function on 256 KiB of memory, with its BARs at hand and its interrupts written down. */
export class Bench {
  readonly device: EchoDevice
  readonly function: VirtioPciFunction
  readonly memory = new Uint8Array(0x4_0000)
  readonly bus = createFlatBus(this.memory)
  /** `msi 4021`, `intx up`, `intx down`. */
  readonly interrupts: string[] = []
  readonly #out = new Uint32Array(2)

  constructor(options: Partial<VirtioPciOptions> = {}) {
    this.device = (options.device as EchoDevice | undefined) ?? new EchoDevice()
    this.function = new VirtioPciFunction({
      legacy: false,
      modern: true,
      accessPlatform: false,
      vectors: 3,
      ...options,
      device: this.device,
    })
    const interrupts: InterruptPort = {
      msi: (_hi, _lo, data) => {
        this.interrupts.push(`msi ${data.toString(16)}`)
        return DMA_OK
      },
      intx: (level) => {
        this.interrupts.push(level ? 'intx up' : 'intx down')
      },
    }
    this.function.connect(createFlatPort(this.memory), interrupts)
    this.function.config.write(0x04, 2, 0x0007)
  }

  read(bar: number, offset: number, width: Width): number {
    this.function.readBar(bar, offset, width, this.#out)
    return this.#out[0]!
  }

  write(bar: number, offset: number, width: Width, value: number): void {
    this.function.writeBar(bar, offset, width, value, 0)
  }

  /** Points MSI-X vectors 0 to 2 at messages with data 0x4020 to 0x4022 and turns MSI-X on. */
  enableMsix(): void {
    for (let vector = 0; vector < 3; vector++) {
      this.write(1, vector * 16, 4, 0xfee0_0000)
      this.write(1, vector * 16 + 8, 4, 0x4020 + vector)
      this.write(1, vector * 16 + 12, 4, 0)
    }
    const { msix, config } = this.function
    config.write(msix!.offset + 2, 2, 0x8000)
  }

  /** The driver's half of a queue whose parts lie at these addresses. */
  driverQueue(size: number, desc: number, driver: number, device: number): DriverQueue {
    return new SplitDriverQueue(this.bus, { size, desc, driver, device }, { indirect: false, eventIndex: false })
  }

  /** Puts `text` and room for the answer on the queue. */
  offer(queue: DriverQueue, text: string): void {
    this.memory.set(new TextEncoder().encode(text), 0x3_0000)
    this.memory.fill(0, 0x3_1000, 0x3_1000 + text.length)
    const buffers = new BufferList(2)
    buffers.readable(0, 0x3_0000, text.length).writable(0, 0x3_1000, text.length)
    queue.add(buffers, 1)
    queue.publish()
  }

  answer(length: number): string {
    return new TextDecoder().decode(this.memory.subarray(0x3_1000, 0x3_1000 + length))
  }
}
