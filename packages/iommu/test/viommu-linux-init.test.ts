import { DMA_OK } from '@dmascope/memory'
import { VirtioPciFunction } from '@dmascope/virtio-pci'
import { createFlatPort } from '@dmascope/virtqueue/device'
import { BufferList, createFlatBus, SplitDriverQueue, splitRingLayout } from '@dmascope/virtqueue/driver'
import { expect, it } from 'vitest'
import { NO_PASID, type Translation } from '../src/index.ts'
import { VirtioIommuUnit, virtioIommuOptionsFor } from '../src/virtio-iommu/index.ts'
import { attach, map, probe, unmap } from './viommu-guest.ts'

const BAR = 4
const COMMON = { featureSelect: 0, feature: 4, driverSelect: 8, driverFeature: 0x0c, status: 0x14 }
const QUEUE = { select: 0x16, size: 0x18, enable: 0x1c, desc: 0x20, driver: 0x28, device: 0x30 }
const DEVICE_CONFIG = 0x2000
const NOTIFY = 0x3000

it('Linux’s virtio-iommu driver, on QEMU 11.1’s device over PCI', () => {
  const memory = new Uint8Array(1 << 18)
  const view = new DataView(memory.buffer)
  const bus = createFlatBus(memory)
  const unit = new VirtioIommuUnit({
    ...virtioIommuOptionsFor('11.1', { msi: { start: 0xfee0_0000, end: 0xfeef_ffff }, inputBits: 39 }),
    endpointExists: (endpoint) => endpoint === 0x10,
    wake: () => fn.work(64),
  })
  const fn = new VirtioPciFunction({
    device: unit,
    legacy: false,
    modern: true,
    accessPlatform: false,
    vectors: 0,
    pciClass: 0x00ff00,
  })
  let pin = false
  fn.connect(createFlatPort(memory), {
    msi: () => DMA_OK,
    intx: (level) => {
      pin = level
    },
  })
  const out = new Uint32Array(2)
  const read = (offset: number, width: 1 | 2 | 4): number => {
    fn.readBar(BAR, offset, width, out)
    return out[0]!
  }
  const write = (offset: number, width: 1 | 2 | 4, value: number): void => {
    fn.writeBar(BAR, offset, width, value, 0)
    fn.work(64)
  }
  const translation: Translation = { hi: 0, lo: 0, log2Size: 0, rights: 0, tag: 0, route: 'bypass' }
  const dma = (iova: number, access: 1 | 2): number =>
    unit.translate(0x10, NO_PASID, 'untranslated', 0, iova, access, translation)

  // 1. Firmware was here: endpoints bypass until they are in a domain.
  expect([dma(0x1234, 1), translation.route, translation.lo]).toEqual([0, 'bypass', 0x1234])

  // 2. virtio-pci: device 1af4:1057, revision 1; bus master on, reset, ACKNOWLEDGE, DRIVER.
  expect([fn.config.peek(0, 4), fn.config.peek(8, 4)]).toEqual([0x1057_1af4, 0x00ff_0001])
  fn.config.write(4, 2, 7)
  for (const status of [0, 1, 3]) write(COMMON.status, 1, status)

  // 3. Features: the driver takes all but the two of packed rings, FEATURES_OK stands.
  write(COMMON.featureSelect, 4, 0)
  const lo = read(COMMON.feature, 4)
  write(COMMON.featureSelect, 4, 1)
  const hi = read(COMMON.feature, 4)
  expect([lo & 0x7f, lo >>> 28, hi & 3]).toEqual([0x77, 3, 1])
  write(COMMON.driverSelect, 4, 0)
  write(COMMON.driverFeature, 4, 0x77)
  write(COMMON.driverSelect, 4, 1)
  write(COMMON.driverFeature, 4, 1)
  write(COMMON.status, 1, 0x0b)
  expect(read(COMMON.status, 1)).toBe(0x0b)

  // 4. viommu_init_vqs: request and event queue, 256 entries each.
  const queues = [0, 1].map((index) => {
    write(QUEUE.select, 2, index)
    const size = read(QUEUE.size, 2)
    expect(size).toBe(256)
    const layout = splitRingLayout(size, 4096)
    const at = { desc: 0, driver: 0, device: 0 }
    for (const part of ['desc', 'driver', 'device'] as const) {
      at[part] = 0x1_0000 * (index + 1) + layout[part]
      write(QUEUE[part], 4, at[part])
      write(QUEUE[part] + 4, 4, 0)
    }
    write(QUEUE.enable, 2, 1)
    return new SplitDriverQueue(bus, { size, ...at }, { indirect: false, eventIndex: false })
  })
  const [requests, events] = queues as [SplitDriverQueue, SplitDriverQueue]

  // 5. Configuration: 4 KiB pages, 39 bits, all domain IDs, 512 bytes of properties.
  expect(read(DEVICE_CONFIG, 4)).toBe(0xffff_f000)
  expect([read(DEVICE_CONFIG + 16, 4), read(DEVICE_CONFIG + 20, 4)]).toEqual([0xffff_ffff, 0x7f])
  expect([read(DEVICE_CONFIG + 24, 4), read(DEVICE_CONFIG + 28, 4)]).toEqual([0, 0xffff_ffff])
  expect(read(DEVICE_CONFIG + 32, 4)).toBe(512)

  // 6. DRIVER_OK, then the event queue is filled.
  write(COMMON.status, 1, 0x0f)
  for (let at = 0; at < 4; at++) events.add(new BufferList(1).writable(0, 0x3_0000 + 32 * at, 24), 0x3_0000 + 32 * at)
  events.publish()
  write(NOTIFY + 4, 2, 1)

  const send = (words: readonly number[], writable: number): number => {
    for (const [index, word] of words.entries()) view.setUint32(0x3_1000 + 4 * index, word, true)
    requests.add(new BufferList(2).readable(0, 0x3_1000, words.length * 4).writable(0, 0x3_2000, writable), 0)
    requests.publish()
    write(NOTIFY, 2, 0)
    // The driver polls: the request queue has no interrupt handler.
    expect(requests.reap()).toBe(true)
    expect(requests.reapedLength).toBe(writable)
    return view.getUint8(0x3_2000 + writable - 4)
  }

  // 7. viommu_probe_endpoint: one doorbell, 0xfee00000 to 0xfeefffff; then an endpoint that is not there.
  expect(send(probe(0x10), 516)).toBe(0)
  expect([view.getUint16(0x3_2000, true), view.getUint16(0x3_2002, true), view.getUint8(0x3_2004)]).toEqual([1, 20, 1])
  expect([view.getUint32(0x3_2008, true), view.getUint32(0x3_2010, true)]).toEqual([0xfee0_0000, 0xfeef_ffff])
  expect(view.getUint16(0x3_2018, true)).toBe(0)
  expect(send(probe(0x11), 516)).toBe(6)

  // 8. viommu_attach_dev: from now on the endpoint is translated.
  expect(send(attach(0, 0x10), 4)).toBe(0)
  expect(dma(0x1234, 1)).not.toBe(0)

  // 9. The fault of that is told in the event queue, with an interrupt by the pin.
  expect(pin).toBe(true)
  expect(events.reap()).toBe(true)
  expect([view.getUint8(0x3_0000), view.getUint32(0x3_0008, true)]).toEqual([2, 0x10])

  // 10. viommu_map_pages at the top of 4 GiB; viommu_unmap_pages takes it back.
  expect(send(map(0, 0xffff_f000, 0xffff_ffff, 0x8000, 3), 4)).toBe(0)
  expect([dma(0xffff_f010, 2), translation.route, translation.lo]).toEqual([0, 'translated', 0x8010])
  expect(send(unmap(0, 0xffff_f000, 0xffff_ffff), 4)).toBe(0)
  expect(dma(0xffff_f010, 2)).not.toBe(0)

  // 11. iommu.passthrough=1: a bypass domain.
  expect(send(attach(1, 0x10, 1), 4)).toBe(0)
  expect([dma(0x1234, 2), translation.route]).toEqual([0, 'bypass'])
})
