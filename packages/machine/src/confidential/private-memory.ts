import type { GuestRam } from '@dmascope/memory'
import type { DeviceMemory } from '../fabric/device-memory.ts'
import type { DeviceLedger } from '../fabric/ledger.ts'
import { passThroughCipher } from './memory-cipher.ts'
import { PageStates, pageOf } from './page-states.ts'

const PAGE = 4096

/** How a guest's memory is kept from others, and since when. */
export interface Privacy {
  /**
   * `cipher`: private pages are in memory enciphered, with a key that only the guest's own accesses have. `withheld`: they
   * lie where nobody else gets; what devices read of them is enciphered, what they write is lost, and a page that is
   * opened, or closed, is an empty one. `exported`: they are in memory as they are, and kept from others, who get an
   * enciphered copy; what these write is lost, and a page that is opened is as it was.
   *
   * DEVIATION: on s390x a page that others have written to cannot be read back, and its guest ends once it comes to it.
   */
  readonly kind: 'cipher' | 'withheld' | 'exported'
  /** From the kernel's start on, or once the guest asks for it. */
  readonly from: 'kernel' | 'request'
}

/**
 * The memory of a confidential guest: all of it private but the pages that the guest opens. Until the guest is started
 * devices reach all of it.
 *
 * DEVIATION: what runs before the kernel is not taken to be confidential. Real firmware of such guests opens the pages
 * that it has devices use, as the kernel does.
 */
export class PrivateMemory {
  readonly #ram: GuestRam
  readonly #privacy: Privacy
  readonly #states = new PageStates()
  readonly #page = new Uint8Array(PAGE)
  #started = false

  constructor(ram: GuestRam, privacy: Privacy) {
    this.#ram = ram
    this.#privacy = privacy
  }

  /** What runs from now on is the guest's kernel. */
  endFirmware(): void {
    if (this.#privacy.from === 'kernel') this.start()
  }

  /** From now on all memory is private. */
  start(): void {
    this.#started = true
    this.#states.clear()
  }

  get started(): boolean {
    return this.#started
  }

  /** Opens or closes a page, by its number. False where that is no RAM. */
  setOpen(page: number, open: boolean): boolean {
    const address = page * PAGE
    if (!Number.isSafeInteger(page) || page < 0 || !this.#ram.covers(address, PAGE)) return false
    if (!this.#states.set(page, open)) return true
    if (this.#privacy.kind === 'withheld') this.#ram.clear(address, PAGE)
    else if (this.#privacy.kind === 'cipher') this.#recode(address)
    return true
  }

  /** What the guest reads of a page is from now on read with the key, or without: the bytes in memory stay. */
  #recode(address: number): void {
    // What nobody ever wrote is not backed, and what a guest finds there means nothing to it either way.
    if (!this.#ram.isBacked(address)) return
    this.#ram.readBytes(address, this.#page)
    passThroughCipher(address, this.#page)
    this.#ram.writeBytes(address, this.#page)
  }

  /** The way of a device, in whose books stands what it touched of private pages. */
  ofDevice(ledger: DeviceLedger): DeviceMemory {
    const note = (address: number, length: number): void => {
      if (this.isOpen(address, length)) return
      ledger.closed[ledger.phase]++
      ledger.closedAs = this.#privacy.kind === 'cipher' ? 'enciphered' : 'lost'
    }
    return {
      isOpen: (address, length) => this.isOpen(address, length),
      readBytes: (address, into) => {
        note(address, into.length)
        return this.readBytes(address, into)
      },
      writeBytes: (address, from) => {
        note(address, from.length)
        return this.writeBytes(address, from)
      },
    }
  }

  isOpen(address: number, length: number): boolean {
    return !this.#started || this.#states.covers(address, length)
  }

  readBytes(address: number, into: Uint8Array): number {
    const done = this.#ram.readBytes(address, into)
    if (this.#started)
      this.#eachPrivate(address, done, (at, from, to) => passThroughCipher(at, into.subarray(from, to)))
    return done
  }

  writeBytes(address: number, from: Uint8Array): number {
    if (this.isOpen(address, from.length)) return this.#ram.writeBytes(address, from)
    const landing = from.slice()
    this.#eachPrivate(address, landing.length, (at, start, end) => {
      const part = landing.subarray(start, end)
      if (this.#privacy.kind === 'cipher') passThroughCipher(at, part)
      else this.#ram.readBytes(at, part)
    })
    return this.#ram.writeBytes(address, landing)
  }

  /** Each run within one private page: its address, and where in the access it begins and ends. */
  #eachPrivate(address: number, length: number, tell: (at: number, from: number, to: number) => void): void {
    for (let done = 0; done < length; ) {
      const at = address + done
      const run = Math.min(length - done, PAGE - (at % PAGE))
      if (!this.#states.isOpen(pageOf(at))) tell(at, done, done + run)
      done += run
    }
  }
}
