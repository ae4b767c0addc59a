import type { PageAllocator } from '@dmascope/dma'
import { DEVICE_TABLE_ENTRY, DTE_0, DTE_1, DTE_2, INT_CTL } from '@dmascope/iommu/amdvi/spec'
import type { CpuBus } from '@dmascope/memory/contracts'
import { type IvrsSegment, settingOf } from './ivrs-map.ts'

const FOUR_GIB = 0x1_0000_0000
const PAGE = 4096
/** Entries that are written at a time. */
const PIECE = new Uint8Array(0x4000)
/** A mask that keeps a word as it is. */
const ALL = 0xffff_ffff

/** Where a requester's DMA goes: a page table, or, of no levels, straight through. */
export interface DmaTarget {
  readonly domainId: number
  readonly levels: number
  readonly root: number
}

/** The device table of one segment, 32 bytes for each requester ID (AMD IOMMU 3.07 §2.2.2). */
export class DeviceTable {
  /** Guest-physical address, and bytes. */
  readonly base: number
  readonly size: number
  readonly lastId: number
  readonly #bus: CpuBus
  /** What stands in every entry but those that were written by themselves; and which these are. */
  readonly #plain = new Uint32Array(DEVICE_TABLE_ENTRY.size / 4)
  readonly #own = new Set<number>()

  private constructor(bus: CpuBus, base: number, size: number, lastId: number) {
    this.#bus = bus
    this.base = base
    this.size = size
    this.lastId = lastId
  }

  /** A table for every ID that the IVRS names, with the settings that it asks for. Null where memory ran out. */
  static create(bus: CpuBus, pages: PageAllocator, segment: IvrsSegment): DeviceTable | null {
    const wanted = 2 ** Math.ceil(Math.log2((segment.lastId + 1) * DEVICE_TABLE_ENTRY.size))
    const size = Math.max(wanted, PAGE)
    const base = pages.allocate(size / PAGE, FOUR_GIB)
    if (base === null) return null
    const table = new DeviceTable(bus, base, size, segment.lastId)
    for (let id = 0; id <= segment.lastId; id++) if (segment.settings[id] !== 0) table.#set(id, segment.settings[id]!)
    return table
  }

  /** IVHD entries say which interrupts of a device pass whatever else is decided, and what system messages do. */
  #set(id: number, setting: number): void {
    const { SysMgt } = DTE_1.fields
    const { INITPass, EIntPass, NMIPass, Lint0Pass, Lint1Pass } = DTE_2.fields
    const messages = settingOf(setting, 'SysMgt')
    if (messages !== 0) this.#change(id, 12, (word) => SysMgt.setHi(word, messages))
    this.#change(id, 20, (word) => {
      let hi = INITPass.setHi(word, settingOf(setting, 'INITPass'))
      hi = EIntPass.setHi(hi, settingOf(setting, 'EIntPass'))
      hi = NMIPass.setHi(hi, settingOf(setting, 'NMIPass'))
      hi = Lint0Pass.setHi(hi, settingOf(setting, 'Lint0Pass'))
      return Lint1Pass.setHi(hi, settingOf(setting, 'Lint1Pass'))
    })
  }

  has(id: number): boolean {
    return id >= 0 && id <= this.lastId
  }

  #change(id: number, offset: number, change: (word: number) => number): void {
    this.#own.add(id)
    const at = this.addressOf(id) + offset
    this.#bus.write32(at, change(this.#bus.read32(at)) >>> 0)
  }

  /**
   * Of one word of every entry, keeps bits and sets others. Entries that are all alike are written many at once, and not
   * read first as Linux does: nobody else writes to the table.
   */
  #changeAll(offset: number, kept: number, set: number): void {
    this.#plain[offset / 4] = (this.#plain[offset / 4]! & kept) | set
    const own = [...this.#own].map((id) => ({ at: this.addressOf(id), bytes: this.bytesOf(id) }))
    const used = (this.lastId + 1) * DEVICE_TABLE_ENTRY.size
    fillWithWords(PIECE, this.#plain)
    for (let start = 0; start < used; start += PIECE.length) {
      const size = Math.min(PIECE.length, used - start)
      this.#bus.writeBytes(this.base + start, size === PIECE.length ? PIECE : PIECE.subarray(0, size))
    }
    for (const { at, bytes } of own) {
      this.#bus.writeBytes(at, bytes)
      this.#bus.write32(at + offset, ((this.#bus.read32(at + offset) & kept) | set) >>> 0)
    }
  }

  addressOf(id: number): number {
    return this.base + id * DEVICE_TABLE_ENTRY.size
  }

  /** The entry as memory holds it. */
  bytesOf(id: number): Uint8Array {
    const bytes = new Uint8Array(DEVICE_TABLE_ENTRY.size)
    this.#bus.readBytes(this.addressOf(id), bytes)
    return bytes
  }

  /** Every interrupt is refused until its device has a table. */
  blockInterrupts(): void {
    this.#changeAll(16, ALL, DTE_2.fields.IV.loMask)
  }

  /** DMA of devices that have no domain is refused. */
  blockDma(): void {
    this.#changeAll(0, ALL, DTE_0.fields.V.loMask | DTE_0.fields.TV.loMask)
  }

  /** Back to entries that are not valid: DMA passes. */
  passDma(): void {
    for (const word of [0, 4, 8, 12]) this.#changeAll(word, 0, 0)
  }

  /** Points a requester's DMA at its target. The caller invalidates. */
  setDma(id: number, { domainId, levels, root }: DmaTarget): void {
    const { V, TV, Mode, HostPageTableRootPtr, IR, IW } = DTE_0.fields
    let lo = HostPageTableRootPtr.setLo(0, root)
    lo = Mode.setLo(TV.setLo(V.setLo(lo, 1), 1), levels)
    const hi = IW.setHi(IR.setHi(HostPageTableRootPtr.setHi(0, root), 1), 1)
    const at = this.addressOf(id)
    this.#change(id, 8, (word) => DTE_1.fields.DomainID.setLo(word, domainId))
    // The half with the root's upper bits first, so that nothing half is valid.
    this.#bus.write32(at + 4, hi >>> 0)
    this.#bus.write32(at, lo >>> 0)
  }

  /** Points a requester's interrupts at a table of 2^log2Entries entries. The caller invalidates. */
  setInterrupts(id: number, table: number, log2Entries: number): void {
    const { IV, IntTabLen, InterruptTableRootPtr, IntCtl } = DTE_2.fields
    this.#change(id, 20, (word) => IntCtl.setHi(InterruptTableRootPtr.setHi(word, table), INT_CTL.remap))
    this.#change(id, 16, (word) => IV.setLo(IntTabLen.setLo(InterruptTableRootPtr.setLo(word, table), log2Entries), 1))
  }
}

/** The same little-endian words over and over. */
function fillWithWords(bytes: Uint8Array, words: Uint32Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const { byteLength } = words
  for (let index = 0; index < words.length; index++) view.setUint32(4 * index, words[index]!, true)
  for (let done = byteLength; done < bytes.length; done *= 2)
    bytes.copyWithin(done, 0, Math.min(done, bytes.length - done))
}
