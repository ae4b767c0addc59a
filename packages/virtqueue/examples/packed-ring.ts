import { packedRingLayout } from '@dmascope/virtqueue'
import { createDeviceQueue, createFlatPort } from '@dmascope/virtqueue/device'
import { BufferList, createDriverQueue, createFlatBus } from '@dmascope/virtqueue/driver'
import { PVIRTQ_DESC } from '@dmascope/virtqueue/spec'

const memory = new Uint8Array(0x1000)
const view = new DataView(memory.buffer)
const { desc, driver, device } = packedRingLayout(3)
const features = { indirect: false, eventIndex: true, packed: true }
const requests = createDriverQueue<string>(createFlatBus(memory), { size: 3, desc, driver, device }, features)
const served = createDeviceQueue(
  createFlatPort(memory),
  { size: 3, descHi: 0, descLo: desc, driverHi: 0, driverLo: driver, deviceHi: 0, deviceLo: device },
  features,
)

const flags = (): string =>
  [0, 1, 2]
    .map(
      (entry) =>
        `0x${PVIRTQ_DESC.fields.flags
          .get(view, entry * 16)
          .toString(16)
          .padStart(4, '0')}`,
    )
    .join(' ')
const buffers = new BufferList(2).readable(0, 0x800, 16).writable(0, 0x900, 16)
for (const name of ['one', 'two']) {
  requests.add(buffers, name)
  console.log(`${name} made available: ${flags()}`)
  requests.publish()
  served.next()
  served.complete(16)
  console.log(`${name} used:           ${flags()}`)
  requests.reap()
}
