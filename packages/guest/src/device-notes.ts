import type { Fact, GuestDevice } from './result.ts'

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** What the kernel comes to know of one device while it runs, whatever that is on. */
export abstract class DeviceNotes {
  /** As Linux names it. */
  abstract readonly id: string
  /** As the witness knows it. */
  abstract readonly owner: string
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

  /** Adds a step to the reasons. */
  why(fact: string, source: string, bytes?: string): void {
    this.#facts.push(bytes === undefined ? { fact, source } : { fact, source, bytes })
  }

  protected get facts(): readonly Fact[] {
    return this.#facts
  }

  /** What of the result does not depend on what the device is on. */
  protected common(): Omit<
    GuestDevice,
    'id' | 'vendor' | 'device' | 'classCode' | 'revision' | 'firmware' | 'iommuGroup' | 'domain' | 'why'
  > {
    return {
      driver: this.driver,
      dmaPath: this.dmaPath,
      ...(this.virtio && { virtio: this.virtio }),
      interrupt: { ...this.interrupt },
      io: this.io,
      refusal: this.refusal,
      ...(this.deferred && { deferred: true }),
      ...(this.heldBy !== null && { heldBy: this.heldBy }),
    }
  }
}
