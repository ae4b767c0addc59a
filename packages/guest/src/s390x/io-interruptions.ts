import type { CpuBus } from '@dmascope/memory/contracts'
import { IO_INTERRUPTION, IO_INTERRUPTION_ADDRESS, IO_INTERRUPTION_WORD, SUBSYSTEM_ID } from '@dmascope/virtio-ccw/spec'
import type { CpuInterruptController } from '../interrupts/vectors.ts'
import { CONTROL_REGISTER_6 } from '../spec/s390x.ts'

/** Linux's IO_SCH_ISC, which virtio's adapter interruptions have too. */
export const IO_SCH_ISC = 3
const FIRST_SUBCLASS = 0x8000_0000
const SUBCLASSES = 8

/** Vectors of adapters are subclasses; those of subchannels come behind. */
export const adapterVector = (isc: number): number => isc
export const subchannelVector = (id: number): number =>
  SUBCLASSES + (SUBSYSTEM_ID.fields.SSID.get(id) << 16) + SUBSYSTEM_ID.fields.SUBCHANNEL.get(id)

/** I/O interruptions, which are told apart by what the processor stores of each. */
export class IoInterruptions implements CpuInterruptController {
  /** None is anybody's for the asking. */
  readonly dynamic = { first: 0, last: -1 }
  readonly #bus: CpuBus
  readonly #code = new Uint8Array(IO_INTERRUPTION.size)
  readonly #view = new DataView(this.#code.buffer)

  constructor(bus: CpuBus) {
    this.#bus = bus
  }

  /** From now on the processor takes interruptions of this subclass (`isc_register`). */
  enable(isc: number): void {
    const registers = this.#bus.systemRegisters
    const enabled = registers?.read(CONTROL_REGISTER_6) ?? 0
    registers?.write(CONTROL_REGISTER_6, (enabled | (FIRST_SUBCLASS >>> isc)) >>> 0)
  }

  take(): number {
    this.#bus.readBytes(IO_INTERRUPTION_ADDRESS, this.#code)
    const word = IO_INTERRUPTION.fields.word.get(this.#view, 0)
    if (IO_INTERRUPTION_WORD.fields.A.get(word) === 1) return adapterVector(IO_INTERRUPTION_WORD.fields.ISC.get(word))
    return subchannelVector(IO_INTERRUPTION.fields.subsystem_id.get(this.#view, 0))
  }

  endOfInterrupt(): void {
    // It ended as it was taken.
  }
}
