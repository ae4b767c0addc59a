import type { Fact, GuestDevice } from './result.ts'

export type Mutable<T> = { -readonly [K in keyof T]: T[K] }

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

  /**
   * Adds what of the result only some devices have. Field after field: spreads of what may be there would make a hidden
   * class of each result.
   */
  protected addRest(result: Mutable<GuestDevice>): void {
    if (this.virtio !== null) result.virtio = this.virtio
    if (this.deferred) result.deferred = true
    if (this.heldBy !== null) result.heldBy = this.heldBy
  }
}
