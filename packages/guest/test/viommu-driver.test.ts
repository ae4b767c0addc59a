import { type VirtioDevice, VirtioPciFunction } from '@dmascope/virtio-pci'
import type { DeviceQueue } from '@dmascope/virtqueue/device'
import { describe, expect, it } from 'vitest'
import type { Machine } from '../../machine/src/index.ts'
import { bootGuest, type GuestDevice, type GuestResult } from '../src/index.ts'
import { ACCESS_PLATFORM, device, disk, machineWith } from './support/test-machine.ts'

const ATTACH = 1
const MAP = 3
const PROBE = 5
/** MAP_UNMAP, PROBE, and with them the bypass field of the configuration. */
const MAP_UNMAP = 1 << 2
const F_PROBE = 1 << 4

/** A request as the device reads it, and how it is answered: its tail's status, 'nothing', or 'keep' it. */
type Behaviour = (type: number, words: DataView) => number | 'nothing' | 'keep'

interface Quirks {
  readonly answer?: Behaviour
  readonly pageSizeMask?: number
  readonly probeSize?: number
  readonly features?: number
  /** Bytes of each event, of which it makes one for each buffer that it is offered, again and again. */
  readonly event?: Uint8Array
  /** What it says that it wrote, be it right or not. */
  readonly written?: number
}

interface Lying extends VirtioDevice {
  /** Types of requests, in the order in which they came. */
  readonly seen: number[]
}

/** A virtio-iommu that answers so. It translates nothing, so that a disk in a domain of its own reaches the wrong memory. */
function lying(quirks: Quirks): Lying {
  const { answer = () => 0, pageSizeMask = 0xffff_f000, probeSize = 512, event = null } = quirks
  const config = new DataView(new ArrayBuffer(40))
  config.setUint32(0x00, pageSizeMask, true)
  config.setUint32(0x20, probeSize, true)
  let requests: DeviceQueue | null = null
  let events: DeviceQueue | null = null
  let interrupt = (): void => {}
  const seen: number[] = []
  return {
    seen,
    type: 23,
    kind: 'virtio-iommu',
    queueSizes: [64, 16],
    features: { lo: quirks.features ?? MAP_UNMAP | F_PROBE, hi: 0 },
    config: {
      size: 40,
      read: (offset, width) => (width === 4 ? config.getUint32(offset, true) : config.getUint8(offset)),
      write() {},
    },
    activate(queues, _features, host) {
      requests = queues[0] ?? null
      events = queues[1] ?? null
      interrupt = () => host.interrupt(1)
    },
    notify() {},
    work() {
      while (requests?.next()) {
        const words = new DataView(new ArrayBuffer(80))
        requests.read(0, new Uint8Array(words.buffer, 0, requests.readableBytes))
        seen.push(words.getUint8(0))
        const status = answer(words.getUint8(0), words)
        if (status === 'keep') continue
        if (status !== 'nothing') requests.write(requests.writableBytes - 4, Uint8Array.of(status, 0, 0, 0))
        requests.complete(status === 'nothing' ? 0 : requests.writableBytes)
      }
      if (event !== null && events?.next()) {
        events.write(0, event)
        events.complete(quirks.written ?? event.length)
        interrupt()
        return 'more'
      }
      return 'idle'
    },
    reset() {
      requests = null
      events = null
    },
  }
}

/** Points the VIOT at the function in slot 10 instead. */
function claimForSlot10({ bus }: Machine): void {
  const tables = new Uint8Array(0x2_0000)
  const base = 512 * 1024 * 1024 - tables.length
  bus.readBytes(base, tables)
  const at = tables.findIndex((_, index) => String.fromCharCode(...tables.subarray(index, index + 4)) === 'VIOT')
  // The first node: type 3 in 16 bytes, then segment and BDF.
  expect([...tables.subarray(at + 0x30, at + 0x38)]).toEqual([3, 0, 16, 0, 0, 0, 9 << 3, 0])
  bus.write8(base + at + 0x36, 10 << 3)
  bus.write8(base + at + 9, (tables[at + 9]! - 8) & 0xff)
}

interface Booted {
  readonly result: GuestResult
  readonly device: Lying
  readonly disk: GuestDevice
  readonly log: string
}

/** A disk at 00:03.0 behind that device, which is the first that the kernel meets. */
function boot(quirks: Quirks, guest = 'linux-6.12'): Booted {
  const unit = lying(quirks)
  const machine = machineWith([disk(3, ACCESS_PLATFORM), device('virtio-iommu-pci', 9)], {}, (empty) =>
    empty.plug({
      function: new VirtioPciFunction({
        device: unit,
        legacy: false,
        modern: true,
        accessPlatform: false,
        vectors: 3,
        indirect: false,
        eventIndex: false,
      }),
      model: 'lying-iommu',
      described: null,
      device: 10,
      fn: 0,
      dmaThrough: null,
      messagesThrough: null,
    }),
  )
  claimForSlot10(machine)
  const result = bootGuest(machine.bus, { profile: guest, witness: machine.witness })
  machine.dispose()
  const found = result.devices.find(({ id }) => id === '0000:00:03.0')!
  return { result, device: unit, disk: found, log: result.timeline.join('\n') }
}

describe('a virtio IOMMU', () => {
  it('that does its work is asked in order: PROBE, ATTACH, then MAPs', () => {
    const { device, disk, result } = boot({})
    expect(result.booted).toBe(true)
    expect([...new Set(device.seen)]).toEqual([PROBE, ATTACH, MAP])
    expect(disk).toMatchObject({ iommuGroup: expect.any(Number), domain: 'dma-fq' })
  })

  it('is not asked for properties where it has none to tell', () => {
    expect([...new Set(boot({ features: MAP_UNMAP }).device.seen)]).toEqual([ATTACH, MAP])
  })

  it('that never answers stops being asked, and the disk goes on without it', () => {
    const { device, disk, log, result } = boot({ answer: () => 'keep' })
    expect(result.booted).toBe(true)
    expect(device.seen).toEqual([PROBE])
    expect(log.match(/request queue: 1 requests are never answered; device status 0x0f/g)).toHaveLength(1)
    expect(disk).toMatchObject({ iommuGroup: null, domain: 'none', io: { ok: true } })
  })

  it('that stops in the middle leaves mappings unmade: the disk has no addresses', () => {
    const { disk, result } = boot({ answer: (type) => (type === MAP ? 'keep' : 0) })
    expect(result.booted).toBe(true)
    expect(disk.iommuGroup).not.toBeNull()
    expect(disk.io.ok).toBe(false)
  })

  it.each([
    [6, 'VIRTIO_IOMMU_S_NOENT'],
    [0x63, 'status 99'],
    ['nothing', 'the device does not know the request'],
  ] as const)('that answers ATTACH with %s: %s', (answer, text) => {
    const { disk, log } = boot({ answer: (type) => (type === ATTACH ? answer : 0) })
    expect(disk.iommuGroup).not.toBeNull()
    expect(log).toContain(`pci 0000:00:03.0: cannot be attached to its domain: ${text}`)
  })

  it.each([
    ['pages of no size', { pageSizeMask: 0 }, 'a page_size_mask of 0'],
    ['no requests to map', { features: F_PROBE }, 'VIRTIO_IOMMU_F_MAP_UNMAP'],
  ] as const)('with %s is not driven, and the disk waits for ever', (_name, quirks, text) => {
    const { device, disk, result } = boot(quirks)
    expect(JSON.stringify(result.devices.find(({ id }) => id === '0000:00:0a.0'))).toContain(text)
    expect(device.seen).toEqual([])
    expect(disk).toMatchObject({ deferred: true, iommuGroup: null })
  })

  it.each([
    ['pages of 64 KiB', { pageSizeMask: 0xffff_0000 }, 'smallest page has 65536 bytes'],
    ['4 GiB of properties', { probeSize: 0xffff_ffff }, '4294967295 bytes of properties'],
  ])('with %s is not used', (_name, quirks, text) => {
    const { disk, log } = boot(quirks)
    expect(log).toContain(text)
    expect(disk).toMatchObject({ iommuGroup: null, io: { ok: true } })
  })
})

describe('events', () => {
  const event = (reason: number, reserved = 0): Uint8Array => {
    const view = new DataView(new ArrayBuffer(24))
    view.setUint8(0, reason)
    view.setUint8(1, reserved)
    // Write, with an address; endpoint 0x18; page 0x12345.
    view.setUint32(4, 0x102, true)
    view.setUint32(8, 0x18, true)
    view.setUint32(16, 0x1234_5000, true)
    return new Uint8Array(view.buffer)
  }

  const BLOCKED = '0000:00:0a.0 blocked a DMA write of 0000:00:03.0 at 0x12345000: reason 2'

  it('without end neither hang the kernel nor fill its memory', () => {
    const { result, log } = boot({ event: event(2) })
    expect(result.booted).toBe(true)
    expect(log).toContain(BLOCKED)
    expect(result.timeline.length).toBeLessThan(1000)
  })

  it('with reserved bytes that are not zero are none', () => {
    expect(boot({ event: event(2, 1) }).log).not.toContain('blocked')
  })

  it('larger than their buffer are not believed', () => {
    const { log } = boot({ event: event(2), written: 400 })
    expect(log).not.toContain('blocked')
    expect(log.match(/an event of 400 bytes, more than its buffer has/g)).toHaveLength(1)
  })
})
