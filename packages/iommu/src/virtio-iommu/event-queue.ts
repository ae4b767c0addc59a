import { DMA_OK } from '@dmascope/memory'
import type { VirtioHost } from '@dmascope/virtio-pci'
import type { DeviceQueue } from '@dmascope/virtqueue/device'
import { SeenFaults } from '../seen-faults.ts'
import type { SeenFault, VirtioIommuWiring } from './options.ts'
import { VIRTIO_IOMMU_EVENTQ } from './spec/config.ts'
import { VIRTIO_IOMMU_FAULT_FLAGS, virtio_iommu_fault } from './spec/fault.ts'

const FAULT = virtio_iommu_fault.fields
const { VIRTIO_IOMMU_FAULT_F_ADDRESS } = VIRTIO_IOMMU_FAULT_FLAGS.fields
/** Faults that wait for the device's turn; more than that are dropped. */
const MOST_WAITING = 256

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

interface Waiting {
  readonly seen: Mutable<SeenFault>
  readonly reason: number
  readonly flags: number
}

/** Tells the driver of faults, in buffers that it left on the event queue (virtio 1.3 §5.13.6, Fault reporting). */
export class EventQueue extends SeenFaults<SeenFault> {
  #waiting: Waiting[] = []
  #queue: DeviceQueue | null = null
  #host: VirtioHost | null = null
  readonly #wiring: VirtioIommuWiring
  readonly #event = new DataView(new ArrayBuffer(virtio_iommu_fault.size))

  constructor(wiring: VirtioIommuWiring) {
    super(wiring.onFault)
    this.#wiring = wiring
  }

  activate(queue: DeviceQueue | null, host: VirtioHost): void {
    this.#queue = queue
    this.#host = host
  }

  override reset(): void {
    super.reset()
    this.#queue = null
    this.#host = null
    this.#waiting = []
  }

  /** Notes a fault that no event is for. */
  observe(fault: Omit<SeenFault, 'recorded'>): void {
    this.#note({ ...fault, recorded: false })
  }

  /** Notes a fault, and latches its event: DMA is done in `work`, not while another device's is under way. */
  report(fault: Omit<SeenFault, 'recorded'>, reason: number, flags: number): void {
    const recorded = this.#queue !== null && this.#waiting.length < MOST_WAITING
    const seen = { ...fault, recorded }
    this.#note(seen)
    if (!recorded) return
    this.#waiting.push({ seen, reason, flags: flags | VIRTIO_IOMMU_FAULT_F_ADDRESS.loMask })
    this.#wiring.wake?.()
  }

  #note(fault: SeenFault): void {
    if (this.countFault()) this.tellFault(fault)
  }

  /** Writes what waits into the driver's buffers. Events that find none, or no memory, are dropped. */
  work(): void {
    const queue = this.#queue
    const host = this.#host
    if (queue === null || host === null || this.#waiting.length === 0) return
    let told = 0
    for (const one of this.#waiting) {
      if (queue.broken !== null || !queue.next()) break
      if (queue.writableBytes < virtio_iommu_fault.size) {
        host.needsReset(`an event buffer of ${queue.writableBytes} bytes holds no fault`)
        break
      }
      this.#encode(one)
      const written = queue.write(0, new Uint8Array(this.#event.buffer))
      queue.complete(written === DMA_OK ? virtio_iommu_fault.size : 0)
      told++
      one.seen.recorded = written === DMA_OK
    }
    for (const { seen } of this.#waiting.slice(told)) seen.recorded = false
    this.#waiting = []
    if (told > 0 && queue.shouldInterrupt()) host.interrupt(VIRTIO_IOMMU_EVENTQ)
  }

  #encode({ seen, reason, flags }: Waiting): void {
    FAULT.reason.set(this.#event, 0, reason)
    FAULT.flags.set(this.#event, 0, flags)
    FAULT.endpoint.set(this.#event, 0, seen.requester)
    FAULT.address.lo.set(this.#event, 0, seen.lo)
    FAULT.address.hi.set(this.#event, 0, seen.hi)
  }
}
