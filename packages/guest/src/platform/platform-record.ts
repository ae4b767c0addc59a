import { platformOwner } from '@dmascope/memory/contracts'
import { DeviceNotes } from '../device-notes.ts'
import type { GuestDevice } from '../result.ts'
import type { PlatformDevice } from './platform-device.ts'

/** Who a device says that it is, by its registers. */
interface Identity {
  readonly vendor: number
  readonly device: number
}

/** What the kernel comes to know of one device on no bus. */
export class PlatformRecord extends DeviceNotes {
  readonly device: PlatformDevice
  readonly id: string
  readonly owner: string
  /** Null until a driver has found that there is a device behind the registers. */
  identity: Identity | null = null

  constructor(device: PlatformDevice) {
    super()
    this.device = device
    this.id = device.id
    this.owner = platformOwner(device.base)
  }

  /** Null where nobody ever found a device there. */
  toResult(): GuestDevice | null {
    const { id, owner, identity, device } = this
    if (identity === null) return null
    return {
      ...this.common(),
      id,
      seenAs: owner,
      ...identity,
      classCode: 0,
      revision: 0,
      firmware: { covered: false, by: null },
      iommuGroup: null,
      domain: 'none',
      why: [{ fact: device.iommu, source: device.source }, ...this.facts],
    }
  }
}
