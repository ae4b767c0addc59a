import { createBlock, createMemoryDisk } from '@dmascope/virtio-devices'
import { VirtioMmioDevice, type VirtioMmioOptions } from '@dmascope/virtio-mmio'
import { createFlatPort } from '@dmascope/virtqueue/device'
import { createFlatBus, SplitDriverQueue } from '@dmascope/virtqueue/driver'

/** A block device behind its registers, on 1 MiB of memory, with what its line does written down. */
export class Bench {
  readonly memory = new Uint8Array(0x10_0000)
  readonly bus = createFlatBus(this.memory)
  readonly disk = Uint8Array.from({ length: 8 * 512 }, (_, index) => (index * 7) & 0xff)
  readonly device: VirtioMmioDevice
  /** `up`, `down`. */
  readonly line: string[] = []

  constructor(options: Partial<VirtioMmioOptions> & { readonly legacy: boolean }) {
    this.device = new VirtioMmioDevice({
      device: createBlock({ disk: createMemoryDisk(this.disk) }),
      accessPlatform: false,
      ...options,
    })
    this.device.connect(createFlatPort(this.memory), {
      drive: (asserted) => {
        this.line.push(asserted ? 'up' : 'down')
      },
    })
  }

  read(offset: number): number {
    return this.device.read(offset, 4)
  }

  write(offset: number, value: number): void {
    this.device.write(offset, 4, value)
  }

  driverQueue(size: number, desc: number, driver: number, device: number): SplitDriverQueue<number> {
    return new SplitDriverQueue<number>(
      this.bus,
      { size, desc, driver, device },
      { indirect: false, eventIndex: false },
    )
  }
}
