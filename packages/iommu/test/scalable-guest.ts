import type { VtdOptions } from '@dmascope/iommu/vtd'
import type { Access } from '@dmascope/memory'
import { QIE, QUEUE, REG, ROOT, SRTP, TE, VtdGuest } from './vtd-guest.ts'

/** First-stage entry bits, as the processors have them: P, R/W, U/S, and the marks that hardware sets. */
export const P = 1
export const RW = 2
export const US = 4
export const A = 0x20
export const D = 0x40
const PS = 0x80
/** PGTT where it stands in a PASID table entry. */
export const FIRST = 1 << 6
export const SECOND = 2 << 6
export const NESTED = 3 << 6
export const PASS = 4 << 6
/** AW of four levels where it stands there. */
export const AW_48 = 2 << 2
/** Flags of a context entry. */
export const DTE = 4
export const PASIDE = 8

export type WideDescriptor = readonly number[]

/** A guest that programs a unit in scalable mode. Every requester has a PASID directory of one table by default. */
export class ScalableGuest extends VtdGuest {
  #tail = 0

  constructor(options: Partial<VtdOptions> = {}) {
    super({ scalableMode: true, ...options })
  }

  /** Root and context entry. Words as they stand in memory, low to high; those left out are 0. */
  contextWords(requester: number, ...words: readonly number[]): void {
    const half = ROOT + (requester >>> 8) * 16 + ((requester & 0x80) === 0 ? 0 : 8)
    if ((this.ram.read32(half) & 1) === 0) this.ram.write32(half, this.page() | 1)
    const at = ((this.ram.read32(half) & -4096) >>> 0) + (requester & 0x7f) * 32
    for (let word = 0; word < 8; word++) this.ram.write32(at + word * 4, (words[word] ?? 0) >>> 0)
  }

  /** A context whose directory has 128 entries, of which the first leads to the table that this answers. */
  attach(requester: number, flags = 0, ridPasid = 0): number {
    const directory = this.page()
    const table = this.page()
    this.entry(directory, 0, 0, table | 1)
    this.contextWords(requester, directory | 1 | flags, 0, ridPasid)
    return table
  }

  /** Entry of a PASID below 64 in its table: words low to high; those left out are 0. */
  pasid(table: number, pasid: number, ...words: readonly number[]): void {
    for (let word = 0; word < 16; word++) this.ram.write32(table + pasid * 64 + word * 4, (words[word] ?? 0) >>> 0)
  }

  firstStage(table: number, pasid: number, top: number, domain = 7): void {
    this.pasid(table, pasid, FIRST | AW_48 | 1, 0, domain, 0, top, 0)
  }

  secondStage(table: number, pasid: number, top: number, domain = 7): void {
    this.pasid(table, pasid, top | SECOND | AW_48 | 1, 0, domain)
  }

  passThrough(table: number, pasid: number, domain = 1): void {
    this.pasid(table, pasid, PASS | AW_48 | 1, 0, domain)
  }

  /** Maps one page of 2^log2Size bytes in first-stage tables. */
  mapFirst(top: number, iova: number, output: number, flags: number, log2Size = 12, levels = 4): void {
    let table = top
    for (let level = levels; ; level--) {
      const shift = 3 + level * 9
      const index = Math.floor(iova / 2 ** shift) % 512
      if (shift === log2Size) {
        const large = log2Size > 12 ? PS : 0
        const lo = flags === 0 ? 0 : ((output % 2 ** 32) | flags | large) >>> 0
        this.entry(table, index, flags === 0 ? 0 : Math.floor(output / 2 ** 32), lo)
        return
      }
      const at = table + index * 8
      if ((this.ram.read32(at) & P) === 0) this.entry(table, index, 0, this.page() | P | RW | US)
      table = (this.ram.read32(at) & -4096) >>> 0
    }
  }

  /** RTADDR with TTM 01, latched, and translation on. */
  override enable(): void {
    this.write64(REG.RTADDR, 0, ROOT | (1 << 10))
    this.command(SRTP)
    this.command(TE)
  }

  /** One queue page of 128 descriptors of 256 bits at QUEUE. */
  override enableQueue(): void {
    this.write64(REG.IQA, 0, QUEUE | (1 << 11))
    this.write64(REG.IQT, 0, 0)
    this.#tail = 0
    this.command(QIE)
  }

  /** Puts descriptors of 256 bits in the queue and rings the tail once. Words low to high; those left out are 0. */
  submitWide(...descriptors: readonly WideDescriptor[]): void {
    for (const words of descriptors) {
      for (let word = 0; word < 8; word++) {
        this.ram.write32(QUEUE + this.#tail + word * 4, (words[word] ?? 0) >>> 0)
      }
      this.#tail = (this.#tail + 32) % 4096
    }
    this.write(REG.IQT, this.#tail)
  }

  dmaWithPasid(
    requester: number,
    pasid: number,
    iova: number,
    access: Access,
    kind: 'untranslated' | 'translated' | 'translation-request' = 'untranslated',
  ): number {
    const hi = Math.floor(iova / 2 ** 32)
    return this.unit.translate(requester, pasid, kind, hi, (iova % 2 ** 32) >>> 0, access, this.out)
  }
}

/** Descriptors of 256 bits, by the manual's layouts. */
export const allContexts: WideDescriptor = [0x11]
export const contextOf = (requester: number): WideDescriptor => [0x31, requester]
export const allPasids: WideDescriptor = [0x37]
export const pasidsOf = (domain: number): WideDescriptor => [0x07 | (domain << 16)]
export const onePasid = (domain: number, pasid: number): WideDescriptor => [0x17 | (domain << 16), pasid]
export const allIotlb: WideDescriptor = [0x12]
export const iotlbOf = (domain: number): WideDescriptor => [0x22 | (domain << 16)]
export const iotlbPage = (domain: number, address: number): WideDescriptor => [0x32 | (domain << 16), 0, address, 0]
export const pasidIotlb = (domain: number, pasid: number): WideDescriptor => [0x26 | (domain << 16), pasid]
export const pasidIotlbPage = (domain: number, pasid: number, address: number, log2Pages = 0): WideDescriptor => [
  0x36 | (domain << 16),
  pasid,
  address | log2Pages,
  0,
]
