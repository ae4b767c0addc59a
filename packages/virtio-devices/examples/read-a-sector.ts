import { createBlock, createSparseDisk } from '@dmascope/virtio-devices'
import { VIRTIO_BLK_S_OK, VIRTIO_BLK_T_IN, virtio_blk_req } from '@dmascope/virtio-devices/spec'
import { splitRingLayout } from '@dmascope/virtqueue'
import { createFlatPort, SplitDeviceQueue } from '@dmascope/virtqueue/device'
import { BufferList, createFlatBus, SplitDriverQueue } from '@dmascope/virtqueue/driver'

const disk = createSparseDisk(8 * 2 ** 20)
disk.write(512, new TextEncoder().encode('sector 1 of the disk'))
const device = createBlock({ disk })

// What a transport does: memory, one queue, and DRIVER_OK. Here bus addresses are offsets into 64 KiB.
const memory = new Uint8Array(65_536)
const ring = splitRingLayout(8)
const features = { indirect: false, eventIndex: false }
const queue = new SplitDeviceQueue(
  createFlatPort(memory),
  {
    size: 8,
    descHi: 0,
    descLo: ring.desc,
    driverHi: 0,
    driverLo: ring.driver,
    deviceHi: 0,
    deviceLo: ring.device,
  },
  features,
)
device.activate([queue], device.features, {
  dma: createFlatPort(memory),
  interrupt: (index) => console.log(`interrupt of queue ${index}`),
  configChanged: () => {},
  needsReset: (reason) => console.log(reason),
})

// What a driver does: a header, a sector's room and a status byte, in one chain.
const HEADER = 0x8000
const DATA = 0x9000
const STATUS = 0xa000
const view = new DataView(memory.buffer)
virtio_blk_req.fields.type.set(view, HEADER, VIRTIO_BLK_T_IN)
virtio_blk_req.fields.sector.number.set(view, HEADER, 1)
memory[STATUS] = 0xff
const driver = new SplitDriverQueue(createFlatBus(memory), { size: 8, ...ring }, features)
const request = new BufferList(3).readable(0, HEADER, virtio_blk_req.size).writable(0, DATA, 512).writable(0, STATUS, 1)
driver.add(request, 0)
if (driver.publish()) device.notify(0)

console.log(`the device is ${device.work(64)}`)
console.log(
  `completed: ${driver.reap()}, ${driver.reapedLength} bytes written, ok: ${memory[STATUS] === VIRTIO_BLK_S_OK}`,
)
console.log(new TextDecoder().decode(memory.subarray(DATA, DATA + 20)))
