import { ChannelSubsystem, ioInstruction, VirtioCcwDevice } from '@dmascope/virtio-ccw'
import { IO_INSTRUCTION, subsystemId } from '@dmascope/virtio-ccw/spec'
import { createRng } from '@dmascope/virtio-devices'
import { createFlatPort } from '@dmascope/virtqueue/device'

// A machine with one device, on subchannel 0.0000. Channel programs are in the same memory as all else.
const memory = new Uint8Array(0x1_0000)
const view = new DataView(memory.buffer)
const css = new ChannelSubsystem()
const device = new VirtioCcwDevice({ device: createRng({ seed: 1 }), accessPlatform: true })
const subchannel = css.add({ set: 0, number: 0, deviceNumber: 0x1234 }, device)
subchannel.connect(createFlatPort(memory))

// What a processor does with an instruction of the channel subsystem's.
const storage = {
  covers: (at: number, length: number): boolean => at + length <= memory.length,
  readBytes: (at: number, into: Uint8Array): void => into.set(memory.subarray(at, at + into.length)),
  writeBytes: (at: number, from: Uint8Array): void => memory.set(from, at),
}
const io = (code: number, address: number): number =>
  ioInstruction(css, storage, code, subsystemId(0, 0), address, () => {})

// STORE SUBCHANNEL, then MODIFY SUBCHANNEL with the bit that enables it.
console.log(
  `STSCH: condition code ${io(IO_INSTRUCTION.STSCH, 0x100)}, device number ${view.getUint16(0x106).toString(16)}`,
)
view.setUint16(0x104, view.getUint16(0x104) | 0x80)
console.log(`MSCH: condition code ${io(IO_INSTRUCTION.MSCH, 0x100)}`)

// A program of one command, SENSE ID of 7 bytes, and the block that SSCH takes.
memory.set([0xe4, 0x20, 0x00, 0x07, 0x00, 0x00, 0x10, 0x00], 0x400)
memory.set([0, 0, 0, 0, 0x00, 0x80, 0xff, 0x00, 0x00, 0x00, 0x04, 0x00], 0x200)
console.log(`SSCH: condition code ${io(IO_INSTRUCTION.SSCH, 0x200)}`)
subchannel.work(64)
console.log(
  `TSCH: condition code ${io(IO_INSTRUCTION.TSCH, 0x300)}, device status ${view.getUint8(0x308).toString(16)}`,
)
console.log(`control unit ${view.getUint16(0x1001).toString(16)}, model ${view.getUint8(0x1003)}`)
