import { addr, bits, bytes, le64, struct } from '@dmascope/layout'
import type { AddressSpace } from '@dmascope/memory'
import { GITS_BASER } from './spec/its.ts'

/** The architecture leaves the form of these tables to the ITS; software gives it memory for them, and looks no further. */
const OURS = "this ITS's own"

const DEVICE = bits(64, 'device table entry', OURS, { ITT_addr: addr(51, 8), Size: [5, 1], Valid: 0 })
const COLLECTION = bits(64, 'collection table entry', OURS, { Processor_Number: [16, 1], Valid: 0 })
const EVENT = bits(64, 'interrupt translation table entry', OURS, { ICID: [48, 33], pINTID: [32, 1], Valid: 0 })
const EVENT_ENTRY = struct('interrupt translation table entry', OURS, { Entry: le64, Reserved: bytes(4) })
/** First-level entry of an indirect table (IHI 0069 §12.19). */
const LEVEL_1 = bits(64, 'level 1 table entry', 'IHI 0069 §12.19', { Valid: 63, Physical_Address: addr(51, 12) })

/** Bytes of an entry of the tables that GITS_BASER names, and of a device's own. */
export const TABLE_ENTRY_BYTES = 8
export const EVENT_ENTRY_BYTES = EVENT_ENTRY.size

const PAGE_SIZES = [0x1000, 0x4000, 0x1_0000, 0x1_0000] as const

export interface DeviceEntry {
  readonly tableAddress: number
  readonly eventBits: number
}

export interface EventEntry {
  readonly intid: number
  readonly collection: number
}

/** The tables that the ITS keeps in memory. Reads answer null where nothing valid stands; writes, false. */
export class ItsTables {
  readonly #memory: AddressSpace
  readonly #word = new Uint8Array(TABLE_ENTRY_BYTES)
  readonly #view = new DataView(this.#word.buffer)
  #lo = 0
  #hi = 0

  constructor(memory: AddressSpace) {
    this.#memory = memory
  }

  #load(address: number): boolean {
    if (address < 0 || !this.#memory.isRam(address, TABLE_ENTRY_BYTES)) return false
    this.#memory.readBytes(address, this.#word)
    this.#lo = this.#view.getUint32(0, true)
    this.#hi = this.#view.getUint32(4, true)
    return true
  }

  #store(address: number, lo: number, hi: number): boolean {
    if (address < 0 || !this.#memory.isRam(address, TABLE_ENTRY_BYTES)) return false
    this.#view.setUint32(0, lo, true)
    this.#view.setUint32(4, hi, true)
    this.#memory.writeBytes(address, this.#word)
    return true
  }

  /** Where entry `index` of the table that a GITS_BASER names lies; -1 where it has no such entry. */
  #entryAddress(lo: number, hi: number, index: number): number {
    const { Valid, Indirect, Page_Size, Size, Physical_Address } = GITS_BASER.fields
    if (Valid.get(lo, hi) === 0) return -1
    const page = PAGE_SIZES[Page_Size.get(lo)]!
    const base = Math.floor(Physical_Address.get(lo, hi) / page) * page
    const bytes = (Size.get(lo) + 1) * page
    if (Indirect.get(lo, hi) === 0) {
      return index * TABLE_ENTRY_BYTES < bytes ? base + index * TABLE_ENTRY_BYTES : -1
    }
    const inPage = page / TABLE_ENTRY_BYTES
    const outer = Math.floor(index / inPage)
    if (outer * TABLE_ENTRY_BYTES >= bytes || !this.#load(base + outer * TABLE_ENTRY_BYTES)) return -1
    if (LEVEL_1.fields.Valid.get(this.#lo, this.#hi) === 0) return -1
    const second = Math.floor(LEVEL_1.fields.Physical_Address.get(this.#lo, this.#hi) / page) * page
    return second + (index % inPage) * TABLE_ENTRY_BYTES
  }

  readDevice(lo: number, hi: number, id: number): DeviceEntry | null {
    if (!this.#load(this.#entryAddress(lo, hi, id))) return null
    const { Valid, Size, ITT_addr } = DEVICE.fields
    if (Valid.get(this.#lo) === 0) return null
    return { tableAddress: ITT_addr.get(this.#lo, this.#hi), eventBits: Size.get(this.#lo) + 1 }
  }

  /** @param entry - null takes the device away */
  writeDevice(lo: number, hi: number, id: number, entry: DeviceEntry | null): boolean {
    const { Valid, Size, ITT_addr } = DEVICE.fields
    const address = this.#entryAddress(lo, hi, id)
    if (entry === null) return this.#store(address, 0, 0)
    const low = Size.setLo(Valid.loMask, entry.eventBits - 1)
    return this.#store(address, ITT_addr.setLo(low, entry.tableAddress), ITT_addr.setHi(0, entry.tableAddress))
  }

  /** Number of the processor that a collection goes to. */
  readCollection(lo: number, hi: number, id: number): number | null {
    if (!this.#load(this.#entryAddress(lo, hi, id))) return null
    const { Valid, Processor_Number } = COLLECTION.fields
    return Valid.get(this.#lo) === 0 ? null : Processor_Number.get(this.#lo)
  }

  writeCollection(lo: number, hi: number, id: number, processor: number | null): boolean {
    const { Valid, Processor_Number } = COLLECTION.fields
    const low = processor === null ? 0 : Processor_Number.setLo(Valid.loMask, processor)
    return this.#store(this.#entryAddress(lo, hi, id), low, 0)
  }

  readEvent(device: DeviceEntry, event: number): EventEntry | null {
    if (event >= 2 ** device.eventBits) return null
    if (!this.#load(device.tableAddress + event * EVENT_ENTRY_BYTES)) return null
    const { Valid, pINTID, ICID } = EVENT.fields
    if (Valid.get(this.#lo, this.#hi) === 0) return null
    return { intid: pINTID.get(this.#lo, this.#hi), collection: ICID.get(this.#lo, this.#hi) }
  }

  writeEvent(device: DeviceEntry, event: number, entry: EventEntry | null): boolean {
    if (event >= 2 ** device.eventBits) return false
    const address = device.tableAddress + event * EVENT_ENTRY_BYTES
    if (entry === null) return this.#store(address, 0, 0)
    const { Valid, pINTID, ICID } = EVENT.fields
    const lo = pINTID.setLo(Valid.loMask, entry.intid)
    return this.#store(address, lo, ICID.setHi(pINTID.setHi(0, entry.intid), entry.collection))
  }
}
