import { createFlatPort, PackedDeviceQueue } from '@dmascope/virtqueue/device'
import { DESC } from './ring-bench.ts'

/** Where a packed queue's event suppression structures lie; its descriptors lie at `DESC`. */
export const DRIVER_EVENT = 0x2000
export const DEVICE_EVENT = 0x3000
export const AVAIL = 0x80
export const USED = 0x8000

/** A packed queue in 64 KiB of memory at fixed places, written by hand as a driver would, or would not. */
export class PackedBench {
  readonly memory = new Uint8Array(0x1_0000)
  readonly view = new DataView(this.memory.buffer)
  readonly size: number

  constructor(size = 8) {
    this.size = size
  }

  queue(
    features: { indirect?: boolean; eventIndex?: boolean } = {},
    port = createFlatPort(this.memory),
  ): PackedDeviceQueue {
    return new PackedDeviceQueue(
      port,
      {
        size: this.size,
        descHi: 0,
        descLo: DESC,
        driverHi: 0,
        driverLo: DRIVER_EVENT,
        deviceHi: 0,
        deviceLo: DEVICE_EVENT,
      },
      { indirect: features.indirect ?? false, eventIndex: features.eventIndex ?? false },
    )
  }

  /** One descriptor, at `table` + `index` * 16. */
  desc(index: number, address: number, length: number, flags = 0, id = 0, table = DESC, hi = 0): void {
    const at = table + index * 16
    this.view.setUint32(at, address, true)
    this.view.setUint32(at + 4, hi, true)
    this.view.setUint32(at + 8, length, true)
    this.view.setUint16(at + 12, id, true)
    this.view.setUint16(at + 14, flags, true)
  }

  /** A descriptor as the device left it. */
  entry(index: number): { id: number; len: number; flags: number } {
    const at = DESC + index * 16
    return {
      id: this.view.getUint16(at + 12, true),
      len: this.view.getUint32(at + 8, true),
      flags: this.view.getUint16(at + 14, true),
    }
  }

  event(at: number): [desc: number, flags: number] {
    return [this.view.getUint16(at, true), this.view.getUint16(at + 2, true)]
  }

  setEvent(at: number, desc: number, flags: number): void {
    this.view.setUint16(at, desc, true)
    this.view.setUint16(at + 2, flags, true)
  }
}
