import { splitRingLayout } from '@dmascope/virtqueue'
import { createFlatPort, SplitDeviceQueue } from '@dmascope/virtqueue/device'
import { BufferList, createFlatBus, SplitDriverQueue } from '@dmascope/virtqueue/driver'

const memory = new Uint8Array(0x8000)
const { desc, driver, device } = splitRingLayout(8)
const features = { indirect: false, eventIndex: false }

// The driver's side: a CPU's loads and stores. A request: 5 bytes for the device to read, 16 for it to write.
const requests = new SplitDriverQueue<string>(createFlatBus(memory), { size: 8, desc, driver, device }, features)
memory.set(new TextEncoder().encode('hello'), 0x4000)
const buffers = new BufferList(2).readable(0, 0x4000, 5).writable(0, 0x5000, 16)
requests.add(buffers, 'my first request')
console.log('notify the device:', requests.publish())

// The device's side: DMA, and nothing of what it reads is believed.
const served = new SplitDeviceQueue(
  createFlatPort(memory),
  { size: 8, descHi: 0, descLo: desc, driverHi: 0, driverLo: driver, deviceHi: 0, deviceLo: device },
  features,
)
while (served.next()) {
  const text = new Uint8Array(served.readableBytes)
  served.read(0, text)
  served.write(0, text.reverse())
  served.complete(text.length)
}
console.log('interrupt the driver:', served.shouldInterrupt())

while (requests.reap()) {
  const answer = new TextDecoder().decode(memory.subarray(0x5000, 0x5000 + requests.reapedLength))
  console.log(`${requests.reapedToken}: ${answer}`)
}
