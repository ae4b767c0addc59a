import { describe, expect, it } from 'vitest'
import { Bench } from './bench-function.ts'

// The legacy header in BAR 0, virtio 1.3 §4.1.4.10.
const DEVICE_FEATURES = 0x00
const DRIVER_FEATURES = 0x04
const QUEUE_ADDRESS = 0x08
const QUEUE_SIZE = 0x0c
const QUEUE_SELECT = 0x0e
const QUEUE_NOTIFY = 0x10
const DEVICE_STATUS = 0x12
const ISR = 0x13
const CONFIG_VECTOR = 0x14
const QUEUE_VECTOR = 0x16

const legacyOnly = { legacy: true, modern: false } as const
const transitional = { legacy: true, modern: true } as const
const status = (bench: Bench): number => bench.read(0, DEVICE_STATUS, 1)

describe.each([
  ['legacy', legacyOnly],
  ['transitional', transitional],
])('the init sequence of a legacy driver on a %s device, in Linux’s order', (_name, interfaces) => {
  it('goes from reset to an answer with an interrupt', () => {
    const bench = new Bench(interfaces)
    // 1. Reset; read status to flush it.
    bench.write(0, DEVICE_STATUS, 1, 0)
    expect(status(bench)).toBe(0)
    // 2. ACKNOWLEDGE, then DRIVER.
    bench.write(0, DEVICE_STATUS, 1, 1)
    bench.write(0, DEVICE_STATUS, 1, 3)
    // 3. Features: 32 bits, with those that only this interface shows (6, 27, 30).
    expect(bench.read(0, DEVICE_FEATURES, 4)).toBe(0x7800_0060)
    bench.write(0, DRIVER_FEATURES, 4, 0x0000_0060)
    expect(bench.function.negotiatedFeatures).toEqual({ lo: 0x60, hi: 0 })
    // 4. MSI-X on: now the vector registers are there, and the configuration moved behind them.
    expect(bench.read(0, 0x14, 4)).toBe(0x0302_0100)
    bench.enableMsix()
    expect(bench.read(0, 0x18, 4)).toBe(0x0302_0100)
    bench.write(0, CONFIG_VECTOR, 2, 0)
    expect(bench.read(0, CONFIG_VECTOR, 2)).toBe(0)
    // 5. The queue: select, size, unused, then its page and vector.
    bench.write(0, QUEUE_SELECT, 2, 0)
    expect(bench.read(0, QUEUE_SIZE, 2)).toBe(256)
    expect(bench.read(0, QUEUE_ADDRESS, 4)).toBe(0)
    bench.write(0, QUEUE_ADDRESS, 4, 0x2)
    expect(bench.read(0, QUEUE_ADDRESS, 4)).toBe(0x2)
    bench.write(0, QUEUE_VECTOR, 2, 1)
    expect(bench.read(0, QUEUE_VECTOR, 2)).toBe(1)
    // 6. DRIVER_OK. There is no FEATURES_OK.
    bench.write(0, DEVICE_STATUS, 1, 7)
    expect(status(bench)).toBe(0x07)
    // 7. A request. Of 256 entries at 0x2000 the available ring is at 0x3000, the used ring on the next page.
    const queue = bench.driverQueue(256, 0x2000, 0x3000, 0x4000)
    bench.offer(queue, 'legacy')
    bench.write(0, QUEUE_NOTIFY, 2, 0)
    bench.function.work(8)
    expect(bench.answer(6)).toBe('LEGACY')
    expect(bench.interrupts).toEqual(['msi 4021'])
    expect(queue.reap()).toBe(true)
  })
})

describe('the legacy interface', () => {
  it('sees no feature above 31, and so neither VERSION_1 nor ACCESS_PLATFORM', () => {
    const bench = new Bench(transitional)
    expect(bench.function.offeredFeatures.hi).toBe(0x101)
    bench.write(0, DRIVER_FEATURES, 4, 0xbfff_ffff)
    expect(bench.function.negotiatedFeatures).toEqual({ lo: 0x3800_0060, hi: 0 })
    expect(bench.read(0, DRIVER_FEATURES, 4)).toBe(0x3800_0060)
  })

  it('takes a driver that accepts bit 30 to have accepted nothing', () => {
    const bench = new Bench(legacyOnly)
    bench.write(0, DRIVER_FEATURES, 4, 0xffff_ffff)
    expect(bench.function.negotiatedFeatures).toEqual({ lo: 0, hi: 0 })
  })

  it('uses the pin without MSI-X', () => {
    const bench = new Bench(legacyOnly)
    bench.write(0, QUEUE_ADDRESS, 4, 2)
    bench.write(0, DEVICE_STATUS, 1, 7)
    bench.offer(bench.driverQueue(256, 0x2000, 0x3000, 0x4000), 'x')
    bench.write(0, QUEUE_NOTIFY, 2, 0)
    bench.function.work(8)
    expect(bench.interrupts).toEqual(['intx up'])
    expect(bench.read(0, ISR, 1)).toBe(1)
    expect(bench.interrupts).toEqual(['intx up', 'intx down'])
  })

  it('reads its vector registers as all ones where the driver looks for them too early', () => {
    const bench = new Bench({ ...legacyOnly, vectors: 0 })
    expect(bench.function.msix).toBeNull()
    expect(bench.read(0, 0x14, 1)).toBe(0)
    expect(bench.read(0, 0x01, 1)).toBe(0xff)
    expect(bench.read(0, 0x200, 4)).toBe(0xffff_ffff)
  })

  it('puts a ring of 64 entries on two pages', () => {
    const bench = new Bench(legacyOnly)
    bench.write(0, QUEUE_SELECT, 2, 1)
    bench.write(0, QUEUE_ADDRESS, 4, 8)
    bench.write(0, DEVICE_STATUS, 1, 7)
    bench.offer(bench.driverQueue(64, 0x8000, 0x8400, 0x9000), 'small')
    bench.write(0, QUEUE_NOTIFY, 2, 1)
    bench.function.work(8)
    expect(bench.answer(5)).toBe('SMALL')
  })

  it('reaches 44 bits with its page number', () => {
    const bench = new Bench(legacyOnly)
    bench.write(0, QUEUE_ADDRESS, 4, 0xffff_ffff)
    expect(bench.read(0, QUEUE_ADDRESS, 4)).toBe(0xffff_ffff)
  })

  it('stops without a word where the device cannot go on: there is no status bit for it', () => {
    const bench = new Bench(legacyOnly)
    bench.write(0, QUEUE_ADDRESS, 4, 2)
    bench.write(0, DEVICE_STATUS, 1, 7)
    bench.device.host?.needsReset('on fire')
    expect(status(bench)).toBe(7)
    expect(bench.interrupts).toEqual([])
    expect(bench.function.brokenReason).toBe('on fire')
  })

  it('turns bus mastering on for drivers that forget it, as QEMU does', () => {
    const bench = new Bench(legacyOnly)
    bench.function.config.write(0x04, 2, 0x0001)
    bench.write(0, DEVICE_STATUS, 1, 1)
    expect(bench.function.config.busMasterEnabled).toBe(false)
    bench.write(0, DEVICE_STATUS, 1, 3)
    expect(bench.function.config.busMasterEnabled).toBe(true)
  })

  it('resets the device by page 0', () => {
    const bench = new Bench(legacyOnly)
    bench.write(0, DEVICE_STATUS, 1, 3)
    bench.write(0, QUEUE_ADDRESS, 4, 0)
    expect(status(bench)).toBe(0)
    expect(bench.device.resets).toBe(1)
  })
})
