import { VIRTIO_BLK_T_IN, virtio_blk_req } from '@dmascope/virtio-devices/spec'
import { splitRingLayout } from '@dmascope/virtqueue'
import { BufferList } from '@dmascope/virtqueue/driver'
import { expect, test } from 'vitest'
import { Bench } from './bench.ts'

const RING = 0x1_0000
const HEADER = 0x8000
const DATA = 0x9000
const STATUS = 0xa000

/** Asks for sector 2 on a queue of 1024 entries that the driver has placed at RING. */
function readSector(bench: Bench): void {
  const ring = splitRingLayout(1024, 4096)
  const queue = bench.driverQueue(1024, RING + ring.desc, RING + ring.driver, RING + ring.device)
  const view = new DataView(bench.memory.buffer)
  virtio_blk_req.fields.type.set(view, HEADER, VIRTIO_BLK_T_IN)
  virtio_blk_req.fields.sector.number.set(view, HEADER, 2)
  bench.memory[STATUS] = 0xff
  queue.add(new BufferList(3).readable(0, HEADER, 16).writable(0, DATA, 512).writable(0, STATUS, 1), 1)
  queue.publish()
}

test('version 2, as Linux sets it up: virtio_mmio_probe, virtio_dev_probe, vm_setup_vq, vm_interrupt', () => {
  const bench = new Bench({ legacy: false, accessPlatform: true })
  // 1. Magic value, version, device and vendor.
  expect([bench.read(0x000), bench.read(0x004), bench.read(0x008), bench.read(0x00c)]).toEqual([
    0x7472_6976, 2, 2, 0x554d_4551,
  ])
  // 2. Reset, ACKNOWLEDGE, DRIVER.
  bench.write(0x070, 0)
  bench.write(0x070, 0x01)
  bench.write(0x070, 0x03)
  expect(bench.read(0x070)).toBe(0x03)
  // 3. Features, the upper word first: VERSION_1, ACCESS_PLATFORM and RING_RESET; below, no bit of the legacy interface.
  bench.write(0x014, 1)
  expect(bench.read(0x010)).toBe(0x103)
  bench.write(0x014, 0)
  expect((bench.read(0x010) & 0x4900_0000) >>> 0).toBe(0)
  bench.write(0x024, 1)
  bench.write(0x020, 0x3)
  bench.write(0x024, 0)
  bench.write(0x020, 0x44)
  // 4. FEATURES_OK stands.
  bench.write(0x070, 0x0b)
  expect(bench.read(0x070)).toBe(0x0b)
  expect(bench.device.negotiatedFeatures).toEqual({ lo: 0x44, hi: 3 })
  // 5. The generation stays while the configuration does: 8 sectors.
  expect([bench.read(0x0fc), bench.read(0x100), bench.read(0x0fc)]).toEqual([0, 8, 0])
  // 6. Queue 0: not in use, 1024 entries at most; its size, its three addresses, ready.
  bench.write(0x030, 0)
  expect([bench.read(0x044), bench.read(0x034)]).toEqual([0, 1024])
  const ring = splitRingLayout(1024, 4096)
  bench.write(0x038, 1024)
  bench.write(0x080, RING)
  bench.write(0x084, 0)
  bench.write(0x090, RING + ring.driver)
  bench.write(0x094, 0)
  bench.write(0x0a0, RING + ring.device)
  bench.write(0x0a4, 0)
  bench.write(0x044, 1)
  expect(bench.read(0x044)).toBe(1)
  // 7. DRIVER_OK, and a request: the doorbell latches, the work comes later.
  bench.write(0x070, 0x0f)
  readSector(bench)
  bench.write(0x050, 0)
  expect(bench.line).toEqual([])
  expect(bench.device.work(64)).toBe('idle')
  // 8. The line is up until InterruptACK takes the bit back.
  expect(bench.line).toEqual(['up'])
  expect(bench.read(0x060)).toBe(1)
  bench.write(0x064, 1)
  expect(bench.read(0x060)).toBe(0)
  expect(bench.line).toEqual(['up', 'down'])
  expect(bench.memory[STATUS]).toBe(0)
  expect(bench.memory.subarray(DATA, DATA + 512)).toEqual(bench.disk.subarray(1024, 1536))
  // 9. Taken away again: QueueReady reads as 0, and the device rests.
  bench.write(0x044, 0)
  expect(bench.read(0x044)).toBe(0)
  bench.write(0x070, 0)
  expect(bench.read(0x070)).toBe(0)
})

test('version 1, as Linux sets it up: GuestPageSize, QueueAlign, QueuePFN', () => {
  const bench = new Bench({ legacy: true, accessPlatform: true })
  // 1. Version 1, and the page size before anything else.
  expect([bench.read(0x000), bench.read(0x004), bench.read(0x008)]).toEqual([0x7472_6976, 1, 2])
  bench.write(0x028, 4096)
  // 2. Reset, which the page size outlives; ACKNOWLEDGE, DRIVER.
  bench.write(0x070, 0)
  bench.write(0x070, 0x01)
  bench.write(0x070, 0x03)
  // 3. There is no upper word: neither VERSION_1 nor bit 33, whatever the machine was told.
  bench.write(0x014, 1)
  expect(bench.read(0x010)).toBe(0)
  bench.write(0x014, 0)
  expect((bench.read(0x010) & 0x3800_0000) >>> 0).toBe(0x3800_0000)
  bench.write(0x024, 1)
  bench.write(0x020, 0xffff_ffff)
  bench.write(0x024, 0)
  bench.write(0x020, 0x44)
  expect(bench.device.negotiatedFeatures).toEqual({ lo: 0x44, hi: 0 })
  // 4. Queue 0: no page yet; size, alignment, page number.
  bench.write(0x030, 0)
  expect([bench.read(0x040), bench.read(0x034)]).toEqual([0, 1024])
  bench.write(0x038, 1024)
  bench.write(0x03c, 4096)
  bench.write(0x040, RING / 4096)
  expect(bench.read(0x040)).toBe(RING / 4096)
  // 5. DRIVER_OK without FEATURES_OK, a request, an interrupt.
  bench.write(0x070, 0x07)
  readSector(bench)
  bench.write(0x050, 0)
  bench.device.work(64)
  expect(bench.line).toEqual(['up'])
  bench.write(0x064, bench.read(0x060))
  expect(bench.line).toEqual(['up', 'down'])
  expect(bench.memory.subarray(DATA, DATA + 512)).toEqual(bench.disk.subarray(1024, 1536))
  // 6. Page 0 resets the device.
  bench.write(0x040, 0)
  expect([bench.read(0x040), bench.read(0x070)]).toEqual([0, 0])
})
