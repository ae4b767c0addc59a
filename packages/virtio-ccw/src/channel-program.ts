import { DMA_OK, type DmaPort } from '@dmascope/memory'
import { ChannelData, type IndirectFormat, indirectFormat } from './channel-data.ts'
import {
  type ChannelDevice,
  COMMAND_DATA_CHECK,
  COMMAND_DONE,
  COMMAND_PROGRAM_CHECK,
  type CommandResult,
} from './channel-device.ts'
import { CCW_COMMAND, CCW_FLAGS, CCW1, ORB_WORD1, SENSE_ID, SENSE_ID_BYTES } from './spec/index.ts'

const FLAG = CCW_FLAGS.fields
const ORB = ORB_WORD1.fields
const ADDRESS_LIMIT = 0x8000_0000
const SENSE_BYTES = 32
/** CCWs of one program. DEVIATION: a channel has no such limit, and would follow a loop for ever. */
const MOST_COMMANDS = 4096

/**
 * The channel: fetches a program's CCWs, one after the other, and has the device carry them out. It reaches programs and
 * their data by absolute addresses, through the device's port.
 */
export class ChannelProgram {
  /** What the device said last of what went wrong; the status clears it. */
  readonly sense = new Uint8Array(SENSE_BYTES)
  readonly #device: ChannelDevice
  readonly #dma: DmaPort
  readonly #data: ChannelData
  readonly #ccw = new Uint8Array(CCW1.size)
  readonly #view = new DataView(this.#ccw.buffer)
  #at = 0
  #indirect: IndirectFormat = indirectFormat(false, false)
  #commands = 0
  #afterTransfer = false
  #residual = 0

  constructor(device: ChannelDevice, dma: DmaPort) {
    this.#device = device
    this.#dma = dma
    this.#data = new ChannelData(dma)
  }

  /** @param word1 - of the ORB */
  start(address: number, word1: number): void {
    this.#at = address
    this.#indirect = indirectFormat(ORB.H.get(word1) === 1, ORB.T.get(word1) === 1)
    this.#commands = 0
    this.#afterTransfer = false
    this.#residual = 0
  }

  /** Address of the CCW that is next, or that ended the program. */
  get address(): number {
    return this.#at
  }

  /** Bytes that the last command with data left of what its CCW has room for. */
  get residual(): number {
    return this.#residual
  }

  /** One CCW. @returns how the program ended; null where it goes on */
  step(): CommandResult | null {
    const at = this.#at
    if (++this.#commands > MOST_COMMANDS || at === 0 || at % 8 !== 0 || at + CCW1.size > ADDRESS_LIMIT) {
      return COMMAND_PROGRAM_CHECK
    }
    if (this.#dma.read(0, at, this.#ccw) !== DMA_OK) return COMMAND_PROGRAM_CHECK
    const { fields } = CCW1
    const code = fields.cmd_code.get(this.#view, 0)
    const flags = fields.flags.get(this.#view, 0)
    const count = fields.count.get(this.#view, 0)
    const address = fields.cda.get(this.#view, 0)
    if ((code & 0x0f) === CCW_COMMAND.TIC) {
      if (code !== CCW_COMMAND.TIC || flags !== 0 || count !== 0 || this.#afterTransfer) return COMMAND_PROGRAM_CHECK
      this.#afterTransfer = true
      this.#at = address
      return null
    }
    this.#afterTransfer = false
    const wrong = (code & 0x0f) === 0 || (flags & (FLAG.MIDA.loMask | FLAG.S.loMask)) !== 0
    if (wrong || address >= ADDRESS_LIMIT) return COMMAND_PROGRAM_CHECK
    const result = this.#execute(code, flags, count, address)
    if (result !== COMMAND_DONE || (flags & FLAG.CC.loMask) === 0) return result
    this.#at = at + CCW1.size
    return null
  }

  #execute(code: number, flags: number, count: number, address: number): CommandResult {
    const data = this.#data
    data.begin(address, count, (flags & FLAG.IDA.loMask) !== 0 ? this.#indirect : null)
    const exact = (flags & FLAG.SLI.loMask) === 0 || (flags & FLAG.CD.loMask) !== 0
    const result = this.#basic(code, exact, data) ?? this.#device.execute({ code, exact, data })
    this.#residual = data.residual
    return result
  }

  /** Commands that are the same for all devices; null for one that is none of these. */
  #basic(code: number, exact: boolean, data: ChannelData): CommandResult | null {
    switch (code) {
      case CCW_COMMAND.NOOP:
        return COMMAND_DONE
      case CCW_COMMAND.BASIC_SENSE: {
        const result = answer(this.sense, exact, data)
        if (result === COMMAND_DONE) this.sense.fill(0)
        return result
      }
      case CCW_COMMAND.SENSE_ID: {
        const id = new DataView(new ArrayBuffer(SENSE_ID_BYTES))
        SENSE_ID.fields.reserved.set(id, 0, 0xff)
        SENSE_ID.fields.cu_type.set(id, 0, this.#device.cuType)
        SENSE_ID.fields.cu_model.set(id, 0, this.#device.cuModel)
        return answer(new Uint8Array(id.buffer), exact, data)
      }
      default:
        return null
    }
  }
}

/** As much of an answer as there is room for; room for more is an error where lengths are to be exact. */
function answer(bytes: Uint8Array, exact: boolean, data: ChannelData): CommandResult {
  if (exact && data.count > bytes.length) return COMMAND_PROGRAM_CHECK
  if (data.missing) return COMMAND_DATA_CHECK
  return data.write(bytes.subarray(0, data.count)) ? COMMAND_DONE : COMMAND_PROGRAM_CHECK
}
