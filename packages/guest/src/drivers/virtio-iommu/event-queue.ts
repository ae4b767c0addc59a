import { VIRTIO_IOMMU_FAULT_FLAGS, virtio_iommu_fault } from '@dmascope/iommu/virtio-iommu/spec'
import type { EndpointFault } from '../../iommu/pci-iommu.ts'
import type { VirtioDevice } from '../../virtio/virtio-device.ts'
import type { Request, RequestListener, Virtqueue } from '../../virtio/virtqueue.ts'

const FAULT = virtio_iommu_fault.fields
const { VIRTIO_IOMMU_FAULT_F_ADDRESS, VIRTIO_IOMMU_FAULT_F_READ, VIRTIO_IOMMU_FAULT_F_WRITE } =
  VIRTIO_IOMMU_FAULT_FLAGS.fields
const PAGE = 4096
/** No bound of Linux's, which prints them all at some rate: a device that faults for ever must not fill memory. */
const MOST_KEPT = 256

/** The event queue of a virtio IOMMU: filled with buffers, each of which comes back with a fault. */
export class EventQueue implements RequestListener {
  readonly #device: VirtioDevice
  readonly #queue: Virtqueue
  readonly #view = new DataView(new ArrayBuffer(virtio_iommu_fault.size))
  #faults: EndpointFault[] = []
  #toldOfSize = false

  constructor(device: VirtioDevice, queue: Virtqueue) {
    this.#device = device
    this.#queue = queue
    queue.listener = this
  }

  /** Leaves a buffer in every descriptor. Answers why not. */
  fill(): string | null {
    const { ring } = this.#queue
    const bytes = virtio_iommu_fault.size
    const memory = this.#device.kernel.pages.allocate(Math.ceil((ring.size * bytes) / PAGE))
    if (memory === null) return 'no memory for events'
    for (let index = 0; index < ring.size; index++) {
      const refused = this.#offer(memory + index * bytes)
      if (refused !== null) return refused
    }
    this.#queue.kick()
    return null
  }

  takeFaults(): readonly EndpointFault[] {
    const faults = this.#faults
    this.#faults = []
    return faults
  }

  #offer(cpu: number): string | null {
    const length = virtio_iommu_fault.size
    const added = this.#queue.add([{ cpu, length, direction: 'from-device', purpose: 'IOMMU event' }])
    return typeof added === 'string' ? added : null
  }

  requestDone({ segments, written }: Request): void {
    const { cpu } = segments[0]!
    if (written > virtio_iommu_fault.size) {
      if (!this.#toldOfSize) this.#device.log(`an event of ${written} bytes, more than its buffer has`)
      this.#toldOfSize = true
    } else if (written > 0) {
      this.#device.kernel.bus.readBytes(cpu, new Uint8Array(this.#view.buffer))
      this.#decode()
    }
    this.#offer(cpu)
    this.#queue.kick()
  }

  /** A report with reserved bytes that are not zero is no report that this driver knows (virtio 1.3 §5.13.6). */
  #decode(): void {
    const view = this.#view
    if (this.#faults.length >= MOST_KEPT || FAULT.reserved.get(view, 0).some((byte) => byte !== 0)) return
    const flags = FAULT.flags.get(view, 0)
    const hi = FAULT.address.hi.get(view, 0)
    const lo = FAULT.address.lo.get(view, 0)
    this.#faults.push({
      endpoint: FAULT.endpoint.get(view, 0),
      address: (flags & VIRTIO_IOMMU_FAULT_F_ADDRESS.loMask) === 0 ? null : hi * 0x1_0000_0000 + lo,
      reason: FAULT.reason.get(view, 0),
      access:
        (flags & VIRTIO_IOMMU_FAULT_F_WRITE.loMask) !== 0
          ? 'write'
          : (flags & VIRTIO_IOMMU_FAULT_F_READ.loMask) !== 0
            ? 'read'
            : 'unknown',
    })
  }
}
