import type { AllocatedMessages, MessageDomain } from '../interrupts/message-domain.ts'
import type { PinInterrupts } from '../interrupts/pin-interrupts.ts'
import type { InterruptHandler } from '../interrupts/vectors.ts'
import type { PciFunction } from '../pci/pci-function.ts'

/**
 * Who has which interrupts, so that those of a driver that lets go of its device can be taken back: messages are
 * released, and handlers on pins, which devices share, are asked no more.
 */
export class TrackedInterrupts {
  readonly messages: MessageDomain
  readonly pins: PinInterrupts
  readonly #allocated = new Map<PciFunction, Set<AllocatedMessages>>()
  readonly #connected = new Map<PciFunction, { live: boolean }[]>()

  constructor(messages: MessageDomain, pins: PinInterrupts) {
    this.messages = {
      allocate: (fn, count, kind) => {
        const allocated = messages.allocate(fn, count, kind)
        if (typeof allocated !== 'string') this.#of(fn).add(allocated)
        return allocated
      },
      release: (fn, allocated) => {
        this.#of(fn).delete(allocated)
        messages.release(fn, allocated)
      },
      ...(messages.isolates && { isolates: (fn) => messages.isolates!(fn) }),
    }
    this.pins = { connect: (fn, handler) => pins.connect(fn, this.#tracked(fn, handler)) }
  }

  #of(fn: PciFunction): Set<AllocatedMessages> {
    const known = this.#allocated.get(fn) ?? new Set()
    this.#allocated.set(fn, known)
    return known
  }

  #tracked(fn: PciFunction, handler: InterruptHandler): InterruptHandler {
    const connection = { live: true }
    this.#connected.set(fn, [...(this.#connected.get(fn) ?? []), connection])
    return () => connection.live && handler()
  }

  /** Takes back all that the function has. Its registers are left to the caller. */
  releaseAll(fn: PciFunction): void {
    for (const allocated of [...this.#of(fn)]) this.messages.release(fn, allocated)
    for (const connection of this.#connected.get(fn) ?? []) connection.live = false
    this.#connected.delete(fn)
  }
}
