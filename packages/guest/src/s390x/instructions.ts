import type { CpuBus } from '@dmascope/memory/contracts'
import { DIAG_VIRTIO, VIRTIO_CCW_NOTIFY } from '@dmascope/virtio-ccw/spec'
import { INSTRUCTION } from '../spec/s390x.ts'

/** What a machine without such instructions answers: an operation exception. */
const OPERATION = -1
const WORD = 0x1_0000_0000

/** Instructions that the processor has the machine carry out. Each answers its condition code; negative: an exception. */
export class Instructions {
  readonly #bus: CpuBus
  readonly #args = new Uint32Array(8)
  readonly #out = new Uint32Array(2)

  constructor(bus: CpuBus) {
    this.#bus = bus
  }

  /** SSCH, TSCH, STSCH, MSCH, CSCH, HSCH. @param id - subsystem identification word */
  io(code: number, id: number, operand: number): number {
    return this.#trap(code, id, operand)
  }

  serviceCall(command: number, block: number): number {
    return this.#trap(INSTRUCTION.SERVC, command, block)
  }

  /** @param doublewords - that there is room for at the operand */
  storeFacilities(doublewords: number, operand: number): number {
    return this.#trap(INSTRUCTION.STFLE, doublewords - 1, operand)
  }

  ultravisorCall(block: number): number {
    return this.#trap(INSTRUCTION.UVC, block, 0)
  }

  /** The doorbell of virtio-ccw. @returns whether it was heard */
  notify(id: number, queue: number): boolean {
    const condition = this.#trap(INSTRUCTION.DIAGNOSE, DIAG_VIRTIO, VIRTIO_CCW_NOTIFY, id, queue)
    return condition === 0 && (this.#out[1] ?? 0) === 0
  }

  #trap(code: number, first: number, second: number, third = 0, fourth = 0): number {
    const args = this.#args
    args[0] = first % WORD
    args[1] = Math.floor(first / WORD)
    args[2] = second % WORD
    args[3] = Math.floor(second / WORD)
    args[4] = third
    args[5] = 0
    args[6] = fourth
    args[7] = 0
    this.#out.fill(0)
    return this.#bus.hypercall?.(code, args, this.#out) ?? OPERATION
  }
}
