import type { FeatureBits, VirtioDevice, VirtioHost } from '@dmascope/virtio-pci'
import type { DeviceQueue } from '@dmascope/virtqueue/device'

/** A device with two queues that writes back, in upper case, what it reads; and tells what was asked of it. */
export class EchoDevice implements VirtioDevice {
  readonly type: number
  readonly kind = 'virtio-echo'
  readonly queueSizes = [256, 64]
  readonly features: FeatureBits = { lo: 0b110_0000, hi: 0 }
  readonly legacyFeatures: FeatureBits = { lo: 0b100_0000, hi: 0 }
  readonly config
  readonly bytes: Uint8Array
  host: VirtioHost | null = null
  queues: readonly (DeviceQueue | null)[] = []
  negotiated: FeatureBits | null = null
  activations = 0
  resets = 0
  notified: number[] = []

  constructor(type = 2, configSize = 60) {
    this.type = type
    this.bytes = Uint8Array.from({ length: configSize }, (_, index) => index)
    const view = new DataView(this.bytes.buffer)
    this.config = {
      size: configSize,
      read: (offset: number, width: 1 | 2 | 4): number =>
        width === 4 ? view.getUint32(offset, true) : width === 2 ? view.getUint16(offset, true) : view.getUint8(offset),
      write: (offset: number, width: 1 | 2 | 4, value: number): void => {
        for (let byte = 0; byte < width; byte++) view.setUint8(offset + byte, (value >>> (8 * byte)) & 0xff)
      },
    }
  }

  activate(queues: readonly (DeviceQueue | null)[], negotiated: FeatureBits, host: VirtioHost): void {
    this.queues = queues
    this.negotiated = negotiated
    this.host = host
    this.activations++
  }

  notify(queue: number): void {
    this.notified.push(queue)
  }

  work(budget: number): 'idle' | 'more' | 'waiting' {
    for (const index of this.notified.splice(0)) {
      const queue = this.queues[index]
      for (let left = budget; queue && left > 0 && queue.next(); left--) {
        const bytes = new Uint8Array(Math.min(queue.readableBytes, queue.writableBytes, 4096))
        queue.read(0, bytes)
        const upper = new TextEncoder().encode(new TextDecoder().decode(bytes).toUpperCase())
        queue.write(0, upper)
        queue.complete(upper.length)
      }
      if (queue?.shouldInterrupt()) this.host?.interrupt(index)
    }
    return 'idle'
  }

  reset(): void {
    this.resets++
    this.host = null
    this.queues = []
    this.negotiated = null
    this.notified = []
  }
}
