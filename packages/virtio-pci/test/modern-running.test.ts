import { describe, expect, it } from 'vitest'
import { Bench } from './bench-function.ts'
import {
  CONFIG_GENERATION,
  CONFIG_MSIX_VECTOR,
  DEVICE_CONFIG,
  DEVICE_STATUS,
  ISR,
  NOTIFY,
  QUEUE_DESC,
  QUEUE_ENABLE,
  QUEUE_MSIX_VECTOR,
  QUEUE_SELECT,
  QUEUE_SIZE,
  setStatus,
  start,
  status,
} from './modern-driver.ts'

describe('notifications', () => {
  it('name the queue by their place, and are not heard before DRIVER_OK', () => {
    const bench = new Bench()
    bench.write(4, NOTIFY + 4, 2, 1)
    expect(bench.device.notified).toEqual([])
    start(bench)
    bench.write(4, NOTIFY + 4, 2, 1)
    bench.write(4, NOTIFY + 4 * 900, 2, 900)
    expect(bench.device.notified).toEqual([1])
  })
})

describe('interrupts', () => {
  const oneRequest = (bench: Bench): void => {
    bench.offer(bench.driverQueue(16, 0x1000, 0x3000, 0x4000), 'x')
    bench.write(4, NOTIFY, 2, 0)
    bench.function.work(8)
  }

  it('§4.1.4.5 use the pin without MSI-X: reading the ISR takes it down', () => {
    const bench = new Bench()
    start(bench)
    oneRequest(bench)
    expect(bench.interrupts).toEqual(['intx up'])
    expect(bench.function.config.read(0x06, 2) & 8).toBe(8)
    expect(bench.read(4, ISR, 1)).toBe(1)
    expect(bench.interrupts).toEqual(['intx up', 'intx down'])
    expect(bench.function.config.read(0x06, 2) & 8).toBe(0)
    expect(bench.read(4, ISR, 1)).toBe(0)
  })

  it('wait behind Interrupt Disable, with the status bit set', () => {
    const bench = new Bench()
    bench.function.config.write(0x04, 2, 0x0407)
    start(bench)
    oneRequest(bench)
    expect(bench.interrupts).toEqual([])
    expect(bench.function.config.read(0x06, 2) & 8).toBe(8)
    bench.function.config.write(0x04, 2, 0x0007)
    expect(bench.interrupts).toEqual(['intx up'])
  })

  it('leave the pin when MSI-X comes on', () => {
    const bench = new Bench()
    start(bench)
    oneRequest(bench)
    bench.enableMsix()
    expect(bench.interrupts).toEqual(['intx up', 'intx down'])
  })

  it('with MSI-X on and no vector go nowhere', () => {
    const bench = new Bench()
    start(bench)
    bench.enableMsix()
    bench.write(4, QUEUE_SELECT, 2, 0)
    bench.write(4, QUEUE_MSIX_VECTOR, 2, 0xffff)
    oneRequest(bench)
    expect(bench.interrupts).toEqual([])
  })

  it('§2.5.1 tell of a changed configuration, and the generation moves', () => {
    const bench = new Bench()
    start(bench)
    const before = bench.read(4, CONFIG_GENERATION, 1)
    bench.device.host?.configChanged()
    expect(bench.read(4, CONFIG_GENERATION, 1)).toBe(before + 1)
    expect(bench.read(4, ISR, 1)).toBe(3)
    bench.enableMsix()
    bench.write(4, CONFIG_MSIX_VECTOR, 2, 2)
    bench.device.host?.configChanged()
    expect(bench.interrupts.at(-1)).toBe('msi 4022')
  })
})

describe('a device that cannot go on', () => {
  it('§2.1.1 sets DEVICE_NEEDS_RESET, tells the driver, and is silent until it is reset', () => {
    const bench = new Bench()
    start(bench)
    bench.device.host?.needsReset('the disk is on fire')
    expect(status(bench)).toBe(0x4f)
    expect(bench.read(4, ISR, 1)).toBe(3)
    expect(bench.function.brokenReason).toBe('the disk is on fire')
    bench.device.host?.interrupt(0)
    bench.write(4, NOTIFY, 2, 0)
    expect(bench.device.notified).toEqual([])
    expect(bench.read(4, ISR, 1)).toBe(0)
    // A driver cannot write the bit away, only reset it away.
    setStatus(bench, 0x0f)
    expect(status(bench)).toBe(0x4f)
    setStatus(bench, 0)
    expect([status(bench), bench.function.brokenReason]).toEqual([0, null])
  })

  it('is found out by its ring: an index too far ahead', () => {
    const bench = new Bench()
    start(bench)
    bench.bus.write16(0x3002, 60398)
    bench.write(4, NOTIFY, 2, 0)
    bench.function.work(8)
    expect(status(bench)).toBe(0x4f)
    expect(bench.function.brokenReason).toMatch(/^queue 0: /)
  })
})

describe('reset', () => {
  it('by status 0 puts everything back, and the pin down', () => {
    const bench = new Bench()
    start(bench)
    bench.device.host?.interrupt(0)
    setStatus(bench, 0)
    expect(bench.interrupts).toEqual(['intx up', 'intx down'])
    expect(bench.device.resets).toBe(1)
    expect(bench.function.negotiatedFeatures).toEqual({ lo: 0, hi: 0 })
    expect(bench.read(4, QUEUE_SELECT, 2)).toBe(0)
    expect([bench.read(4, QUEUE_SIZE, 2), bench.read(4, QUEUE_ENABLE, 2), bench.read(4, QUEUE_DESC, 4)]).toEqual([
      256, 0, 0,
    ])
    expect(bench.read(4, QUEUE_MSIX_VECTOR, 2)).toBe(0xffff)
    // The function's own registers are not the device's.
    expect(bench.function.config.busMasterEnabled).toBe(true)
  })

  it('of the function takes configuration space and MSI-X with it', () => {
    const bench = new Bench()
    start(bench)
    bench.enableMsix()
    bench.function.reset('bus')
    expect(status(bench)).toBe(0)
    expect(bench.function.msix?.enabled).toBe(false)
    expect(bench.read(1, 8, 4)).toBe(0)
    expect(bench.function.config.busMasterEnabled).toBe(false)
  })

  it('is what a Function Level Reset does', () => {
    const bench = new Bench({ expressPort: true })
    start(bench)
    bench.function.config.write(0x48, 2, 0x8000)
    expect(status(bench)).toBe(0)
    expect(bench.device.resets).toBe(1)
  })

  it('is not what losing Bus Master Enable does: DRIVER_OK goes, the rest stays', () => {
    const bench = new Bench()
    start(bench)
    bench.function.config.write(0x04, 2, 0x0003)
    expect(status(bench)).toBe(0x0b)
    bench.write(4, NOTIFY, 2, 0)
    expect(bench.device.notified).toEqual([])
  })
})

describe('the device’s configuration', () => {
  it('reads as all ones past its end and takes no writes there', () => {
    const bench = new Bench()
    expect(bench.read(4, DEVICE_CONFIG + 56, 4)).toBe(0x3b3a_3938)
    expect(bench.read(4, DEVICE_CONFIG + 58, 4)).toBe(0xffff_ffff)
    expect(bench.read(4, DEVICE_CONFIG + 60, 1)).toBe(0xff)
    bench.write(4, DEVICE_CONFIG + 58, 4, 0)
    expect(bench.read(4, DEVICE_CONFIG + 58, 2)).toBe(0x3b3a)
    bench.write(4, DEVICE_CONFIG + 58, 2, 0x1234)
    expect(bench.read(4, DEVICE_CONFIG + 58, 2)).toBe(0x1234)
  })
})

describe('§4.1.4.9 the configuration access window', () => {
  it('reaches the structures through configuration space', () => {
    const bench = new Bench()
    const { config } = bench.function
    // virtio_pci_cfg_cap is the last of the five, at 0x84: bar 4, offset 8, length 12, data 16.
    expect(config.read(0x84 + 3, 1)).toBe(5)
    config.write(0x84 + 4, 1, 4)
    config.write(0x84 + 8, 4, DEVICE_STATUS)
    config.write(0x84 + 12, 4, 1)
    config.write(0x84 + 16, 1, 0x03)
    expect(status(bench)).toBe(0x03)
    config.write(0x84 + 8, 4, DEVICE_CONFIG + 4)
    config.write(0x84 + 12, 4, 4)
    expect(config.read(0x84 + 16, 4)).toBe(0x0706_0504)
  })

  it('goes nowhere with another BAR, a strange width, or off the end', () => {
    const bench = new Bench()
    const { config } = bench.function
    config.write(0x84 + 8, 4, DEVICE_STATUS)
    for (const [bar, offset, length] of [
      [1, DEVICE_STATUS, 1],
      [4, DEVICE_STATUS, 3],
      [4, 0x4000, 4],
      [4, 0xffff_fffc, 4],
      [4, DEVICE_STATUS + 1, 2],
    ] as const) {
      config.write(0x84 + 4, 1, bar)
      config.write(0x84 + 8, 4, offset)
      config.write(0x84 + 12, 4, length)
      config.write(0x84 + 16, 4, 0xff)
    }
    expect(status(bench)).toBe(0)
  })
})
