import type { Ivhd } from '@dmascope/acpi'
import type { PageAllocator } from '@dmascope/dma'
import {
  AMDVI_REGISTERS,
  CONTROL,
  DEVICE_TABLE_BASE,
  EFR,
  EVENT,
  EVENT_LOG_BASE,
  STATUS,
} from '@dmascope/iommu/amdvi/spec'
import { highWord, lowWord } from '@dmascope/layout'
import type { CpuBus } from '@dmascope/memory/contracts'
import { type Pair, RegisterFile } from '../register-file.ts'
import { CommandBuffer } from './command-buffer.ts'
import type { DeviceTable } from './device-table.ts'

const R = AMDVI_REGISTERS.registers
const PAGE = 4096
/** 512 events, two pages: EventLen 9. */
const LOG2_EVENTS = 9
export const EVENT_LOG_SIZE = 2 ** LOG2_EVENTS * EVENT.size
/** Control.InvTimeOut: one second. */
const ONE_SECOND = 4
/** What an earlier owner may have left on, in the order in which Linux turns it off. */
const LEFT_ON = ['CmdBufEn', 'EventIntEn', 'EventLogEn', 'GALogEn', 'GAIntEn', 'IommuEn', 'IRTCacheDis'] as const
/** Low bits of an IVHD's flags, which ask for these bits of Control. */
const ASKED_FOR = { HtTunEn: 1, PassPW: 2, ResPassPW: 4, Isoc: 8 } as const

/** One AMD IOMMU, driven: control bits, buffers, invalidation. One that does not answer is told of once, and left. */
export class AmdUnit {
  /** `ivhd0`, as Linux names it. */
  readonly name: string
  readonly index: number
  readonly block: Ivhd
  readonly base: number
  readonly segment: number
  /** Requester ID of its own PCI function. */
  readonly deviceId: number
  readonly registers: RegisterFile
  /** The Extended Feature Register, once it is known: from the IVRS, or from the unit. */
  features: Pair | null = null
  /** Guest-physical address of the event log; null where there is none. */
  eventLog: number | null = null
  dead = false
  readonly #commands: CommandBuffer
  readonly #log: (line: string) => void

  private constructor(
    index: number,
    block: Ivhd,
    registers: RegisterFile,
    commands: CommandBuffer,
    log: AmdUnit['log'],
  ) {
    this.index = index
    this.name = `ivhd${index}`
    this.block = block
    this.base = registers.base
    this.segment = block.pciSegmentGroup
    this.deviceId = block.deviceId
    this.registers = registers
    this.#commands = commands
    this.#log = log
  }

  /** Null where memory ran out, or no Number counts its registers' address. */
  static create(
    index: number,
    block: Ivhd,
    bus: CpuBus,
    pages: PageAllocator,
    log: (line: string) => void,
  ): AmdUnit | null {
    const base = Number(block.iommuBaseAddress)
    if (!Number.isSafeInteger(base + 0x8_0000)) return null
    const registers = new RegisterFile(bus, base)
    const commands = CommandBuffer.create(bus, pages, registers)
    return commands && new AmdUnit(index, block, registers, commands, log)
  }

  get log(): (line: string) => void {
    return this.#log
  }

  has(feature: keyof typeof EFR.fields): boolean {
    return this.features !== null && EFR.fields[feature].get(this.features.lo, this.features.hi) === 1
  }

  /** Changes one field of Control, and writes all of it. */
  control(name: keyof typeof CONTROL.fields, value: number): void {
    const { lo, hi } = this.registers.read64(R.Control)
    const field = CONTROL.fields[name]
    this.registers.write64(R.Control, field.setHi(hi, value), field.setLo(lo, value))
  }

  get enabled(): boolean {
    return CONTROL.fields.IommuEn.get(this.registers.read32(R.Control)) === 1
  }

  disable(): void {
    for (const name of LEFT_ON) this.control(name, 0)
  }

  /**
   * Turns the unit on, in Linux's order: off first; what the table asks for; the device table; commands; events; what
   * interrupt remapping needs; the unit itself; and everything that it may have cached goes.
   *
   * @param wide - interrupt entries are to be of 128 bits
   */
  enable(table: DeviceTable, wide: boolean, guestTranslation: boolean): void {
    this.disable()
    for (const [name, bit] of Object.entries(ASKED_FOR) as [keyof typeof ASKED_FOR, number][]) {
      this.control(name, (this.block.flags & bit) === 0 ? 0 : 1)
    }
    this.control('Coherent', 1)
    this.control('InvTimeOut', ONE_SECOND)
    const { base, size } = table
    const last = DEVICE_TABLE_BASE.fields.Size.setLo(lowWord(base), size / PAGE - 1)
    this.registers.write64(R.DeviceTableBase, highWord(base), last)
    this.#commands.program()
    this.control('CmdBufEn', 0)
    this.#commands.rewind()
    this.control('CmdBufEn', 1)
    this.#enableEventLog()
    if (guestTranslation && this.has('GTSup')) this.control('GTEn', 1)
    if (wide) this.control('GAEn', 1)
    if (wide && this.has('XTSup') && this.block.kind !== 'IVHD-10h') this.control('XTEn', 1)
    this.control('IommuEn', 1)
    this.flushAll(table.lastId)
  }

  /** The log's memory: before the unit is turned on. False where memory ran out. */
  allocateEventLog(pages: PageAllocator): boolean {
    this.eventLog ??= pages.allocate(EVENT_LOG_SIZE / PAGE)
    return this.eventLog !== null
  }

  #enableEventLog(): void {
    if (this.eventLog === null) return
    const hi = EVENT_LOG_BASE.fields.EventLen.setHi(highWord(this.eventLog), LOG2_EVENTS)
    this.registers.write64(R.EventLogBase, hi, lowWord(this.eventLog))
    this.registers.write32(R.EventHead, 0)
    this.registers.write32(R.EventTail, 0)
    this.control('EventLogEn', 1)
  }

  /** The log overflowed, or stopped: it starts again. */
  restartEventLog(): void {
    if (STATUS.fields.EventLogRun.get(this.registers.read32(R.Status)) === 1) return
    this.#log('AMD-Vi: IOMMU Event log restarting')
    this.control('EventLogEn', 0)
    this.control('EventIntEn', 0)
    this.registers.write32(R.Status, STATUS.fields.EventOverflow.loMask)
    this.control('EventIntEn', 1)
    this.control('EventLogEn', 1)
  }

  /** Drops everything that is cached. A unit without the command for it is told of each device and each domain. */
  flushAll(lastId: number): void {
    if (this.has('IASup')) this.#run(() => this.#commands.all())
    else {
      for (let id = 0; id <= lastId; id++) this.#run(() => this.#commands.deviceTableEntry(id))
      this.complete()
      for (let id = 0; id <= lastId; id++) this.#run(() => this.#commands.interruptTable(id))
      this.complete()
      for (let id = 0; id <= lastId; id++) this.#run(() => this.#commands.pages(id, null))
    }
    this.complete()
  }

  flushDevice(device: number): void {
    this.#run(() => this.#commands.deviceTableEntry(device))
  }

  flushInterrupts(device: number): void {
    this.#run(() => this.#commands.interruptTable(device))
  }

  flushPages(domainId: number, range: { readonly iova: number; readonly length: number } | null): void {
    this.#run(() => this.#commands.pages(domainId, range))
  }

  complete(): void {
    this.#run(() => this.#commands.complete())
  }

  #run(command: () => boolean): void {
    if (this.dead || command()) return
    this.dead = true
    this.#log(`AMD-Vi: ${this.name}: Completion-Wait loop timed out`)
  }
}
