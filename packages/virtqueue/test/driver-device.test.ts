import { createFlatPort, SplitDeviceQueue } from '@dmascope/virtqueue/device'
import { BufferList, createFlatBus, SplitDriverQueue } from '@dmascope/virtqueue/driver'
import { expect, test } from 'vitest'

test('a request goes through the ring and comes back', () => {
  const memory = new Uint8Array(0x10000)
  const driver = new SplitDriverQueue<string>(
    createFlatBus(memory),
    { size: 8, desc: 0x1000, driver: 0x2000, device: 0x3000 },
    { indirect: false, eventIndex: false },
  )
  const device = new SplitDeviceQueue(
    createFlatPort(memory),
    { size: 8, descHi: 0, descLo: 0x1000, driverHi: 0, driverLo: 0x2000, deviceHi: 0, deviceLo: 0x3000 },
    { indirect: false, eventIndex: false },
  )
  memory.set([1, 2, 3, 4], 0x4000)
  const buffers = new BufferList(2).readable(0, 0x4000, 4).writable(0, 0x5000, 8)
  expect(device.next()).toBe(false)
  expect(driver.add(buffers, 'first')).toBe(0)
  expect(device.next()).toBe(false)
  expect(driver.publish()).toBe(true)
  expect(device.next()).toBe(true)
  expect([device.head, device.count, device.readableCount, device.readableBytes, device.writableBytes]).toEqual([
    0, 2, 1, 4, 8,
  ])
  const got = new Uint8Array(3)
  expect(device.read(1, got)).toBe(0)
  expect([...got]).toEqual([2, 3, 4])
  expect(device.write(2, new Uint8Array([9, 8]))).toBe(0)
  expect([...memory.subarray(0x5000, 0x5005)]).toEqual([0, 0, 9, 8, 0])
  device.complete(4)
  expect(device.shouldInterrupt()).toBe(true)
  expect(driver.reap()).toBe(true)
  expect([driver.reapedToken, driver.reapedHead, driver.reapedLength, driver.free]).toEqual(['first', 0, 4, 8])
  expect(driver.reap()).toBe(false)
})
