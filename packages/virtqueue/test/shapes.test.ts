import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { DmaPort } from '@dmascope/memory'
import { expect, it } from 'vitest'
import { createDeviceQueue } from '../src/device/create-device-queue.ts'
import { createDriverQueue } from '../src/driver/create-driver-queue.ts'

setFlagsFromString('--expose-gc --allow-natives-syntax')
const collect = runInNewContext('gc') as () => void
const hasFastProperties = new Function('one', 'return %HasFastProperties(one)') as (one: object) => boolean

const port: DmaPort = {
  read: () => 0,
  write: () => 0,
  view: () => null,
  isCurrent: () => false,
  account() {},
}
const memory = { read16: () => 0, read32: () => 0, write16() {}, write32() {} }
const features = { indirect: true, eventIndex: true }
const deviceAt = { size: 8, descHi: 0, descLo: 0, driverHi: 0, driverLo: 0x1000, deviceHi: 0, deviceLo: 0x2000 }
const driverAt = { size: 8, desc: 0, driver: 0x1000, device: 0x2000 }

const KINDS: [string, () => object][] = [
  ['split device', () => createDeviceQueue(port, deviceAt, features)],
  ['packed device', () => createDeviceQueue(port, deviceAt, { ...features, packed: true })],
  ['split driver', () => createDriverQueue(memory, driverAt, features)],
  ['packed driver', () => createDriverQueue(memory, driverAt, { ...features, packed: true })],
]

// For the first few queues V8 still looks how much room they need.
it.each(KINDS)('a %s queue keeps its fields in an object, though none lives when memory is collected', (_, make) => {
  for (let round = 0; round < 10; round++) {
    make()
    for (let time = 0; time < 3; time++) collect()
  }
  expect(hasFastProperties(make())).toBe(true)
})
