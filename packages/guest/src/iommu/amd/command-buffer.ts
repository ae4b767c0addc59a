import type { PageAllocator } from '@dmascope/dma'
import {
  AMDVI_REGISTERS,
  COMMAND,
  COMMAND_BUFFER_BASE,
  COMMAND_HEADER,
  COMPLETION_WAIT,
  INVALIDATE_DEVTAB_ENTRY,
  INVALIDATE_INTERRUPT_TABLE,
  INVALIDATE_IOMMU_PAGES,
  INVALIDATE_IOMMU_PAGES_HIGH,
  OPCODE,
} from '@dmascope/iommu/amdvi/spec'
import { highWord, lowWord } from '@dmascope/layout'
import type { CpuBus } from '@dmascope/memory/contracts'
import type { RegisterFile } from '../register-file.ts'

const R = AMDVI_REGISTERS.registers
/** 512 commands, two pages: ComLen 9. */
const LOG2_ENTRIES = 9
const SIZE = 2 ** LOG2_ENTRIES * COMMAND.size
/** Linux stops putting commands in when so many bytes are left. */
const RESERVE = 0x20
const POLLS = 1000
/** Address of INVALIDATE_IOMMU_PAGES that stands for all of a domain's pages. */
const ALL_PAGES = { lo: 0xffff_f000, hi: 0x7fff_ffff }
const PAGE = 4096

/**
 * The driver's end of the command buffer. Commands run as their tail pointer is written; `complete` waits until all
 * that were put in have run (AMD IOMMU 3.07 §2.4).
 */
export class CommandBuffer {
  /** Guest-physical addresses of the buffer and of the word that a COMPLETION_WAIT stores to. */
  readonly buffer: number
  readonly semaphore: number
  readonly #bus: CpuBus
  readonly #registers: RegisterFile
  #head = 0
  #tail = 0
  #sequence = 0
  #pending = false

  private constructor(bus: CpuBus, registers: RegisterFile, buffer: number, semaphore: number) {
    this.#bus = bus
    this.#registers = registers
    this.buffer = buffer
    this.semaphore = semaphore
  }

  /** Null where memory ran out. */
  static create(bus: CpuBus, pages: PageAllocator, registers: RegisterFile): CommandBuffer | null {
    const semaphore = pages.allocate(1)
    const buffer = semaphore === null ? null : pages.allocate(SIZE / PAGE)
    if (semaphore === null || buffer === null) {
      if (semaphore !== null) pages.free(semaphore, 1)
      return null
    }
    return new CommandBuffer(bus, registers, buffer, semaphore)
  }

  /** Tells the unit where the buffer is; its fetching of commands must be off. */
  program(): void {
    const hi = COMMAND_BUFFER_BASE.fields.ComLen.setHi(highWord(this.buffer), LOG2_ENTRIES)
    this.#registers.write64(R.CommandBufferBase, hi, lowWord(this.buffer))
  }

  /** Both pointers to the start. */
  rewind(): void {
    this.#registers.write32(R.CommandHead, 0)
    this.#registers.write32(R.CommandTail, 0)
    this.#head = 0
    this.#tail = 0
  }

  deviceTableEntry(device: number): boolean {
    return this.#put(OPCODE.INVALIDATE_DEVTAB_ENTRY, INVALIDATE_DEVTAB_ENTRY.fields.DeviceID.setLo(0, device))
  }

  interruptTable(device: number): boolean {
    return this.#put(OPCODE.INVALIDATE_INTERRUPT_TABLE, INVALIDATE_INTERRUPT_TABLE.fields.DeviceID.setLo(0, device))
  }

  /** Everything that the unit has cached; only where it has the command (EFR.IASup). */
  all(): boolean {
    return this.#put(OPCODE.INVALIDATE_IOMMU_ALL, 0)
  }

  /** Translations and directories of a domain: all, or those of a range that need not be aligned. */
  pages(domainId: number, range: { readonly iova: number; readonly length: number } | null): boolean {
    const { S, PDE } = INVALIDATE_IOMMU_PAGES_HIGH.fields
    let { lo, hi } = ALL_PAGES
    let several = 1
    if (range !== null) {
      const first = Math.floor(range.iova / PAGE)
      const last = Math.floor((range.iova + range.length - 1) / PAGE)
      // Of several pages: ones below the highest bit in which first and last differ tell how many.
      let ones = 1
      while (Math.floor(first / ones) !== Math.floor(last / ones)) ones *= 2
      several = ones > 1 ? 1 : 0
      const page = Math.floor(first / ones) * ones + (ones > 1 ? ones / 2 - 1 : 0)
      lo = lowWord(page * PAGE)
      hi = highWord(page * PAGE)
    }
    const domain = INVALIDATE_IOMMU_PAGES.fields.DomainID.setHi(0, domainId)
    return this.#put(OPCODE.INVALIDATE_IOMMU_PAGES, 0, domain, PDE.setLo(S.setLo(lo, several), 1), hi)
  }

  /** Waits until every command has run. False where the unit never says so. */
  complete(): boolean {
    if (!this.#pending) return true
    const value = ++this.#sequence
    const { StoreAddress, s } = COMPLETION_WAIT.fields
    const lo = s.setLo(StoreAddress.setLo(0, this.semaphore), 1)
    const hi = StoreAddress.setHi(0, this.semaphore)
    if (!this.#put(OPCODE.COMPLETION_WAIT, lo, hi, lowWord(value), highWord(value))) return false
    this.#pending = false
    for (let polls = 0; polls < POLLS; polls++) if (this.#bus.read32(this.semaphore) === lowWord(value)) return true
    return false
  }

  #put(opcode: number, lo: number, hi = 0, highLo = 0, highHi = 0): boolean {
    if (!this.#makeRoom()) return false
    const at = this.buffer + this.#tail
    this.#bus.write32(at, lo)
    this.#bus.write32(at + 4, COMMAND_HEADER.fields.OpCode.setHi(hi, opcode))
    this.#bus.write32(at + 8, highLo)
    this.#bus.write32(at + 12, highHi)
    this.#tail = (this.#tail + COMMAND.size) % SIZE
    this.#registers.write32(R.CommandTail, this.#tail)
    this.#pending = true
    return true
  }

  #makeRoom(): boolean {
    for (let polls = 0; polls < POLLS; polls++) {
      const next = (this.#tail + COMMAND.size) % SIZE
      if ((this.#head - next + SIZE) % SIZE > RESERVE) return true
      this.#head = this.#registers.read32(R.CommandHead) & (SIZE - COMMAND.size)
      if (this.#head === this.#tail) return true
    }
    return false
  }
}
