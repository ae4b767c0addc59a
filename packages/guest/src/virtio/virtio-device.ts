import { type FeatureBits, hasFeature, NO_FEATURES } from '@dmascope/virtio-pci/spec'
import type { DeviceNotes } from '../device-notes.ts'
import type { Kernel } from '../kernel.ts'
import type { DmaPath } from './dma-path.ts'
import type { VirtioTransport } from './transport.ts'
import type { VirtioSite } from './virtio-site.ts'
import type { Virtqueue } from './virtqueue.ts'

/** A virtio device that the transport's driver has found, on its way through the kernel. */
export class VirtioDevice {
  readonly kernel: Kernel
  readonly site: VirtioSite
  readonly record: DeviceNotes
  readonly transport: VirtioTransport
  /** As Linux counts them: `virtio0`. */
  readonly name: string
  offered: FeatureBits = NO_FEATURES
  negotiated: FeatureBits = NO_FEATURES
  /** Null until the rule has chosen, after negotiation. */
  dma: DmaPath | null = null
  queues: readonly Virtqueue[] = []
  /** Called on a configuration change interrupt. */
  onConfigChange: (() => void) | null = null

  constructor(kernel: Kernel, site: VirtioSite, record: DeviceNotes, transport: VirtioTransport, index: number) {
    this.kernel = kernel
    this.site = site
    this.record = record
    this.transport = transport
    this.name = `virtio${index}`
  }

  /** Whether this feature was negotiated. */
  has(feature: number): boolean {
    return hasFeature(this.negotiated, feature)
  }

  log(line: string): void {
    this.kernel.log(`${this.name} ${this.record.id}: ${line}`)
  }

  addStatus(bits: number): void {
    this.transport.setStatus(this.transport.status | bits)
  }

  /** Reads the status register once more, for the report. */
  noteStatus(): number {
    const status = this.transport.status
    const { virtio } = this.record
    if (virtio !== null) this.record.virtio = { ...virtio, status }
    return status
  }

  /** A configuration field of 8 bytes as a Number; what is above 2^53 is cut off there. */
  readConfig64(offset: number): number {
    const lo = this.transport.readConfig(offset, 4)
    const hi = this.transport.readConfig(offset + 4, 4)
    return Math.min(hi * 0x1_0000_0000 + lo, Number.MAX_SAFE_INTEGER)
  }
}
