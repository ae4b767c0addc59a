import type { PageAllocator } from '@dmascope/dma'
import {
  FIRST_LPI,
  GIC_PIDR2,
  GIC_PIDR2_OFFSET,
  GICR,
  GICR_CTLR,
  GITS,
  GITS_BASER,
  GITS_BASER_COUNT,
  GITS_BASER_TYPE,
  GITS_CBASER,
  GITS_CREADR,
  GITS_CTLR,
  GITS_TRANSLATER_OFFSET,
  GITS_TYPER,
  ITS_COMMAND,
  LPI_PROPERTY,
} from '@dmascope/gic/spec'
import { highWord, lowWord } from '@dmascope/layout'
import type { CpuBus } from '@dmascope/memory/contracts'
import { allocateAligned } from '../early/aligned-pages.ts'
import { DEFAULT_PRIORITY } from './gic.ts'
import type { GicV3Driver } from './gic-v3.ts'
import { discard, invalidate, invalidateAll, mapCollection, mapDevice, mapInterrupt, sync } from './its-commands.ts'
import type { ControllerMessages, MessageController } from './message-controller.ts'

const AT = GITS.registers
const RD = GICR.registers
const PAGE = 4096
const TABLE_PAGE = 0x1_0000
const QUEUE_BYTES = 0x1_0000
/** Linux uses no wider numbers for LPIs. */
const MOST_ID_BITS = 16
const INNER_SHAREABLE = 1
const WRITE_BACK = 7
const PATIENCE = 1000
/** Events of a device: what it asks for and no fewer than this, so that devices with one ID can share. */
const LEAST_EVENTS = 32
/** Bytes that the architecture asks an interrupt translation table to be aligned to. */
const ITT_ALIGNMENT = 256

/** A device that the ITS knows. */
interface ItsDevice {
  readonly id: number
  /** By event; null where the event is free. */
  readonly events: (number | null)[]
}

/** The kernel's ITS driver: one ITS, one processor. */
export class ItsDriver implements MessageController {
  readonly isolates = true
  readonly name: string
  readonly #bus: CpuBus
  readonly #pages: PageAllocator
  readonly #base: number
  readonly #log: (line: string) => void
  /** Configuration of LPIs, a byte each. */
  readonly #properties: number
  readonly #queue: number
  readonly #typer: readonly [lo: number, hi: number]
  /** What collections are mapped to. */
  readonly #target: number
  readonly #lpiEnd: number
  readonly #devices = new Map<number, ItsDevice>()
  readonly #freed: number[] = []
  /** First-level device table, where it has two levels; 0 for a flat one. */
  #deviceTable: { readonly base: number; readonly indirect: boolean; readonly entryBytes: number } | null = null
  readonly #secondLevel = new Set<number>()
  #nextLpi = FIRST_LPI
  #tail = 0
  #dead = false

  private constructor(
    bus: CpuBus,
    pages: PageAllocator,
    base: number,
    gic: GicV3Driver,
    memory: { readonly properties: number; readonly queue: number },
    log: (line: string) => void,
  ) {
    this.name = `ITS@0x${base.toString(16)}`
    this.#bus = bus
    this.#pages = pages
    this.#base = base
    this.#log = log
    this.#properties = memory.properties
    this.#queue = memory.queue
    this.#typer = [this.#read(AT.TYPER.offset), this.#read(AT.TYPER.offset + 4)]
    this.#lpiEnd = 2 ** Math.min(gic.idBits, MOST_ID_BITS)
    // Redistributors by number: the first processor's is 0. By address, in units of 64 KiB.
    this.#target = GITS_TYPER.fields.PTA.get(...this.#typer) === 1 ? gic.redistributor / 0x1_0000 : 0
  }

  /** Brings LPIs and the ITS up, in Linux's order. A text is why it cannot be. */
  static start(
    bus: CpuBus,
    pages: PageAllocator,
    base: number,
    gic: GicV3Driver,
    log: (line: string) => void,
  ): ItsDriver | string {
    const name = `ITS@0x${base.toString(16)}`
    const revision = GIC_PIDR2.fields.ArchRev.get(bus.read32(base + GIC_PIDR2_OFFSET))
    if (revision !== 3 && revision !== 4) return `${name}: no ITS detected, giving up`
    if (!gic.hasLpis) return `${name}: the redistributor has no LPIs`
    const properties = allocateAligned(pages, 16)
    const pending = allocateAligned(pages, 16)
    const queue = allocateAligned(pages, QUEUE_BYTES / PAGE)
    if (properties === null || pending === null || queue === null) return `${name}: no memory`
    const its = new ItsDriver(bus, pages, base, gic, { properties, queue }, log)
    return its.#start(gic, pending) ?? its
  }

  #start(gic: GicV3Driver, pending: number): string | null {
    const bus = this.#bus
    // its_probe_one: off, and quiescent
    this.#write(AT.CTLR.offset, 0)
    if (GITS_CTLR.fields.Quiescent.get(this.#read(AT.CTLR.offset)) === 0) return `${this.name}: does not come to rest`
    const failed = this.#allocateTables()
    if (failed !== null) return failed
    // The command queue
    const { Valid, InnerCache, Shareability, Physical_Address, Size } = GITS_CBASER.fields
    const lo = Size.setLo(
      Shareability.setLo(Physical_Address.setLo(0, this.#queue), INNER_SHAREABLE),
      QUEUE_BYTES / PAGE - 1,
    )
    this.#write64(
      AT.CBASER.offset,
      lo,
      InnerCache.setHi(Physical_Address.setHi(0, this.#queue), WRITE_BACK) | Valid.hiMask,
    )
    this.#write64(AT.CWRITER.offset, 0, 0)
    this.#write(AT.CTLR.offset, GITS_CTLR.fields.Enabled.loMask)
    // its_cpu_init_lpis
    const group1 = 2
    const initial = new Uint8Array(PAGE).fill((DEFAULT_PRIORITY & LPI_PROPERTY.fields.Priority.loMask) | group1)
    for (let page = 0; page < 16; page++) bus.writeBytes(this.#properties + page * PAGE, initial)
    const idBits = Math.min(gic.idBits, MOST_ID_BITS)
    const redistributor = gic.redistributor
    bus.write32(redistributor + RD.PROPBASER.offset, lowWord(this.#properties) | 0x480 | (idBits - 1))
    bus.write32(redistributor + RD.PROPBASER.offset + 4, highWord(this.#properties))
    bus.write32(redistributor + RD.PENDBASER.offset, lowWord(pending) | 0x480)
    bus.write32(redistributor + RD.PENDBASER.offset + 4, highWord(pending) | 0x4000_0000)
    bus.write32(redistributor + RD.CTLR.offset, GICR_CTLR.fields.EnableLPIs.loMask)
    this.#log(`GICv3: CPU0: using allocated LPI pending table @0x${pending.toString(16)}`)
    // its_cpu_init_collection
    this.#send(mapCollection(this.#target), sync(this.#target), invalidateAll(), sync(this.#target))
    return this.#dead ? `${this.name}: does not take commands` : null
  }

  /** Gives the ITS memory for each table that it asks for; in two levels where it can, and one would not do. */
  #allocateTables(): string | null {
    const { Type, Entry_Size, Valid, Indirect, Page_Size, Shareability, InnerCache, Physical_Address, Size } =
      GITS_BASER.fields
    for (let index = 0; index < GITS_BASER_COUNT; index++) {
      const offset = AT.BASER0.offset + index * 8
      const old: readonly [number, number] = [this.#read(offset), this.#read(offset + 4)]
      const type = Type.get(...old)
      if (type !== GITS_BASER_TYPE.devices && type !== GITS_BASER_TYPE.collections) continue
      const entryBytes = Entry_Size.get(...old) + 1
      const flat = 2 ** (GITS_TYPER.fields.Devbits.get(...this.#typer) + 1) * entryBytes
      this.#write64(offset, old[0], (old[1] | Indirect.hiMask) >>> 0)
      const canIndirect = Indirect.get(this.#read(offset), this.#read(offset + 4)) === 1
      const indirect = type === GITS_BASER_TYPE.devices && canIndirect && flat > TABLE_PAGE * 2
      const tablePages = type === GITS_BASER_TYPE.devices && !indirect ? Math.ceil(flat / TABLE_PAGE) : 1
      const table = allocateAligned(this.#pages, 2 ** Math.ceil(Math.log2((tablePages * TABLE_PAGE) / PAGE)))
      if (table === null || tablePages > 256) return `${this.name}: no memory for its tables`
      let lo = Physical_Address.setLo(0, table)
      lo = Size.setLo(Page_Size.setLo(Shareability.setLo(lo, INNER_SHAREABLE), 2), tablePages - 1)
      let hi = InnerCache.setHi(Physical_Address.setHi(0, table), WRITE_BACK)
      hi = (hi | Valid.hiMask | (indirect ? Indirect.hiMask : 0)) >>> 0
      this.#write64(offset, lo, hi)
      const kind = type === GITS_BASER_TYPE.devices ? 'Devices' : 'Interrupt Collections'
      if (Valid.get(this.#read(offset), this.#read(offset + 4)) === 0) return `${this.name}: takes no table of ${kind}`
      const shape = indirect ? 'indirect' : 'flat'
      this.#log(`${this.name}: allocated ${kind} @0x${table.toString(16)} (${shape}, esz ${entryBytes}, psz 64K)`)
      if (type === GITS_BASER_TYPE.devices) this.#deviceTable = { base: table, indirect, entryBytes }
    }
    return this.#deviceTable === null ? `${this.name}: asks for no device table` : null
  }

  allocate(deviceId: number, count: number): ControllerMessages | string {
    const device = this.#devices.get(deviceId) ?? this.#createDevice(deviceId, count)
    if (typeof device === 'string') return device
    const events: number[] = []
    for (const [event, intid] of device.events.entries())
      if (intid === null && events.length < count) events.push(event)
    if (events.length < count) return `${this.name}: device 0x${deviceId.toString(16)} has no event left`
    const intids: number[] = []
    for (const event of events) {
      const intid = this.#freed.pop() ?? this.#nextLpi++
      if (intid >= this.#lpiEnd) return `${this.name}: no LPI left`
      device.events[event] = intid
      intids.push(intid)
      this.#send(mapInterrupt(deviceId, event, intid), sync(this.#target))
      this.#bus.write8(this.#properties + intid - FIRST_LPI, DEFAULT_PRIORITY | 2 | LPI_PROPERTY.fields.Enable.loMask)
      this.#send(invalidate(deviceId, event), sync(this.#target))
    }
    if (this.#dead) return `${this.name}: does not take commands`
    return { intids, doorbell: this.#base + GITS_TRANSLATER_OFFSET, data: events }
  }

  release(deviceId: number, { intids, data }: ControllerMessages): void {
    const device = this.#devices.get(deviceId)
    for (const [index, event] of data.entries()) {
      const intid = intids[index]!
      this.#send(discard(deviceId, event), sync(this.#target))
      this.#bus.write8(this.#properties + intid - FIRST_LPI, DEFAULT_PRIORITY | 2)
      this.#freed.push(intid)
      if (device !== undefined) device.events[event] = null
    }
  }

  #createDevice(id: number, count: number): ItsDevice | string {
    if (!this.#hasTableEntry(id)) return `${this.name}: device 0x${id.toString(16)} is not in its table`
    const eventBits = Math.ceil(Math.log2(Math.max(count, LEAST_EVENTS)))
    const entryBytes = GITS_TYPER.fields.ITT_entry_size.get(...this.#typer) + 1
    const bytes = Math.max(2 ** eventBits * entryBytes, ITT_ALIGNMENT)
    const table = this.#pages.allocate(Math.ceil(bytes / PAGE))
    if (table === null) return `${this.name}: no memory for a device's table`
    this.#send(mapDevice(id, table, eventBits), sync(this.#target))
    const device = { id, events: new Array<number | null>(2 ** eventBits).fill(null) }
    this.#devices.set(id, device)
    return device
  }

  /** `its_alloc_table_entry`: a second-level page where the device's is the first in it. */
  #hasTableEntry(id: number): boolean {
    const table = this.#deviceTable
    if (table === null || id >= 2 ** (GITS_TYPER.fields.Devbits.get(...this.#typer) + 1)) return false
    if (!table.indirect) return true
    const index = Math.floor(id / (TABLE_PAGE / table.entryBytes))
    if (index >= TABLE_PAGE / 8) return false
    if (this.#secondLevel.has(index)) return true
    const page = allocateAligned(this.#pages, TABLE_PAGE / PAGE)
    if (page === null) return false
    this.#bus.write32(table.base + index * 8, lowWord(page))
    this.#bus.write32(table.base + index * 8 + 4, (highWord(page) | 0x8000_0000) >>> 0)
    this.#secondLevel.add(index)
    return true
  }

  /** Puts commands into the queue, and waits until the ITS has read them. One that does not is left alone from then on. */
  #send(...commands: readonly Uint8Array[]): void {
    for (const bytes of commands) {
      if (this.#dead) return
      this.#bus.writeBytes(this.#queue + this.#tail, bytes)
      this.#tail = (this.#tail + ITS_COMMAND.size) % QUEUE_BYTES
      this.#write(AT.CWRITER.offset, this.#tail)
      let patience = PATIENCE
      while (GITS_CREADR.fields.Offset.get(this.#read(AT.CREADR.offset)) !== this.#tail) {
        if (--patience > 0) continue
        this.#log(`${this.name}: queue timeout`)
        this.#dead = true
        return
      }
    }
  }

  #read(offset: number): number {
    return this.#bus.read32(this.#base + offset)
  }

  #write(offset: number, value: number): void {
    this.#bus.write32(this.#base + offset, value)
  }

  #write64(offset: number, lo: number, hi: number): void {
    this.#write(offset, lo >>> 0)
    this.#write(offset + 4, hi >>> 0)
  }
}
