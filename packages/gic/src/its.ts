import { nextValue, nextValueHigh, type Register } from '@dmascope/layout'
import type { AddressSpace, MmioHandler } from '@dmascope/memory'
import { type ItsState, runItsCommand } from './its-commands.ts'
import { EVENT_ENTRY_BYTES, ItsTables, TABLE_ENTRY_BYTES } from './its-tables.ts'
import { LPI_ID_BITS, type LpiTable } from './lpi-table.ts'
import { GIC_PIDR2_OFFSET } from './spec/distributor.ts'
import {
  GITS,
  GITS_BASER,
  GITS_BASER_COUNT,
  GITS_BASER_TYPE,
  GITS_CBASER,
  GITS_CREADR,
  GITS_CTLR,
  GITS_CWRITER,
  GITS_FRAME,
  GITS_SIZE,
  GITS_TYPER,
  ITS_COMMAND,
} from './spec/its.ts'

const AT = GITS.registers
const IIDR = 0x43b
const PIDR2 = 0x3b
const WORDS = 0x200 / 4
/** Width of device, event and collection IDs. */
const ITS_ID_BITS = 16
const { Enabled, Quiescent } = GITS_CTLR.fields

/** What became of a message that reached the ITS. */
export type ItsDelivery =
  | 'delivered'
  | 'disabled'
  | 'unmapped-device'
  | 'unmapped-event'
  | 'unmapped-collection'
  | 'no-lpi'

/**
 * An Interrupt Translation Service. Devices write an event's number to its doorbell; it finds the LPI in tables that
 * software has it fill by commands, which it reads from memory.
 */
export class Its implements MmioHandler {
  /** Bytes of both frames. */
  static readonly size = GITS_SIZE
  readonly #memory: AddressSpace
  readonly #words = new Uint32Array(WORDS)
  readonly #places = new Array<{ readonly register: Register; readonly high: boolean } | undefined>(WORDS)
  readonly #state: ItsState
  readonly #command = new Uint8Array(ITS_COMMAND.size)

  /**
   * @param memory - what physical addresses lead to
   * @param lpis - of each processor, by its number
   */
  constructor(memory: AddressSpace, lpis: readonly (LpiTable | null)[]) {
    this.#memory = memory
    for (const register of Object.values(AT)) {
      this.#places[register.offset >>> 2] = { register, high: false }
      if (register.width === 64) this.#places[(register.offset >>> 2) + 1] = { register, high: true }
    }
    this.#words[AT.CTLR.offset >>> 2] = Quiescent.loMask
    this.#words[AT.IIDR.offset >>> 2] = IIDR
    this.#set64(AT.TYPER.offset, typer())
    const { Type, Entry_Size } = GITS_BASER.fields
    const table = (type: number): readonly [number, number] => [
      0,
      Entry_Size.setHi(Type.setHi(0, type), TABLE_ENTRY_BYTES - 1),
    ]
    this.#set64(AT.BASER0.offset, table(GITS_BASER_TYPE.devices))
    this.#set64(AT.BASER1.offset, table(GITS_BASER_TYPE.collections))
    this.#state = { tables: new ItsTables(memory), lpis, base: (type) => this.#baseOf(type) }
  }

  #set64(offset: number, [lo, hi]: readonly [lo: number, hi: number]): void {
    this.#words[offset >>> 2] = lo
    this.#words[(offset >>> 2) + 1] = hi
  }

  #get64(offset: number): readonly [lo: number, hi: number] {
    return [this.#words[offset >>> 2]!, this.#words[(offset >>> 2) + 1]!]
  }

  #baseOf(type: number): readonly [lo: number, hi: number] {
    for (let index = 0; index < GITS_BASER_COUNT; index++) {
      const pair = this.#get64(AT.BASER0.offset + index * 8)
      if (GITS_BASER.fields.Type.get(...pair) === type) return pair
    }
    return [0, 0]
  }

  get #isEnabled(): boolean {
    return Enabled.get(this.#words[AT.CTLR.offset >>> 2]!) === 1
  }

  read(offset: number, width: 1 | 2 | 4): number {
    if (offset === GIC_PIDR2_OFFSET) return PIDR2
    if (width !== 4 || offset >= WORDS * 4) return 0
    return this.#words[offset >>> 2]!
  }

  write(offset: number, width: 1 | 2 | 4, value: number): void {
    // The doorbell is for devices: a write of the processor's comes with no device's ID.
    if (width !== 4 || offset >= GITS_FRAME || offset >= WORDS * 4) return
    const index = offset >>> 2
    const place = this.#places[index]
    if (place === undefined) return
    const { register, high } = place
    const isTable = register.offset >= AT.BASER0.offset
    if (isTable && (this.#isEnabled || this.#typeOf(register) === GITS_BASER_TYPE.none)) return
    if (register === AT.CBASER && this.#isEnabled) return
    const old = this.#words[index]!
    const rule = high ? nextValueHigh : nextValue
    this.#words[index] = rule(register, old, value)
    if (register === AT.CTLR) this.#words[index] = Enabled.get(value) === 1 ? Enabled.loMask : Quiescent.loMask
    else if (register === AT.CBASER) this.#set64(AT.CREADR.offset, [0, 0])
    if (register === AT.CTLR || register === AT.CWRITER) this.#runQueue()
  }

  #typeOf({ offset }: Register): number {
    return GITS_BASER.fields.Type.get(...this.#get64(offset))
  }

  /** Works commands off at once, around the queue at most one time. A queue that is not in memory stalls. */
  #runQueue(): void {
    const { Valid, Size, Physical_Address } = GITS_CBASER.fields
    const base = this.#get64(AT.CBASER.offset)
    if (!this.#isEnabled || Valid.get(...base) === 0) return
    const bytes = (Size.get(...base) + 1) * 0x1000
    const start = Physical_Address.get(...base)
    const end = GITS_CWRITER.fields.Offset.get(...this.#get64(AT.CWRITER.offset))
    if (end >= bytes) return
    for (let left = bytes / ITS_COMMAND.size; left > 0; left--) {
      const at = GITS_CREADR.fields.Offset.get(...this.#get64(AT.CREADR.offset))
      if (at === end) return
      if (!this.#memory.isRam(start + at, ITS_COMMAND.size)) {
        this.#words[AT.CREADR.offset >>> 2]! |= GITS_CREADR.fields.Stalled.loMask
        return
      }
      this.#memory.readBytes(start + at, this.#command)
      runItsCommand(this.#state, new DataView(this.#command.buffer))
      this.#set64(AT.CREADR.offset, [(at + ITS_COMMAND.size) % bytes, 0])
    }
  }

  /** A device wrote this event to the doorbell. */
  translate(deviceId: number, eventId: number): ItsDelivery {
    if (!this.#isEnabled) return 'disabled'
    const { tables, lpis, base } = this.#state
    const device = tables.readDevice(...base(GITS_BASER_TYPE.devices), deviceId)
    if (device === null) return 'unmapped-device'
    const event = tables.readEvent(device, eventId)
    if (event === null) return 'unmapped-event'
    const processor = tables.readCollection(...base(GITS_BASER_TYPE.collections), event.collection)
    if (processor === null) return 'unmapped-collection'
    return lpis[processor]?.raise(event.intid) === true ? 'delivered' : 'no-lpi'
  }
}

function typer(): readonly [lo: number, hi: number] {
  const { CIL, CIDbits, Devbits, ID_bits, ITT_entry_size, Physical } = GITS_TYPER.fields
  let lo = Physical.loMask
  lo = ITT_entry_size.setLo(lo, EVENT_ENTRY_BYTES - 1)
  lo = ID_bits.setLo(lo, LPI_ID_BITS - 1)
  lo = Devbits.setLo(lo, ITS_ID_BITS - 1)
  return [lo, CIDbits.setHi(CIL.hiMask, ITS_ID_BITS - 1)]
}
