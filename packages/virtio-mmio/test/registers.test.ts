import { createBalloon } from '@dmascope/virtio-devices'
import { emptyTransport, VirtioMmioDevice } from '@dmascope/virtio-mmio'
import { expect, test } from 'vitest'
import { Bench } from './bench.ts'

test('§4.2.2: a transport without a device has ID 0, and nothing else to tell', () => {
  const modern = emptyTransport({ legacy: false })
  expect([0x000, 0x004, 0x008, 0x00c].map((offset) => modern.read(offset, 4))).toEqual([0x7472_6976, 2, 0, 0x554d_4551])
  const legacy = emptyTransport({ legacy: true })
  expect(legacy.read(0x004, 4)).toBe(1)
  legacy.write(0x070, 4, 0x0f)
  for (let offset = 0x10; offset < 0x200; offset += 4) expect(legacy.read(offset, 4)).toBe(0)
})

test('§6.2: a driver of virtio 1 that leaves the offered bit 33 is refused: FEATURES_OK does not stand', () => {
  const { device, ...bench } = new Bench({ legacy: false, accessPlatform: true })
  expect(bench.line).toEqual([])
  const write = (offset: number, value: number): void => device.write(offset, 4, value)
  write(0x070, 0x03)
  write(0x024, 1)
  write(0x020, 0x1)
  write(0x070, 0x0b)
  expect(device.read(0x070, 4)).toBe(0x03)
  write(0x020, 0x3)
  write(0x070, 0x0b)
  expect(device.read(0x070, 4)).toBe(0x0b)
})

test('§4.2.2.2: registers are read and written by words; narrower accesses find nothing', () => {
  const bench = new Bench({ legacy: false })
  expect(bench.device.read(0x000, 2)).toBe(0)
  expect(bench.device.read(0x004, 1)).toBe(0)
  bench.device.write(0x070, 1, 0x03)
  expect(bench.read(0x070)).toBe(0)
})

test('the configuration is read at any width, and is all ones behind its end', () => {
  const bench = new Bench({ legacy: true })
  expect(bench.device.read(0x100, 1)).toBe(8)
  expect(bench.device.read(0x100, 2)).toBe(8)
  expect(bench.read(0x100)).toBe(8)
  expect(bench.device.read(0x1fe, 2)).toBe(0xffff)
  expect(bench.read(0x1fc)).toBe(0xffff_ffff)
})

test('a queue that is not there has size 0, and takes no address', () => {
  const bench = new Bench({ legacy: false })
  for (const queue of [1, 1024, 0xffff_ffff]) {
    bench.write(0x030, queue)
    bench.write(0x080, 0x1000)
    bench.write(0x044, 1)
    expect([bench.read(0x034), bench.read(0x044)]).toEqual([0, 0])
  }
})

test('a change of the configuration raises both bits, as in QEMU, and a new generation', () => {
  const balloon = createBalloon({})
  const device = new VirtioMmioDevice({ device: balloon, legacy: false, accessPlatform: false })
  const line: boolean[] = []
  device.connect({} as never, { drive: (asserted) => line.push(asserted) })
  device.write(0x070, 4, 0x03)
  device.write(0x024, 4, 1)
  device.write(0x020, 4, 1)
  device.write(0x070, 4, 0x0b)
  device.write(0x070, 4, 0x0f)
  balloon.setTarget(3)
  expect(device.read(0x0fc, 4)).toBe(1)
  expect(device.read(0x060, 4)).toBe(3)
  device.write(0x064, 4, 1)
  expect([device.read(0x060, 4), line]).toEqual([2, [true]])
  device.write(0x064, 4, 2)
  expect(line).toEqual([true, false])
})

test('§4.2.2: there is no shared memory: its length is -1', () => {
  const bench = new Bench({ legacy: false })
  bench.write(0x0ac, 0)
  expect([bench.read(0x0b0), bench.read(0x0b4)]).toEqual([0xffff_ffff, 0xffff_ffff])
})

test('VIRTIO_F_RING_RESET: QueueReset takes a queue back to what it was, where it was negotiated', () => {
  const bench = new Bench({ legacy: false })
  const start = (features: number): void => {
    for (const [offset, value] of [
      [0x070, 0],
      [0x070, 3],
      [0x024, 1],
      [0x020, features],
      [0x070, 0x0b],
      [0x038, 8],
      [0x080, 0x1000],
      [0x090, 0x2000],
      [0x0a0, 0x3000],
      [0x044, 1],
      [0x070, 0x0f],
      [0x0c0, 1],
    ] as const) {
      bench.write(offset, value)
    }
  }
  start(0x001)
  expect(bench.read(0x044)).toBe(1)
  start(0x101)
  expect([bench.read(0x044), bench.read(0x0c0)]).toEqual([0, 0])
})

test('a legacy driver chooses its pages: QueuePFN counts what GuestPageSize says', () => {
  const bench = new Bench({ legacy: true })
  bench.write(0x028, 65_536)
  bench.write(0x038, 8)
  bench.write(0x03c, 64)
  bench.write(0x040, 2)
  bench.write(0x070, 0x07)
  // 16 bytes a descriptor, then 6 + 2 * 8 bytes of available ring; the used ring at the next multiple of 64.
  const ring = bench.driverQueue(8, 0x2_0000, 0x2_0080, 0x2_00c0)
  expect(ring.broken).toBeNull()
  expect(bench.device.brokenReason).toBeNull()
  expect(bench.read(0x040)).toBe(2)
})

test('a size that is no power of two breaks the device, once it is to run', () => {
  const bench = new Bench({ legacy: true })
  bench.write(0x028, 4096)
  bench.write(0x038, 24)
  bench.write(0x040, 4)
  expect(bench.device.brokenReason).toBeNull()
  bench.write(0x070, 0x07)
  expect(bench.device.brokenReason).toBe('queue 0: its size, 24, is no power of two')
})
