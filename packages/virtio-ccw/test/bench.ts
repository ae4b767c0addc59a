import {
  ChannelSubsystem,
  ioInstruction,
  type Subchannel,
  VirtioCcwDevice,
  type VirtioCcwOptions,
} from '@dmascope/virtio-ccw'
import { IO_INSTRUCTION, subsystemId } from '@dmascope/virtio-ccw/spec'
import { createBlock, createMemoryDisk } from '@dmascope/virtio-devices'
import { createFlatPort } from '@dmascope/virtqueue/device'
import { createFlatBus } from '@dmascope/virtqueue/driver'

/** A block device on subchannel 0.0000, on 1 MiB of memory; interruption subclass 3 is enabled. */
export class Bench {
  readonly memory = new Uint8Array(0x10_0000)
  readonly view = new DataView(this.memory.buffer)
  readonly bus = createFlatBus(this.memory)
  readonly disk = Uint8Array.from({ length: 8 * 512 }, (_, index) => (index * 7) & 0xff)
  readonly css = new ChannelSubsystem()
  readonly device: VirtioCcwDevice
  readonly subchannel: Subchannel
  /** Subchannels that instructions gave work to. */
  readonly started: Subchannel[] = []

  constructor(options: Partial<VirtioCcwOptions> = {}) {
    this.device = new VirtioCcwDevice({
      device: createBlock({ disk: createMemoryDisk(this.disk) }),
      accessPlatform: true,
      ...options,
    })
    this.subchannel = this.css.add({ set: 0, number: 0, deviceNumber: 0x1234 }, this.device)
    this.subchannel.connect(createFlatPort(this.memory))
    this.css.enabledSubclasses = 0x1000_0000
  }

  /** An instruction on subchannel 0.0000, or another. */
  io(code: number, address: number, id = subsystemId(0, 0)): number {
    const storage = {
      covers: (at: number, length: number): boolean => at + length <= this.memory.length,
      readBytes: (at: number, into: Uint8Array): void => into.set(this.memory.subarray(at, at + into.length)),
      writeBytes: (at: number, from: Uint8Array): void => this.memory.set(from, at),
    }
    return ioInstruction(this.css, storage, code, id, address, (one) => this.started.push(one))
  }

  /** Bytes at an address, as hex pairs. */
  hex(at: number, length: number): string {
    return Buffer.from(this.memory.subarray(at, at + length)).toString('hex')
  }

  put(at: number, hex: string): void {
    this.memory.set(Buffer.from(hex.replaceAll(' ', ''), 'hex'), at)
  }

  /** STSCH, MSCH: enabled, with subclass 3, concurrent sense and this parameter. */
  enable(): void {
    this.io(IO_INSTRUCTION.STSCH, 0x100)
    this.put(0x100, '00c0ffee')
    this.view.setUint16(0x104, this.view.getUint16(0x104) | 0x1880)
    this.view.setUint32(0x118, 1)
    this.io(IO_INSTRUCTION.MSCH, 0x100)
  }

  /** SSCH of the program at `at`, what the channel makes of it, TSCH. @returns device status and subchannel status */
  run(at: number): string {
    this.put(0x200, `00000000 0080ff00 ${at.toString(16).padStart(8, '0')}`)
    this.io(IO_INSTRUCTION.SSCH, 0x200)
    this.subchannel.work(64)
    this.css.take()
    this.io(IO_INSTRUCTION.TSCH, 0x300)
    return this.hex(0x308, 2)
  }

  /** A program of one CCW, with its data at 0x1000. */
  command(code: number, payload: string, flags = 0): string {
    const bytes = payload.replaceAll(' ', '').length / 2
    this.put(0x1000, payload)
    this.view.setUint8(0x400, code)
    this.view.setUint8(0x401, flags)
    this.view.setUint16(0x402, bytes)
    this.view.setUint32(0x404, bytes === 0 ? 0 : 0x1000)
    return this.run(0x400)
  }
}
