import { describe, expect, it } from 'vitest'
import { Bench } from './bench-function.ts'

// Offsets in virtio_pci_common_cfg, virtio 1.3 §4.1.4.3; the structure stands at 0 of BAR 4.
const DEVICE_FEATURE_SELECT = 0x00
const DEVICE_FEATURE = 0x04
const DRIVER_FEATURE_SELECT = 0x08
const DRIVER_FEATURE = 0x0c
const CONFIG_MSIX_VECTOR = 0x10
const NUM_QUEUES = 0x12
const DEVICE_STATUS = 0x14
const CONFIG_GENERATION = 0x15
const QUEUE_SELECT = 0x16
const QUEUE_SIZE = 0x18
const QUEUE_MSIX_VECTOR = 0x1a
const QUEUE_ENABLE = 0x1c
const QUEUE_NOTIFY_OFF = 0x1e
const QUEUE_DESC = 0x20
const QUEUE_DRIVER = 0x28
const QUEUE_DEVICE = 0x30
const QUEUE_RESET = 0x3a
const ISR = 0x1000
const DEVICE_CONFIG = 0x2000
const NOTIFY = 0x3000

const offered = (bench: Bench, word: 0 | 1): number => {
  bench.write(4, DEVICE_FEATURE_SELECT, 4, word)
  return bench.read(4, DEVICE_FEATURE, 4)
}
const accept = (bench: Bench, lo: number, hi: number): void => {
  bench.write(4, DRIVER_FEATURE_SELECT, 4, 0)
  bench.write(4, DRIVER_FEATURE, 4, lo)
  bench.write(4, DRIVER_FEATURE_SELECT, 4, 1)
  bench.write(4, DRIVER_FEATURE, 4, hi)
}
const status = (bench: Bench): number => bench.read(4, DEVICE_STATUS, 1)
const setStatus = (bench: Bench, value: number): void => bench.write(4, DEVICE_STATUS, 1, value)

function placeQueue(bench: Bench, index: number, size: number): void {
  bench.write(4, QUEUE_SELECT, 2, index)
  bench.write(4, QUEUE_SIZE, 2, size)
  bench.write(4, QUEUE_DESC, 4, 0x1000 + index * 0x8000)
  bench.write(4, QUEUE_DRIVER, 4, 0x3000 + index * 0x8000)
  bench.write(4, QUEUE_DEVICE, 4, 0x4000 + index * 0x8000)
}

/** Through DRIVER_OK, with both queues of 16 entries and the features given. */
function start(bench: Bench, lo = 0, hi = 1): void {
  setStatus(bench, 0x01)
  setStatus(bench, 0x03)
  accept(bench, lo, hi)
  setStatus(bench, 0x0b)
  for (const index of [0, 1]) {
    placeQueue(bench, index, 16)
    bench.write(4, QUEUE_MSIX_VECTOR, 2, index + 1)
    bench.write(4, QUEUE_ENABLE, 2, 1)
  }
  setStatus(bench, 0x0f)
}

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
