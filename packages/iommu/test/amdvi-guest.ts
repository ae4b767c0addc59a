import { type Msi, NO_PASID, type Translation } from '@dmascope/iommu'
import { type AmdViOptions, AmdViUnit } from '@dmascope/iommu/amdvi'
import { type Access, GuestRam } from '@dmascope/memory'

/** Offsets of the manual, written out once more so that the layouts are not tested against themselves. */
export const REG = {
  DEVICE_TABLE: 0x0000,
  COMMAND_BASE: 0x0008,
  EVENT_BASE: 0x0010,
  CONTROL: 0x0018,
  EXCLUSION_BASE: 0x0020,
  EXCLUSION_LIMIT: 0x0028,
  EFR: 0x0030,
  EFR2: 0x01a0,
  COMMAND_HEAD: 0x2000,
  COMMAND_TAIL: 0x2008,
  EVENT_HEAD: 0x2010,
  EVENT_TAIL: 0x2018,
  STATUS: 0x2020,
} as const

export const IOMMU_EN = 1
export const EVENT_LOG_EN = 1 << 2
export const EVENT_INT_EN = 1 << 3
export const COM_WAIT_INT_EN = 1 << 4
export const CMD_BUF_EN = 1 << 12
export const GA_EN = 1 << 17
/** Upper words of entries: IR and IW. */
export const IR = 0x2000_0000
export const IW = 0x4000_0000

/** The device table is 2 MiB: an entry for every requester ID. */
export const DEVICE_TABLE = 0x20_0000
export const COMMANDS = 0x1_0000
export const EVENTS = 0x2_0000
export const INTERRUPT_TABLE = 0x3_0000
const FIRST_TABLE = 0x40_0000
const BUFFER_BYTES = 4096
export const DOMAIN = 7

/** A guest that programs one unit: tables in 64 MiB of RAM, and the registers. */
export class AmdViGuest {
  readonly ram = new GuestRam([{ base: 0, size: 64 << 20 }])
  /** The message numbers that the unit's function was to send. */
  readonly messages: number[] = []
  readonly unit: AmdViUnit
  readonly out: Translation = { hi: 0, lo: 0, log2Size: 0, rights: 0, tag: 0, route: 'bypass' }
  readonly msi: Msi = { hi: 0, lo: 0, data: 0, remapped: false }
  #free = FIRST_TABLE
  #tail = 0

  constructor(options: Partial<AmdViOptions> = {}) {
    this.unit = new AmdViUnit({ raiseMsi: (message) => void this.messages.push(message), ...options, ram: this.ram })
  }

  read(offset: number): number {
    return this.unit.read(offset, 4)
  }

  write(offset: number, value: number): void {
    this.unit.write(offset, 4, value >>> 0)
  }

  /** A 64-bit register, lower half first. */
  write64(offset: number, hi: number, lo: number): void {
    this.write(offset, lo)
    this.write(offset + 4, hi)
  }

  page(): number {
    this.#free += 4096
    return this.#free - 4096
  }

  entry(table: number, index: number, hi: number, lo: number): void {
    this.ram.write32(table + index * 8, lo >>> 0)
    this.ram.write32(table + index * 8 + 4, hi >>> 0)
  }

  /** The eight words of a device table entry, low to high; those left out are 0. */
  device(requester: number, ...words: readonly number[]): void {
    const at = DEVICE_TABLE + requester * 32
    for (let word = 0; word < 8; word++) this.ram.write32(at + word * 4, (words[word] ?? 0) >>> 0)
  }

  /** V, TV, so many levels, IR and IW; domain 7. */
  paged(requester: number, top: number, levels = 4, domain = DOMAIN): void {
    this.device(requester, top | (levels << 9) | 3, IR | IW, domain)
  }

  /** Maps one page of a level's own size in tables of four levels. Rights are R = 1 and W = 2; 0 clears. */
  map(top: number, iova: number, output: number, rights: number, log2Size = 12, levels = 4): void {
    let table = top
    for (let level = levels; ; level--) {
      const shift = 3 + level * 9
      const index = Math.floor(iova / 2 ** shift) % 512
      if (shift === log2Size) {
        const flags = rights === 0 ? 0 : 1
        this.entry(table, index, Math.floor(output / 2 ** 32) | (rights << 29), (output % 2 ** 32) | flags)
        return
      }
      const at = table + index * 8
      if ((this.ram.read32(at) & 1) === 0) this.entry(table, index, IR | IW, this.page() | ((level - 1) << 9) | 1)
      table = (this.ram.read32(at) & -4096) >>> 0
    }
  }

  /** Device table, command buffer and event log of 256 entries, all enabled, with interrupts. */
  enable(control = 0): void {
    this.write64(REG.DEVICE_TABLE, 0, DEVICE_TABLE | 0x1ff)
    this.write64(REG.COMMAND_BASE, 0x0800_0000, COMMANDS)
    this.write64(REG.EVENT_BASE, 0x0800_0000, EVENTS)
    this.#tail = 0
    const all = IOMMU_EN | EVENT_LOG_EN | EVENT_INT_EN | COM_WAIT_INT_EN | CMD_BUF_EN
    this.write(REG.CONTROL, all | control)
  }

  dma(
    requester: number,
    iova: number,
    access: Access,
    kind: 'untranslated' | 'translated' | 'translation-request' = 'untranslated',
  ): number {
    const hi = Math.floor(iova / 2 ** 32)
    return this.unit.translate(requester, NO_PASID, kind, hi, (iova % 2 ** 32) >>> 0, access, this.out)
  }

  /** Output address of the last translation. */
  get output(): number {
    return this.out.hi * 2 ** 32 + this.out.lo
  }

  /** Puts commands in the buffer and moves the tail once. Words low to high. */
  submit(...commands: readonly (readonly [number, number, number, number])[]): void {
    for (const words of commands) {
      for (const [index, word] of words.entries()) this.ram.write32(COMMANDS + this.#tail + index * 4, word >>> 0)
      this.#tail = (this.#tail + 16) % BUFFER_BYTES
    }
    this.write(REG.COMMAND_TAIL, this.#tail)
  }

  /** INVALIDATE_IOMMU_ALL. */
  invalidateAll(): void {
    this.submit([0, 0x8000_0000, 0, 0])
  }

  /** INVALIDATE_DEVTAB_ENTRY. */
  invalidateDevice(requester: number): void {
    this.submit([requester, 0x2000_0000, 0, 0])
  }

  /** INVALIDATE_IOMMU_PAGES of one page of 4 KiB, or what the address encodes. Flags: S = 1, PDE = 2. */
  invalidatePages(iova: number, flags = 0, domain = DOMAIN): void {
    this.submit([0, 0x3000_0000 | domain, (iova % 2 ** 32) | flags, Math.floor(iova / 2 ** 32)])
  }

  /** The four words of event number `index`. */
  event(index: number): readonly number[] {
    return [0, 4, 8, 12].map((at) => this.ram.read32(EVENTS + index * 16 + at))
  }

  /** Bytes that the log holds, from its start. */
  get logged(): number {
    return this.read(REG.EVENT_TAIL)
  }
}
