import type { IommuSubsystem } from './iommu/contract.ts'
import type { PciFunction } from './pci/pci-function.ts'
import type { Fact, GuestDevice } from './result.ts'

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** What the kernel comes to know of one function while it runs: what will be a `GuestDevice`. */
export class DeviceRecord {
  readonly fn: PciFunction
  driver: string | null = null
  /** The driver on the PCI bus, which stays when one of the virtio bus has declined. */
  pciDriver: string | null = null
  dmaPath: GuestDevice['dmaPath'] = null
  virtio: NonNullable<GuestDevice['virtio']> | null = null
  readonly interrupt: Mutable<GuestDevice['interrupt']> = { mode: 'none', remapped: false, delivered: 0, lost: 0 }
  io: GuestDevice['io'] = {
    kind: 'none',
    attempted: false,
    ok: false,
    wrongData: false,
    hung: false,
    detail: 'no driver for it',
  }
  refusal: string | null = null
  deferred = false
  /** The device whose probe holds up this one's. */
  heldBy: string | null = null
  readonly #facts: Fact[] = []

  constructor(fn: PciFunction) {
    this.fn = fn
  }

  /** Adds a step to the reasons. */
  why(fact: string, source: string, bytes?: string): void {
    this.#facts.push(bytes === undefined ? { fact, source } : { fact, source, bytes })
  }

  toResult(iommu: IommuSubsystem): GuestDevice {
    const { fn } = this
    return {
      id: fn.id,
      vendor: fn.vendorId,
      device: fn.deviceId,
      classCode: fn.classCode,
      revision: fn.revision,
      driver: this.driver,
      firmware: iommu.coverage(fn),
      iommuGroup: iommu.group(fn),
      domain: iommu.domainType(fn),
      dmaPath: this.dmaPath,
      ...(this.virtio && { virtio: this.virtio }),
      interrupt: { ...this.interrupt },
      io: this.io,
      refusal: this.refusal,
      ...(this.deferred && { deferred: true }),
      ...(this.heldBy !== null && { heldBy: this.heldBy }),
      why: [...iommu.why(fn), ...this.#facts],
    }
  }
}
