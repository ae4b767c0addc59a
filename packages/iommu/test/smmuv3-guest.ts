import { NO_PASID, type Translation } from '@dmascope/iommu'
import { type InterruptLine, type SmmuV3Options, SmmuV3Unit } from '@dmascope/iommu/smmuv3'
import { type Access, GuestRam } from '@dmascope/memory'

/** Offsets of the manual, written out once more so that the layouts are not tested against themselves. */
export const REG = {
  IDR0: 0x00,
  IDR1: 0x04,
  IDR3: 0x0c,
  IDR5: 0x14,
  CR0: 0x20,
  CR0ACK: 0x24,
  CR1: 0x28,
  CR2: 0x2c,
  GBPA: 0x44,
  IRQ_CTRL: 0x50,
  IRQ_CTRLACK: 0x54,
  GERROR: 0x60,
  GERRORN: 0x64,
  GERROR_IRQ_CFG0: 0x68,
  STRTAB_BASE: 0x80,
  STRTAB_BASE_CFG: 0x88,
  CMDQ_BASE: 0x90,
  CMDQ_PROD: 0x98,
  CMDQ_CONS: 0x9c,
  EVENTQ_BASE: 0xa0,
  EVENTQ_PROD: 0x1_00a8,
  EVENTQ_CONS: 0x1_00ac,
} as const

export const SMMUEN = 1
export const EVENTQEN = 4
export const CMDQEN = 8

export const STREAMS = 0x10_0000
export const COMMANDS = 0x20_0000
const EVENTS = 0x21_0000
const LOG2_COMMANDS = 8
const LOG2_EVENTS = 4
const FIRST_TABLE = 0x40_0000
/** STE: valid, Config. */
export const ABORT = 0x1
export const BYPASS = 0x9
export const STAGE_1 = 0xb
export const STAGE_2 = 0xd
export const NESTED = 0xf
/** CD, bits 63:32: A, R, AA64, and IPS for 48 bits. */
export const CD_HIGH = 0x6205
/** CD, bits 31:0: V, EPD1, T0SZ 16. */
export const CD_LOW = 0xc000_0010
/** Descriptor bits of a page that all may read and write: nG, AF, AP. */
export const PAGE_RW = 0xc40
export const PAGE_RO = 0xcc0

/** A guest that programs one unit: a linear stream table, queues and tables in 64 MiB of RAM, and the registers. */
export class SmmuV3Guest {
  readonly ram = new GuestRam([{ base: 0, size: 64 << 20 }])
  readonly interrupts: InterruptLine[] = []
  readonly unit: SmmuV3Unit
  readonly out: Translation = { hi: 0, lo: 0, log2Size: 0, rights: 0, tag: 0, route: 'bypass' }
  #free = FIRST_TABLE
  #prod = 0

  constructor(options: Partial<SmmuV3Options> = {}) {
    const raiseInterrupt = (line: InterruptLine): void => void this.interrupts.push(line)
    this.unit = new SmmuV3Unit({ raiseInterrupt, ...options, ram: this.ram })
  }

  read(offset: number): number {
    return this.unit.read(offset, 4)
  }

  write(offset: number, value: number): void {
    this.unit.write(offset, 4, value >>> 0)
  }

  write64(offset: number, hi: number, lo: number): void {
    this.write(offset, lo)
    this.write(offset + 4, hi)
  }

  words(address: number, ...words: readonly number[]): void {
    for (const [index, word] of words.entries()) this.ram.write32(address + index * 4, word >>> 0)
  }

  word(address: number): number {
    return this.ram.read32(address)
  }

  page(bytes = 4096): number {
    this.#free = Math.ceil(this.#free / bytes) * bytes + bytes
    return this.#free - bytes
  }

  /** A linear stream table of 2^log2Size entries, both queues, all on. */
  enable(log2Size = 9): void {
    this.write64(REG.STRTAB_BASE, 0, STREAMS)
    this.write(REG.STRTAB_BASE_CFG, log2Size)
    this.write64(REG.CMDQ_BASE, 0, COMMANDS | LOG2_COMMANDS)
    this.write64(REG.EVENTQ_BASE, 0, EVENTS | LOG2_EVENTS)
    this.write(REG.CR2, 2)
    this.write(REG.IRQ_CTRL, 5)
    this.write(REG.CR0, CMDQEN | EVENTQEN | SMMUEN)
  }

  /** STE of a stream: its words 0 and 1, and its words 4 to 7 for stage 2. */
  stream(id: number, low: number, high = 0, stage2: readonly number[] = []): void {
    this.words(STREAMS + id * 64, low, high, 0, 0, ...stage2, ...Array<number>(12 - stage2.length).fill(0))
  }

  /** A context descriptor with TTB0, of ASID 7. Answers its address. */
  context(top: number, low = CD_LOW, high = CD_HIGH | (7 << 16), more: readonly number[] = []): number {
    const at = this.page(64)
    this.words(at, low, high, top, 0, ...more)
    return at
  }

  /** Stage 1 alone for a stream. */
  attach(id: number, top: number, asid = 7): void {
    this.stream(id, this.context(top, CD_LOW, CD_HIGH | (asid << 16)) | STAGE_1)
  }

  entry(table: number, index: number, hi: number, lo: number): void {
    this.words(table + index * 8, lo, hi)
  }

  /** Maps one page or block of 2^log2Size bytes in four levels of the 4 KiB granule. 0 as attributes unmaps. */
  map(top: number, iova: number, output: number, attributes: number, log2Size = 12): void {
    let table = top
    for (let shift = 39; ; shift -= 9) {
      const index = Math.floor(iova / 2 ** shift) % 512
      if (shift === log2Size) {
        const type = attributes === 0 ? 0 : log2Size === 12 ? 3 : 1
        this.entry(table, index, Math.floor(output / 2 ** 32), ((output % 2 ** 32) | attributes | type) >>> 0)
        return
      }
      const at = table + index * 8
      if ((this.word(at) & 1) === 0) this.entry(table, index, 0, this.page() | 3)
      table = (this.word(at) & -4096) >>> 0
    }
  }

  dma(requester: number, iova: number, access: Access): number {
    return this.dmaAt(requester, Math.floor(iova / 2 ** 32), (iova % 2 ** 32) >>> 0, access)
  }

  dmaAt(requester: number, hi: number, lo: number, access: Access): number {
    return this.unit.translate(requester, NO_PASID, 'untranslated', hi, lo, access, this.out)
  }

  /** Output address of the last translation. */
  get output(): number {
    return this.out.hi * 2 ** 32 + this.out.lo
  }

  /** Puts commands in the queue and moves CMDQ_PROD once. Words low to high. */
  submit(...commands: readonly (readonly [number, number?, number?, number?])[]): void {
    for (const words of commands) {
      const [a, b = 0, c = 0, d = 0] = words
      this.words(COMMANDS + (this.#prod % 2 ** LOG2_COMMANDS) * 16, a, b, c, d)
      this.#prod = (this.#prod + 1) % 2 ** (LOG2_COMMANDS + 1)
    }
    this.write(REG.CMDQ_PROD, this.#prod)
  }

  /** CFGI_ALL, TLBI_NSNH_ALL, SYNC. */
  invalidateAll(): void {
    this.submit([0x04, 0, 31], [0x30], [0x46])
  }

  /** The words of event number `index`. */
  event(index: number): readonly number[] {
    return Array.from({ length: 8 }, (_, word) => this.word(EVENTS + index * 32 + word * 4))
  }
}
