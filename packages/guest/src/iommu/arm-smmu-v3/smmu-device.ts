import type { PageAllocator } from '@dmascope/dma'
import { COMMAND, CR0, CR1, CR2, EVENT, GBPA, IRQ_CTRL, SMMU_REGISTERS } from '@dmascope/iommu/smmuv3/spec'
import type { Register } from '@dmascope/layout'
import type { CpuBus } from '@dmascope/memory/contracts'
import { RegisterFile } from '../register-file.ts'
import {
  type Command,
  CommandQueue,
  INVALIDATE_ALL,
  INVALIDATE_CONFIGURATION,
  invalidateEntry,
  prefetchConfiguration,
} from './command-queue.ts'
import { EventQueue } from './event-queue.ts'
import { QueueRing } from './queue-ring.ts'
import { readFeatures, type SmmuFeatures } from './smmu-features.ts'
import type { SmmuSource } from './smmu-tables.ts'
import { type StreamEntry, StreamTable } from './stream-table.ts'

const R = SMMU_REGISTERS.registers
const { SMMUEN, CMDQEN, EVENTQEN } = CR0.fields
/** Commands that are sent at once, and fit into every queue. */
const BATCH = 64
const INNER_SHAREABLE = 3
const WRITE_BACK = 1

/** What a device is brought up with. */
export interface SmmuSetUp {
  readonly bus: CpuBus
  readonly pages: PageAllocator
  readonly source: SmmuSource
  /** What streams get that no driver has asked for. */
  readonly initial: StreamEntry
  readonly log: (line: string) => void
}

/** One SMMUv3, driven: queues, stream table, and the order of `arm_smmu_device_reset`. */
export class SmmuDevice {
  readonly source: SmmuSource
  readonly features: SmmuFeatures
  readonly registers: RegisterFile
  readonly commands: CommandQueue
  readonly events: EventQueue
  readonly streams: StreamTable
  /** It did not answer: it is left alone from then on. */
  dead = false

  private constructor(
    source: SmmuSource,
    features: SmmuFeatures,
    registers: RegisterFile,
    commands: CommandQueue,
    events: EventQueue,
    streams: StreamTable,
  ) {
    this.source = source
    this.features = features
    this.registers = registers
    this.commands = commands
    this.events = events
    this.streams = streams
  }

  /** As Linux names it in /sys/class/iommu. */
  get name(): string {
    return `smmu3.0x${this.source.base.toString(16).padStart(16, '0')}`
  }

  /** Reads what it can do, allocates queues and stream table, resets and enables it. A text is why the kernel gives up. */
  static probe({ bus, pages, source, initial, log }: SmmuSetUp): SmmuDevice | string {
    const say = (line: string): void => log(`arm-smmu-v3 ${source.name}: ${line}`)
    const registers = new RegisterFile(bus, source.base)
    const features = readFeatures(registers, source.coherent, say)
    if (typeof features === 'string') return features
    say(`ias ${features.ias}-bit, oas ${features.oas}-bit (features 0x${features.mask.toString(16).padStart(8, '0')})`)
    const commandRing = QueueRing.allocate(pages, features.log2Commands, COMMAND.size)
    if (commandRing === null) return 'failed to allocate the command queue'
    say(`allocated ${commandRing.entries} entries for cmdq`)
    const eventRing = QueueRing.allocate(pages, features.log2Events, EVENT.size)
    if (eventRing === null) return 'failed to allocate the event queue'
    say(`allocated ${eventRing.entries} entries for evtq`)
    const streams = StreamTable.create(bus, pages, features, initial)
    if (streams === null) return 'failed to allocate the stream table'
    const commands = new CommandQueue(bus, registers, commandRing, say)
    const events = new EventQueue(bus, registers, eventRing, say)
    const device = new SmmuDevice(source, features, registers, commands, events, streams)
    const failure = device.#reset(say)
    return failure ?? device
  }

  #reset(log: (line: string) => void): string | null {
    const { registers } = this
    if ((registers.read32(R.CR0) & SMMUEN.loMask) !== 0) {
      log('SMMU currently enabled! Resetting...')
      this.#updateGlobalBypass()
    }
    if (!this.#writeSync(R.CR0, R.CR0ACK, 0)) return 'failed to clear cr0'
    let attributes = CR1.fields.TABLE_SH.setLo(0, INNER_SHAREABLE)
    for (const name of ['TABLE_OC', 'TABLE_IC', 'QUEUE_OC', 'QUEUE_IC'] as const) {
      attributes = CR1.fields[name].setLo(attributes, WRITE_BACK)
    }
    registers.write32(R.CR1, CR1.fields.QUEUE_SH.setLo(attributes, INNER_SHAREABLE))
    registers.write32(R.CR2, CR2.fields.PTM.loMask | CR2.fields.RECINVSID.loMask)
    const { baseHi, baseLo, configuration } = this.streams.registers
    registers.write64(R.STRTAB_BASE, baseHi, baseLo)
    registers.write32(R.STRTAB_BASE_CFG, configuration)

    this.commands.program()
    let enables = CMDQEN.loMask
    if (!this.#writeSync(R.CR0, R.CR0ACK, enables)) return 'failed to enable command queue'
    if (!this.issue(INVALIDATE_CONFIGURATION) || !this.issue(INVALIDATE_ALL)) return 'the command queue does not move'

    this.events.program()
    enables |= EVENTQEN.loMask
    if (!this.#writeSync(R.CR0, R.CR0ACK, enables)) return 'failed to enable event queue'
    if (!this.#writeSync(R.IRQ_CTRL, R.IRQ_CTRLACK, 0)) return 'failed to disable irqs'
    const interrupts = IRQ_CTRL.fields.EVENTQ_IRQEN.loMask | IRQ_CTRL.fields.GERROR_IRQEN.loMask
    if (!this.#writeSync(R.IRQ_CTRL, R.IRQ_CTRLACK, interrupts)) log('failed to enable irqs')
    return this.#writeSync(R.CR0, R.CR0ACK, enables | SMMUEN.loMask) ? null : 'failed to enable SMMU interface'
  }

  /** Transactions are to be aborted while the device is off. */
  #updateGlobalBypass(): void {
    const { UPDATE, ABORT } = GBPA.fields
    if (!this.registers.waitFor(R.GBPA, UPDATE.loMask, 0)) return
    this.registers.write32(R.GBPA, this.registers.read32(R.GBPA) | ABORT.loMask | UPDATE.loMask)
    this.registers.waitFor(R.GBPA, UPDATE.loMask, 0)
  }

  #writeSync(register: Register, acknowledge: Register, value: number): boolean {
    this.registers.write32(register, value)
    return this.registers.waitFor(acknowledge, 0xffff_ffff, value)
  }

  /** Sends commands and waits for them. False from when it did not answer. */
  issue(...commands: readonly Command[]): boolean {
    for (let sent = 0; sent < commands.length && !this.dead; sent += BATCH) {
      if (!this.commands.issue(...commands.slice(sent, sent + BATCH))) this.dead = true
    }
    return !this.dead
  }

  /** Puts an entry into the stream table, in an order in which the hardware never sees half of it. */
  installEntry(stream: number, entry: StreamEntry): void {
    this.streams.writeRest(stream, entry)
    this.issue(invalidateEntry(stream))
    this.streams.writeFirst(stream, entry)
    this.issue(invalidateEntry(stream))
    if (entry.kind === 'stage 1' && !this.dead) this.commands.send(prefetchConfiguration(stream))
  }
}
