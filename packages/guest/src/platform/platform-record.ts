import { platformOwner } from '@dmascope/memory/contracts'
import { DeviceNotes, type Mutable } from '../device-notes.ts'
import type { PlatformDomain, PlatformMaster } from '../iommu/contract.ts'
import type { GuestDevice } from '../result.ts'
import type { PlatformDevice } from './platform-device.ts'

/** The kernel's IOMMU code, to a device on no bus. */
interface ConfiguresPlatform {
  configurePlatform(device: PlatformMaster): PlatformDomain | null
}

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

  /** What the driver of its IOMMU made of it; null without one. */
  attachment: PlatformDomain | null = null
  #configured = false

  constructor(device: PlatformDevice) {
    super()
    this.device = device
    this.id = device.id
    this.owner = device.owner ?? platformOwner(device.base)
  }

  /**
   * A driver is about to probe it (`of_dma_configure`): firmware may put it behind an IOMMU. Once.
   *
   * @returns why it cannot be probed, where it cannot
   */
  configure({ configurePlatform }: ConfiguresPlatform): string | null {
    const { id, owner } = this
    const { behind } = this.device
    if (behind === null) return null
    if (!this.#configured) this.attachment = configurePlatform({ id, owner, ...behind })
    this.#configured = true
    return this.attachment === null ? `${behind.iommu}, which firmware puts it behind, gives it no domain` : null
  }

  /** Null where nobody ever found a device there. */
  toResult(): GuestDevice | null {
    const { id, owner, identity, device, attachment } = this
    if (identity === null) return null
    const { mode, remapped, delivered, lost } = this.interrupt
    const result: Mutable<GuestDevice> = {
      driver: this.driver,
      dmaPath: this.dmaPath,
      interrupt: { mode, remapped, delivered, lost },
      io: this.io,
      refusal: this.refusal,
      id,
      seenAs: owner,
      vendor: identity.vendor,
      device: identity.device,
      classCode: 0,
      revision: 0,
      firmware: { covered: device.behind !== null, by: device.behind === null ? null : `iommus of ${device.source}` },
      iommuGroup: attachment?.group ?? null,
      domain: attachment?.type ?? 'none',
      why: [{ fact: device.iommu, source: device.source }, ...(attachment?.why() ?? []), ...this.facts],
    }
    this.addRest(result)
    if (device.inbound !== undefined && attachment === null) result.windowsBy = device.inbound.by
    return result
  }
}
