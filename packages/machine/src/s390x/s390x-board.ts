import type { AddressSpace } from '@dmascope/memory'
import type { ChannelSubsystem } from '@dmascope/virtio-ccw'
import { IO_INTERRUPTION, IO_INTERRUPTION_ADDRESS } from '@dmascope/virtio-ccw/spec'
import type { Board, BoardHardware, BoardSite } from '../board/board.ts'
import { sharingOf } from '../confidential/protected-guest.ts'
import { type CpuInterruptSource, MachineCpuBus } from '../cpu-bus.ts'
import { s390xProcessor } from './s390x-processor.ts'

/** I/O interruptions: what is waiting with the channel subsystem, stored at fixed absolute addresses as it is taken. */
class IoInterruptions implements CpuInterruptSource {
  readonly #css: ChannelSubsystem
  readonly #space: AddressSpace
  readonly #code = new Uint8Array(IO_INTERRUPTION.size)
  readonly #view = new DataView(this.#code.buffer)

  constructor(css: ChannelSubsystem, space: AddressSpace) {
    this.#css = css
    this.#space = space
  }

  get pending(): boolean {
    return this.#css.pending
  }

  /** Interruptions bear no vector: software looks at what was stored. */
  take(): number {
    const taken = this.#css.take()
    if (taken === null) return -1
    IO_INTERRUPTION.fields.subsystem_id.set(this.#view, 0, taken.subsystemId)
    IO_INTERRUPTION.fields.intparm.set(this.#view, 0, taken.intparm)
    IO_INTERRUPTION.fields.word.set(this.#view, 0, taken.word)
    this.#space.writeBytes(IO_INTERRUPTION_ADDRESS, this.#code)
    return 0
  }
}

/** QEMU's s390-ccw-virtio: memory from address 0 on, and a channel subsystem. */
export const s390xBoard = (css: ChannelSubsystem, memory: number): Board => ({
  architecture: 's390x',
  rootBusName: 'pci.0',
  express: true,
  ramRanges: (memoryBytes) => [{ base: 0, size: memoryBytes }],
  functions: [],
  build: (site) => buildS390x(css, memory, site),
})

function buildS390x(css: ChannelSubsystem, memory: number, { cpuSpace, queue, processor }: BoardSite): BoardHardware {
  const instructions = s390xProcessor({
    space: cpuSpace,
    memory,
    css,
    sharing: sharingOf(processor),
    started: (subchannel) => queue.touch(subchannel),
  })
  return {
    bus: new MachineCpuBus(cpuSpace, new IoInterruptions(css, cpuSpace), queue, instructions),
    messages: { first: 1, last: 0, send: () => 'untranslated', ring: () => false },
    setPin() {},
    raiseMsi() {},
    raiseWire() {},
    setWire() {},
    place() {},
    finish() {},
  }
}
