import {
  EVENT,
  EVENT_0,
  EVENT_1,
  EVENTQ_BASE,
  EVENTQ_CONS,
  EVENTQ_PROD,
  EVENTS,
  eventText,
  GERROR,
  SMMU_REGISTERS,
} from '@dmascope/iommu/smmuv3/spec'
import type { CpuBus } from '@dmascope/memory/contracts'
import type { RegisterFile } from '../register-file.ts'
import type { QueueRing } from './queue-ring.ts'

const R = SMMU_REGISTERS.registers
const { OVFLG } = EVENTQ_PROD.fields
const { OVACKFLG } = EVENTQ_CONS.fields
const FIRST_WITH_ADDRESS = EVENTS.F_WALK_EABT.value
const LAST_WITH_ADDRESS = EVENTS.F_PERMISSION.value

/** An event, as its record tells it. */
export interface SmmuEvent {
  readonly stream: number
  readonly id: number
  /** Null where the event has none. */
  readonly address: number | null
  readonly access: 'read' | 'write' | 'unknown'
  /** In the words of the kernel's log, and what they mean. */
  readonly text: string
}

/** The driver's end of the event queue. */
export class EventQueue {
  readonly #bus: CpuBus
  readonly #registers: RegisterFile
  readonly #ring: QueueRing
  readonly #log: (line: string) => void
  #cons = 0

  constructor(bus: CpuBus, registers: RegisterFile, ring: QueueRing, log: (line: string) => void) {
    this.#bus = bus
    this.#registers = registers
    this.#ring = ring
    this.#log = log
  }

  /** EVENTQ_BASE, EVENTQ_PROD, EVENTQ_CONS. */
  program(): void {
    const { WA, ADDR, LOG2SIZE } = EVENTQ_BASE.fields
    const { base, log2Entries } = this.#ring
    const lo = LOG2SIZE.setLo(ADDR.setLo(0, base), log2Entries)
    this.#registers.write64(R.EVENTQ_BASE, ADDR.setHi(WA.setHi(0, 1), base), lo)
    this.#cons = 0
    this.#registers.write32(R.EVENTQ_PROD, 0)
    this.#registers.write32(R.EVENTQ_CONS, 0)
  }

  /** Takes what is in the queue, at most once around, and says of what was lost. */
  take(): readonly SmmuEvent[] {
    const taken: SmmuEvent[] = []
    const prod = this.#registers.read32(R.EVENTQ_PROD)
    for (let left = this.#ring.entries; left > 0 && !this.#ring.isSame(prod, this.#cons); left--) {
      taken.push(this.#decode(this.#ring.addressOf(this.#cons)))
      this.#cons = ((this.#cons & OVACKFLG.loMask) | this.#ring.after(this.#cons)) >>> 0
      this.#registers.write32(R.EVENTQ_CONS, this.#cons)
    }
    if (((prod ^ this.#cons) & OVFLG.loMask) !== 0) {
      this.#log('EVTQ overflow detected -- events lost')
      this.#cons = ((this.#cons & ~OVACKFLG.loMask) | (prod & OVFLG.loMask)) >>> 0
      this.#registers.write32(R.EVENTQ_CONS, this.#cons)
    }
    return taken
  }

  #decode(at: number): SmmuEvent {
    const words = Array.from({ length: EVENT.size / 4 }, (_, index) => this.#bus.read32(at + 4 * index))
    const id = EVENT_0.fields.Event.get(words[0]!)
    const raw = [0, 2, 4, 6].map((low) => `0x${hex8(words[low + 1]!)}${hex8(words[low]!)}`).join(' ')
    const withAddress = id >= FIRST_WITH_ADDRESS && id <= LAST_WITH_ADDRESS
    const read = EVENT_1.fields.RnW.get(words[2]!, words[3]!) === 1
    return {
      stream: EVENT_0.fields.StreamID.get(words[0]!, words[1]!),
      id,
      address: withAddress ? words[5]! * 0x1_0000_0000 + words[4]! : null,
      access: withAddress ? (read ? 'read' : 'write') : 'unknown',
      text: `event 0x${id.toString(16).padStart(2, '0')} received: ${raw}: ${eventText(id)}`,
    }
  }
}

const hex8 = (value: number): string => value.toString(16).padStart(8, '0')

/** What the handler of global errors says of active ones, but for those of the command queue. */
export function describeGlobalErrors(active: number): readonly string[] {
  const { SFM_ERR, EVENTQ_ABT_ERR, PRIQ_ABT_ERR } = GERROR.fields
  const lines = [`unexpected global error reported (0x${hex8(active)}), this could be serious`]
  if ((active & SFM_ERR.loMask) !== 0) lines.push('device has entered Service Failure Mode!')
  if ((active & PRIQ_ABT_ERR.loMask) !== 0) lines.push('PRIQ write aborted -- events may have been lost')
  if ((active & EVENTQ_ABT_ERR.loMask) !== 0) lines.push('EVTQ write aborted -- events may have been lost')
  return lines
}
