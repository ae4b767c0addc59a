import { createFlatPort, SplitDeviceQueue } from '@dmascope/virtqueue/device'
import { VIRTQ_AVAIL, VIRTQ_DESC, VIRTQ_DESC_F } from '@dmascope/virtqueue/spec'

const { addr, len, flags, next } = VIRTQ_DESC.fields
const { VIRTQ_DESC_F_NEXT } = VIRTQ_DESC_F.fields

// A descriptor that links to itself.
const memory = new Uint8Array(0x1000)
const view = new DataView(memory.buffer)
addr.lo.set(view, 0, 0x800)
len.set(view, 0, 64)
flags.set(view, 0, VIRTQ_DESC_F_NEXT.loMask)
next.set(view, 0, 0)
VIRTQ_AVAIL.fields.idx.set(view, 0x400, 1)

const queue = new SplitDeviceQueue(
  createFlatPort(memory),
  { size: 4, descHi: 0, descLo: 0, driverHi: 0, driverLo: 0x400, deviceHi: 0, deviceLo: 0x600 },
  { indirect: true, eventIndex: false },
)
console.log(queue.next(), queue.broken)
