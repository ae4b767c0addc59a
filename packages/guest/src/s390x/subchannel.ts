import type { DmaMapping } from '@dmascope/dma'
import type { CpuBus } from '@dmascope/memory/contracts'
import {
  CCW_COMMAND,
  CCW_FLAGS,
  CCW1,
  DEVICE_STATUS,
  IO_INSTRUCTION,
  IRB,
  ORB,
  ORB_WORD1,
  PMCW_CHARS,
  PMCW_FLAGS,
  SCHIB,
  SCSW_CTRL,
  SENSE_COMMAND_REJECT,
  SENSE_ID,
} from '@dmascope/virtio-ccw/spec'
import type { Vectors } from '../interrupts/vectors.ts'
import type { AdapterBits, ChannelSite, CommandOutcome, InterruptionTaker } from './channel-site.ts'
import type { Instructions } from './instructions.ts'
import { IO_SCH_ISC, subchannelVector } from './io-interruptions.ts'

/** Where an operand of an instruction is, in the kernel's own page for these. */
const OPERAND = { schib: 0, orb: 0x40, irb: 0x80 } as const
/** In a device's area: its one command, and room for what SENSE ID answers. */
const COMMAND_OFFSET = 0
const SENSE_OFFSET = 0x400
/** Format 1; all paths; nothing is fetched ahead. */
const ORB_FLAGS = ORB_WORD1.fields.F.setLo(ORB_WORD1.fields.LPM.setLo(0, 0xff), 1)
const ATTEMPTS = 5
const GOOD = DEVICE_STATUS.fields.CHANNEL_END.loMask | DEVICE_STATUS.fields.DEVICE_END.loMask

/** What a kernel's channel I/O works with. */
export interface ChannelKernel {
  readonly bus: CpuBus
  readonly vectors: Vectors
  readonly instructions: Instructions
  /** A page for operands, which no device looks at. */
  readonly operands: number
  readonly adapters: AdapterBits
}

/** What SENSE ID tells. */
export interface SensedDevice {
  readonly cuType: number
  readonly cuModel: number
}

/** A subchannel, and the one program that it carries out at a time: Linux's `ccw_device`. */
export class Subchannel implements ChannelSite {
  readonly area: DmaMapping
  readonly adapters: AdapterBits
  cuModel = 0
  taker: InterruptionTaker | null = null
  readonly #kernel: ChannelKernel
  readonly #id: number
  readonly #irb = new Uint8Array(IRB.size)
  readonly #irbView = new DataView(this.#irb.buffer)
  #running = false
  #outcome: CommandOutcome = 'failed'

  constructor(kernel: ChannelKernel, id: number, area: DmaMapping) {
    this.#kernel = kernel
    this.#id = id
    this.area = area
    this.adapters = kernel.adapters
    kernel.vectors.claim(subchannelVector(id), 'edge')?.handlers.push(() => this.#interrupt())
  }

  /** STSCH, MSCH: enabled, with a subclass, and sense data that comes with the status. @returns whether it is now */
  enable(): boolean {
    const { bus, instructions, operands } = this.#kernel
    const at = operands + OPERAND.schib
    if (instructions.io(IO_INSTRUCTION.STSCH, this.#id, at) !== 0) return false
    const bytes = new Uint8Array(SCHIB.size)
    const schib = new DataView(bytes.buffer)
    bus.readBytes(at, bytes)
    const { offset, fields } = SCHIB.fields.pmcw
    const flags = PMCW_FLAGS.fields.ISC.setLo(fields.flags.get(schib, offset), IO_SCH_ISC)
    fields.intparm.set(schib, offset, this.#id)
    fields.flags.set(schib, offset, PMCW_FLAGS.fields.E.setLo(flags, 1))
    fields.chars.set(schib, offset, PMCW_CHARS.fields.S.setLo(fields.chars.get(schib, offset), 1))
    bus.writeBytes(at, bytes)
    return instructions.io(IO_INSTRUCTION.MSCH, this.#id, at) === 0
  }

  /** Device recognition, then path verification (`ccw_device_sense_id_start`, `ccw_device_verify_start`). */
  recognize(): SensedDevice | null {
    const outcome = this.command(CCW_COMMAND.SENSE_ID, SENSE_OFFSET, SENSE_ID.size, { anyLength: true })
    if (outcome !== 'done') return null
    const bytes = new Uint8Array(SENSE_ID.size)
    this.#kernel.bus.readBytes(this.area.cpu + SENSE_OFFSET, bytes)
    const view = new DataView(bytes.buffer)
    // What answered wrote all ones first.
    if (SENSE_ID.fields.reserved.get(view, 0) !== 0xff) return null
    if (this.command(CCW_COMMAND.NOOP, 0, 0) !== 'done') return null
    this.cuModel = SENSE_ID.fields.cu_model.get(view, 0)
    return { cuType: SENSE_ID.fields.cu_type.get(view, 0), cuModel: this.cuModel }
  }

  command(code: number, data: number, count: number, { anyLength = false } = {}): CommandOutcome {
    const { bus, instructions, operands, vectors } = this.#kernel
    const program = this.area.cpu + COMMAND_OFFSET
    const ccw = new Uint8Array(CCW1.size)
    const view = new DataView(ccw.buffer)
    CCW1.fields.cmd_code.set(view, 0, code)
    CCW1.fields.flags.set(view, 0, anyLength ? CCW_FLAGS.fields.SLI.loMask : 0)
    CCW1.fields.count.set(view, 0, count)
    CCW1.fields.cda.set(view, 0, count === 0 ? 0 : this.area.lo + data)
    bus.writeBytes(program, ccw)
    const bytes = new Uint8Array(ORB.size)
    const orb = new DataView(bytes.buffer)
    ORB.fields.intparm.set(orb, 0, this.#id)
    ORB.fields.word1.set(orb, 0, ORB_FLAGS)
    ORB.fields.cpa.set(orb, 0, this.area.lo + COMMAND_OFFSET)
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      bus.writeBytes(operands + OPERAND.orb, bytes)
      const condition = instructions.io(IO_INSTRUCTION.SSCH, this.#id, operands + OPERAND.orb)
      if (condition === 0) {
        this.#running = true
        vectors.wait(() => !this.#running)
        if (!this.#running) return this.#outcome
        this.#running = false
        return 'never ended'
      }
      if (condition < 0 || condition === 3) return 'failed'
      // An alert is pending, or something goes on: its interruption comes first.
      vectors.poll()
    }
    return 'failed'
  }

  notify(queue: number): void {
    this.#kernel.instructions.notify(this.#id, queue)
  }

  /** Takes the status: of the program that runs, or an alert of the device's. */
  #interrupt(): boolean {
    const { bus, instructions, operands } = this.#kernel
    if (instructions.io(IO_INSTRUCTION.TSCH, this.#id, operands + OPERAND.irb) !== 0) return false
    bus.readBytes(operands + OPERAND.irb, this.#irb)
    const { offset, fields } = IRB.fields.scsw
    if (SCSW_CTRL.fields.START.get(fields.ctrl.get(this.#irbView, offset)) === 1) {
      this.#outcome = this.#judge(fields.dstat.get(this.#irbView, offset), fields.cstat.get(this.#irbView, offset))
      this.#running = false
    }
    this.taker?.interrupted()
    return true
  }

  #judge(deviceStatus: number, subchannelStatus: number): CommandOutcome {
    if (deviceStatus === GOOD && subchannelStatus === 0) return 'done'
    const sense = this.#irb[IRB.fields.ecw.offset] ?? 0
    const unitCheck = DEVICE_STATUS.fields.UNIT_CHECK.get(deviceStatus) === 1
    return unitCheck && (sense & SENSE_COMMAND_REJECT) !== 0 ? 'rejected' : 'failed'
  }
}
