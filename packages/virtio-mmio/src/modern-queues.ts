import { hasFeature, VIRTIO_F_RING_RESET } from '@dmascope/virtio-pci/spec'
import type { VirtioTransport } from '@dmascope/virtio-pci/transport'
import type { QueueRegisters } from './queue-registers.ts'
import { VIRTIO_MMIO } from './spec/registers.ts'

const at = VIRTIO_MMIO.registers

/** Version 2: three addresses a queue, and QueueReady, which a driver may take back (virtio 1.3 §4.2.2). */
export class ModernQueues implements QueueRegisters {
  readonly #transport: VirtioTransport

  constructor(transport: VirtioTransport) {
    this.#transport = transport
  }

  /** QueueReset reads as zero: a reset is over when the write returns. */
  read(queue: number, offset: number): number {
    return offset === at.QueueReady.offset && this.#transport.queues[queue]?.enabled === true ? 1 : 0
  }

  write(queue: number, offset: number, value: number): void {
    const transport = this.#transport
    const state = transport.queues[queue]
    if (state === undefined) return
    switch (offset) {
      case at.QueueSize.offset:
        transport.setQueueSize(queue, value)
        break
      case at.QueueReady.offset:
        if (value === 0) transport.disableQueue(queue)
        else transport.enableQueue(queue)
        break
      case at.QueueReset.offset:
        if (value === 1 && hasFeature(transport.negotiated, VIRTIO_F_RING_RESET)) transport.resetQueue(queue)
        break
      case at.QueueDescLow.offset:
        state.descLo = value
        break
      case at.QueueDescHigh.offset:
        state.descHi = value
        break
      case at.QueueDriverLow.offset:
        state.driverLo = value
        break
      case at.QueueDriverHigh.offset:
        state.driverHi = value
        break
      case at.QueueDeviceLow.offset:
        state.deviceLo = value
        break
      case at.QueueDeviceHigh.offset:
        state.deviceHi = value
        break
    }
  }

  setPageSize(): void {}
}
