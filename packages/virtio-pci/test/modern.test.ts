import { describe, expect, it } from 'vitest'
import { Bench } from './bench-function.ts'
import {
  accept,
  CONFIG_GENERATION,
  CONFIG_MSIX_VECTOR,
  DEVICE_CONFIG,
  DEVICE_FEATURE,
  DEVICE_FEATURE_SELECT,
  DRIVER_FEATURE,
  NOTIFY,
  NUM_QUEUES,
  offered,
  placeQueue,
  QUEUE_DEVICE,
  QUEUE_ENABLE,
  QUEUE_MSIX_VECTOR,
  QUEUE_NOTIFY_OFF,
  QUEUE_RESET,
  QUEUE_SELECT,
  QUEUE_SIZE,
  setStatus,
  start,
  status,
} from './modern-driver.ts'

describe('the init sequence of a modern driver, in Linux’s order', () => {
  it('goes from reset to an answer with an interrupt', () => {
    const bench = new Bench({ accessPlatform: true })
    // 1. Reset, and wait until status reads 0.
    setStatus(bench, 0)
    expect(status(bench)).toBe(0)
    // 2. ACKNOWLEDGE, then DRIVER.
    setStatus(bench, 0x01)
    setStatus(bench, 0x03)
    expect(status(bench)).toBe(0x03)
    // 3. Read the offered features, 32 at a time; a third word is empty. Bit 6 is for the legacy interface only.
    expect(offered(bench, 0)).toBe(0x3000_0020)
    expect(offered(bench, 1)).toBe(0x0000_0103)
    bench.write(4, DEVICE_FEATURE_SELECT, 4, 2)
    expect(bench.read(4, DEVICE_FEATURE, 4)).toBe(0)
    // 4. Write what the driver takes of them, among it VERSION_1 and ACCESS_PLATFORM.
    accept(bench, 0x0000_0020, 0x0000_0103)
    // 5. FEATURES_OK, and check that it stands.
    setStatus(bench, 0x0b)
    expect(status(bench)).toBe(0x0b)
    expect(bench.function.negotiatedFeatures).toEqual({ lo: 0x20, hi: 0x103 })
    // 6. The device's configuration, between two reads of the generation that agree.
    const generation = bench.read(4, CONFIG_GENERATION, 1)
    expect(bench.read(4, DEVICE_CONFIG + 4, 4)).toBe(0x0706_0504)
    expect(bench.read(4, CONFIG_GENERATION, 1)).toBe(generation)
    // 7. MSI-X on, the vector for configuration changes.
    bench.enableMsix()
    bench.write(4, CONFIG_MSIX_VECTOR, 2, 0)
    expect(bench.read(4, CONFIG_MSIX_VECTOR, 2)).toBe(0)
    // 8. Each queue: select, size, check that it is not in use, size down, addresses, vector, enable.
    expect(bench.read(4, NUM_QUEUES, 2)).toBe(2)
    bench.write(4, QUEUE_SELECT, 2, 0)
    expect(bench.read(4, QUEUE_SIZE, 2)).toBe(256)
    expect(bench.read(4, QUEUE_ENABLE, 2)).toBe(0)
    placeQueue(bench, 0, 16)
    expect(bench.read(4, QUEUE_SIZE, 2)).toBe(16)
    bench.write(4, QUEUE_MSIX_VECTOR, 2, 1)
    expect(bench.read(4, QUEUE_MSIX_VECTOR, 2)).toBe(1)
    expect(bench.read(4, QUEUE_NOTIFY_OFF, 2)).toBe(0)
    bench.write(4, QUEUE_ENABLE, 2, 1)
    expect(bench.read(4, QUEUE_ENABLE, 2)).toBe(1)
    // 9. DRIVER_OK.
    setStatus(bench, 0x0f)
    expect(status(bench)).toBe(0x0f)
    expect(bench.device.queues.map((queue) => queue?.size ?? null)).toEqual([16, null])
    // 10. A request, the doorbell, which only latches, and the answer.
    const queue = bench.driverQueue(16, 0x1000, 0x3000, 0x4000)
    bench.offer(queue, 'hello')
    bench.write(4, NOTIFY, 2, 0)
    expect(bench.answer(5)).toBe('\0\0\0\0\0')
    expect(bench.function.work(8)).toBe('idle')
    expect(bench.answer(5)).toBe('HELLO')
    expect(bench.interrupts).toEqual(['msi 4021'])
    expect(queue.reap()).toBe(true)
  })
})

describe('VIRTIO_F_ACCESS_PLATFORM', () => {
  it('§6.2 that is offered and declined by a virtio 1 driver: FEATURES_OK does not stand', () => {
    const bench = new Bench({ accessPlatform: true })
    setStatus(bench, 0x01)
    setStatus(bench, 0x03)
    accept(bench, 0, 0b01)
    setStatus(bench, 0x0b)
    expect(status(bench)).toBe(0x03)
    // The negotiation is not over: the driver may think again.
    accept(bench, 0, 0b11)
    setStatus(bench, 0x0b)
    expect(status(bench)).toBe(0x0b)
  })

  it('is not asked of a driver that does not speak virtio 1', () => {
    const bench = new Bench({ accessPlatform: true })
    setStatus(bench, 0x03)
    accept(bench, 0, 0)
    setStatus(bench, 0x0b)
    expect(status(bench)).toBe(0x0b)
  })

  it('is not offered by default, and cannot be accepted then', () => {
    const bench = new Bench()
    expect(offered(bench, 1)).toBe(0x0000_0101)
    accept(bench, 0, 0b11)
    setStatus(bench, 0x0b)
    expect(status(bench)).toBe(0x0b)
    expect(bench.function.negotiatedFeatures).toEqual({ lo: 0, hi: 1 })
  })
})

describe('negotiation', () => {
  it('§3.1.1 is over once FEATURES_OK stands', () => {
    const bench = new Bench()
    setStatus(bench, 0x03)
    accept(bench, 0x20, 1)
    setStatus(bench, 0x0b)
    accept(bench, 0, 0)
    expect(bench.function.negotiatedFeatures).toEqual({ lo: 0x20, hi: 1 })
  })

  it('tells what was written, whatever was taken of it', () => {
    const bench = new Bench()
    accept(bench, 0xffff_ffff, 0xffff_ffff)
    expect(bench.read(4, DRIVER_FEATURE, 4)).toBe(0xffff_ffff)
    expect(bench.function.negotiatedFeatures).toEqual({ lo: 0x3000_0020, hi: 0x101 })
  })

  it('leaves ring features out where they are switched off', () => {
    const bench = new Bench({ indirect: false, eventIndex: false, ringReset: false })
    expect([offered(bench, 0), offered(bench, 1)]).toEqual([0x20, 1])
  })
})

describe('queues', () => {
  it('§4.1.5.1.3 that do not exist have size 0 and take nothing', () => {
    const bench = new Bench()
    bench.write(4, QUEUE_SELECT, 2, 2)
    expect(bench.read(4, QUEUE_SIZE, 2)).toBe(0)
    bench.write(4, QUEUE_SIZE, 2, 8)
    bench.write(4, QUEUE_ENABLE, 2, 1)
    expect([bench.read(4, QUEUE_SIZE, 2), bench.read(4, QUEUE_ENABLE, 2)]).toEqual([0, 0])
  })

  it('get smaller, not larger, and not zero', () => {
    const bench = new Bench()
    bench.write(4, QUEUE_SELECT, 2, 1)
    for (const size of [128, 0]) bench.write(4, QUEUE_SIZE, 2, size)
    expect(bench.read(4, QUEUE_SIZE, 2)).toBe(64)
    bench.write(4, QUEUE_SIZE, 2, 8)
    expect(bench.read(4, QUEUE_SIZE, 2)).toBe(8)
  })

  it('whose size is no power of two need a reset of the device', () => {
    const bench = new Bench()
    setStatus(bench, 0x03)
    accept(bench, 0, 1)
    setStatus(bench, 0x0b)
    placeQueue(bench, 0, 17)
    bench.write(4, QUEUE_ENABLE, 2, 1)
    setStatus(bench, 0x0f)
    expect(status(bench)).toBe(0x4f)
    expect(bench.function.brokenReason).toMatch(/17/)
    expect(bench.function.work(8)).toBe('idle')
  })

  it('keep 64-bit addresses, written in two halves', () => {
    const bench = new Bench()
    bench.function.writeBar(4, QUEUE_DEVICE, 8, 0x8765_4321, 0x0012_3456)
    expect([bench.read(4, QUEUE_DEVICE, 4), bench.read(4, QUEUE_DEVICE + 4, 4)]).toEqual([0x8765_4321, 0x12_3456])
    const out = new Uint32Array(2)
    bench.function.readBar(4, QUEUE_DEVICE, 8, out)
    expect([...out]).toEqual([0x8765_4321, 0x12_3456])
  })

  it('§4.1.5.1.2 read back no vector where the function has not so many', () => {
    const bench = new Bench()
    expect(bench.read(4, QUEUE_MSIX_VECTOR, 2)).toBe(0xffff)
    bench.write(4, QUEUE_MSIX_VECTOR, 2, 3)
    expect(bench.read(4, QUEUE_MSIX_VECTOR, 2)).toBe(0xffff)
    bench.write(4, CONFIG_MSIX_VECTOR, 2, 0x1000)
    expect(bench.read(4, CONFIG_MSIX_VECTOR, 2)).toBe(0xffff)
  })

  it('take 1 in queue_enable and nothing else', () => {
    const bench = new Bench()
    start(bench)
    bench.write(4, QUEUE_ENABLE, 2, 0)
    expect(status(bench)).toBe(0x4f)
  })

  it('§2.6.1 are reset one by one with VIRTIO_F_RING_RESET, and the others go on', () => {
    const bench = new Bench()
    start(bench, 0, 0x101)
    const [first, second] = bench.device.queues
    bench.write(4, QUEUE_SELECT, 2, 1)
    bench.write(4, QUEUE_RESET, 2, 1)
    expect(bench.read(4, QUEUE_RESET, 2)).toBe(0)
    expect([bench.read(4, QUEUE_ENABLE, 2), bench.read(4, QUEUE_SIZE, 2)]).toEqual([0, 64])
    expect(bench.device.queues[0]).toBe(first)
    expect(bench.device.queues[1]).toBeNull()
    placeQueue(bench, 1, 32)
    bench.write(4, QUEUE_ENABLE, 2, 1)
    expect(bench.device.queues[0]).toBe(first)
    expect(bench.device.queues[1]).not.toBe(second)
    expect(bench.device.queues[1]?.size).toBe(32)
  })

  it('do not hear queue_reset without the feature', () => {
    const bench = new Bench()
    start(bench)
    bench.write(4, QUEUE_RESET, 2, 1)
    expect(bench.read(4, QUEUE_ENABLE, 2)).toBe(1)
  })
})
