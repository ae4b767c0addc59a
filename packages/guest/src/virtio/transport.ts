import type { FeatureBits } from '@dmascope/virtio-pci/spec'

/** Which virtqueue, as a device offers it. */
export interface OfferedQueue {
  /** Entries. */
  readonly size: number
}

/** Where a driver placed a queue: bus addresses of the device, as unsigned pairs. */
export interface PlacedQueue {
  readonly size: number
  readonly desc: { readonly hi: number; readonly lo: number }
  readonly driver: { readonly hi: number; readonly lo: number }
  readonly device: { readonly hi: number; readonly lo: number }
}

/** No MSI-X vector for this event (virtio 1.3 §4.1.5.1.2). */
export const NO_VECTOR = 0xffff

/** A virtio device as its driver reaches it: over PCI or MMIO, through the modern interface or the legacy one. */
export interface VirtioTransport {
  readonly kind: 'modern' | 'legacy'
  /** Virtio device type, e.g. 2 for a block device. */
  readonly type: number
  /** What to call the feature register in a reason. */
  readonly featureSource: string
  readonly status: number
  setStatus(value: number): void
  /** Writes 0 and waits until it reads so. False where the device does not get there. */
  reset(): boolean
  readFeatures(): FeatureBits
  writeFeatures(features: FeatureBits): void
  /** Why the transport's driver takes no device with these features; null, or left out, where it does. */
  declines?(features: FeatureBits): string | null
  /** Feature bits about this transport that its driver accepts, beside those of rings; none unless given. */
  readonly ownFeatures?: FeatureBits
  /** Device-specific configuration; all ones beyond its end. */
  readConfig(offset: number, width: 1 | 2 | 4): number
  writeConfig(offset: number, width: 1 | 2 | 4, value: number): void
  /** Changes when the configuration does; 0 where the interface has no such register. */
  readonly generation: number
  /** Interrupt status; reading clears it and lowers the pin. */
  readIsr(): number
  /** Assigns an MSI-X vector; answers what the device made of it, NO_VECTOR where it could not. */
  setConfigVector(vector: number): number
  setQueueVector(queue: number, vector: number): number
  /** What the device offers at this index; null where there is no such queue, or it is in use already. */
  offeredQueue(queue: number): OfferedQueue | null
  /** Tells the device where the queue lies. Answers why not, where it cannot be told. */
  placeQueue(queue: number, placed: PlacedQueue): string | null
  /** Turns the queue on, where that is a step of its own. */
  enableQueue(queue: number): void
  /** Takes the queue away again. */
  removeQueue(queue: number): void
  /** Tells the device to look at the queue. */
  notify(queue: number): void
  /** The device will use MSI-X or not: the legacy layout depends on it. */
  setMsix(enabled: boolean): void
  /** Bytes that a queue address may span: 2^bits. */
  readonly queueAddressBits: number
  /** Alignment of the used ring. */
  readonly queueAlign: number
}
