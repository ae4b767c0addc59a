import { type Msi, NO_PASID, type Translation } from '@dmascope/iommu'
import { type VtdOptions, VtdUnit } from '@dmascope/iommu/vtd'
import { type Access, GuestRam } from '@dmascope/memory'

/** Offsets of the manual, written out once more so that the layouts are not tested against themselves. */
export const REG = {
  GCMD: 0x18,
  GSTS: 0x1c,
  RTADDR: 0x20,
  CCMD: 0x28,
  FSTS: 0x34,
  FECTL: 0x38,
  FEDATA: 0x3c,
  FEADDR: 0x40,
  IQH: 0x80,
  IQT: 0x88,
  IQA: 0x90,
  ICS: 0x9c,
  IECTL: 0xa0,
  IEDATA: 0xa4,
  IEADDR: 0xa8,
  IQERCD: 0xb0,
  IRTA: 0xb8,
  IVA: 0xf0,
  IOTLB: 0xf8,
  FRCD: 0x220,
} as const

export const TE = 0x8000_0000
export const SRTP = 0x4000_0000
export const QIE = 0x0400_0000
export const IRE = 0x0200_0000
export const SIRTP = 0x0100_0000
export const CFI = 0x0080_0000

export const ROOT = 0x1000
export const CONTEXTS = 0x2000
export const QUEUE = 0x3000
export const IRT = 0x4000
const FIRST_TABLE = 0x10_0000

/** A guest that programs one unit: tables in 64 MiB of RAM, and the registers. */
export class VtdGuest {
  readonly ram = new GuestRam([{ base: 0, size: 64 << 20 }])
  readonly messages: { hi: number; lo: number; data: number }[] = []
  readonly unit: VtdUnit
  readonly out: Translation = { hi: 0, lo: 0, log2Size: 0, rights: 0, tag: 0, route: 'bypass' }
  readonly msi: Msi = { hi: 0, lo: 0, data: 0, remapped: false }
  #free = FIRST_TABLE
  #tail = 0
  #command = 0

  constructor(options: Partial<VtdOptions> = {}) {
    const raiseMsi = (hi: number, lo: number, data: number): void => void this.messages.push({ hi, lo, data })
    this.unit = new VtdUnit({ raiseMsi, ...options, ram: this.ram })
  }

  read(offset: number): number {
    return this.unit.read(offset, 4)
  }

  write(offset: number, value: number): void {
    this.unit.write(offset, 4, value >>> 0)
  }

  /** A 64-bit register, lower half first, as Linux writes it. */
  write64(offset: number, hi: number, lo: number): void {
    this.write(offset, lo)
    this.write(offset + 4, hi)
  }

  /** Sets or clears one bit of GCMD and leaves the enables as they are. */
  command(bit: number, on = true): void {
    const oneShot = SRTP | SIRTP
    const value = on ? (this.#command | bit) >>> 0 : (this.#command & ~bit) >>> 0
    this.write(REG.GCMD, value)
    this.#command = (value & ~oneShot) >>> 0
  }

  page(): number {
    this.#free += 4096
    return this.#free - 4096
  }

  entry(table: number, index: number, hi: number, lo: number): void {
    this.ram.write32(table + index * 8, lo >>> 0)
    this.ram.write32(table + index * 8 + 4, hi >>> 0)
  }

  /** Root and context entry of a requester. `low` and `high` are the context entry's two low words. */
  context(requester: number, low: number, high: number): void {
    const bus = requester >>> 8
    const at = ROOT + bus * 16
    if ((this.ram.read32(at) & 1) === 0) this.ram.write32(at, (bus === 0 ? CONTEXTS : this.page()) | 1)
    const table = (this.ram.read32(at) & -4096) >>> 0
    this.entry(table, (requester & 0xff) * 2, 0, low)
    this.entry(table, (requester & 0xff) * 2 + 1, 0, high)
  }

  /** Maps one page of 2^log2Size bytes in tables of four levels. Flags are R = 1 and W = 2. */
  map(top: number, iova: number, output: number, flags: number, log2Size = 12, levels = 4): void {
    let table = top
    for (let level = levels; ; level--) {
      const shift = 3 + level * 9
      const index = Math.floor(iova / 2 ** shift) % 512
      if (shift === log2Size) {
        const large = log2Size > 12 ? 0x80 : 0
        this.entry(table, index, Math.floor(output / 2 ** 32), ((output % 2 ** 32) | flags | large) >>> 0)
        return
      }
      const at = table + index * 8
      if ((this.ram.read32(at) & 3) === 0) this.entry(table, index, 0, this.page() | 3)
      table = (this.ram.read32(at) & -4096) >>> 0
    }
  }

  /** Root table set, translation on. */
  enable(): void {
    this.write64(REG.RTADDR, 0, ROOT)
    this.command(SRTP)
    this.command(TE)
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

  /** Invalidation through registers: all contexts, then all of the IOTLB. */
  invalidateAll(): void {
    this.write64(REG.CCMD, 0xa000_0000, 0)
    this.write64(REG.IOTLB, 0x9000_0000, 0)
  }

  /** One queue page of 256 descriptors at QUEUE. */
  enableQueue(): void {
    this.write64(REG.IQA, 0, QUEUE)
    this.write64(REG.IQT, 0, 0)
    this.#tail = 0
    this.command(QIE)
  }

  /** Puts descriptors in the queue and rings the tail once. Words low to high. */
  submit(...descriptors: readonly (readonly [number, number, number, number])[]): void {
    for (const words of descriptors) {
      for (const [index, word] of words.entries()) this.ram.write32(QUEUE + this.#tail + index * 4, word >>> 0)
      this.#tail = (this.#tail + 16) % 4096
    }
    this.write(REG.IQT, this.#tail)
  }
}
