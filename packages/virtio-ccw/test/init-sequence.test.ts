import { IO_INSTRUCTION, subsystemId } from '@dmascope/virtio-ccw/spec'
import { VIRTIO_BLK_T_IN, virtio_blk_req } from '@dmascope/virtio-devices/spec'
import { splitRingLayout } from '@dmascope/virtqueue'
import { BufferList, SplitDriverQueue } from '@dmascope/virtqueue/driver'
import { expect, test } from 'vitest'
import { Bench } from './bench.ts'

const RING = 0x1_0000
const HEADER = 0x8000
const DATA = 0x9000
const STATUS = 0xa000
/** Channel end and device end, and nothing wrong. */
const DONE = '0c00'

/** Asks for sector 2 on queue 0 of 256 entries, placed at RING, and rings the doorbell. */
function readSector(bench: Bench): void {
  const ring = splitRingLayout(256, 4096)
  const queue = new SplitDriverQueue<number>(
    bench.bus,
    { size: 256, desc: RING + ring.desc, driver: RING + ring.driver, device: RING + ring.device },
    { indirect: false, eventIndex: false },
  )
  virtio_blk_req.fields.type.set(bench.view, HEADER, VIRTIO_BLK_T_IN)
  virtio_blk_req.fields.sector.number.set(bench.view, HEADER, 2)
  bench.memory[STATUS] = 0xff
  queue.add(new BufferList(3).readable(0, HEADER, 16).writable(0, DATA, 512).writable(0, STATUS, 1), 1)
  queue.publish()
  expect(bench.device.notify(0)).toBe(true)
}

test('as Linux does it: css, ccw_device_set_online, virtio_ccw_online, virtio_dev_probe, find_vqs, an adapter interruption', () => {
  const bench = new Bench()
  // 1. STSCH in ascending order until condition code 3: one subchannel, device 0x1234 at its end, one path of CHPID 0.
  expect(bench.io(IO_INSTRUCTION.STSCH, 0x100)).toBe(0)
  expect(bench.hex(0x104, 12)).toBe('0001' + '1234' + '00000080' + '0000' + 'ff80')
  expect(bench.io(IO_INSTRUCTION.STSCH, 0x100, subsystemId(0, 1))).toBe(3)
  expect(bench.io(IO_INSTRUCTION.STSCH, 0x100, subsystemId(1, 0))).toBe(3)
  // 2. MSCH: enabled, subclass 3, concurrent sense.
  bench.enable()
  bench.io(IO_INSTRUCTION.STSCH, 0x100)
  expect(bench.hex(0x104, 2)).toBe('1881')
  // 3. SENSE ID, of which 7 bytes are wanted: control unit 3832, and virtio's device type 2 as its model.
  expect(bench.command(0xe4, '00000000000000', 0x20)).toBe(DONE)
  expect(bench.hex(0x1000, 7)).toBe('ff383202000000')
  // 4. Revision 3 is none of the device's, revision 2 is; a second choice is rejected.
  expect(bench.command(0x83, '0003 0000')).toBe('0200')
  expect(bench.command(0x83, '0002 0000')).toBe(DONE)
  expect(bench.command(0x83, '0002 0000')).toBe('0200')
  expect(bench.device.revision).toBe(2)
  // 5. VDEV_RESET, ACKNOWLEDGE, DRIVER, with the status read back.
  expect(bench.command(0x33, '')).toBe(DONE)
  expect(bench.command(0x31, '01')).toBe(DONE)
  expect(bench.command(0x31, '03')).toBe(DONE)
  expect(bench.command(0x72, '00')).toBe(DONE)
  expect(bench.hex(0x1000, 1)).toBe('03')
  // 6. Features, little-endian: VERSION_1, ACCESS_PLATFORM and RING_RESET in word 1; no bit of the legacy interface.
  expect(bench.command(0x12, '00000000 01')).toBe(DONE)
  expect(bench.hex(0x1000, 5)).toBe('0301000001')
  expect(bench.command(0x12, '00000000 00')).toBe(DONE)
  expect((bench.view.getUint32(0x1000, true) & 0x4900_0000) >>> 0).toBe(0)
  expect(bench.command(0x11, '44000000 00')).toBe(DONE)
  expect(bench.command(0x11, '03000000 01')).toBe(DONE)
  // 7. FEATURES_OK stands.
  expect(bench.command(0x31, '0b')).toBe(DONE)
  expect(bench.device.negotiatedFeatures).toEqual({ lo: 0x44, hi: 3 })
  // 8. Configuration: 8 sectors, little-endian.
  expect(bench.command(0x22, '0000000000000000')).toBe(DONE)
  expect(bench.hex(0x1000, 8)).toBe('0800000000000000')
  // 9. Queue 0: 256 entries; its addresses.
  expect(bench.command(0x32, '0000 0000')).toBe(DONE)
  expect(bench.hex(0x1000, 4)).toBe('00000100')
  const ring = splitRingLayout(256, 4096)
  const at = (offset: number): string => (RING + offset).toString(16).padStart(16, '0')
  expect(bench.command(0x13, `${at(ring.desc)} 00000000 0000 0100 ${at(ring.driver)} ${at(ring.device)}`)).toBe(DONE)
  // 10. Two-stage indicators: bit 5 of those at 0x2000, the summary at 0x3000, subclass 3; those of the configuration.
  expect(bench.command(0x73, '0000000000003000 0000000000002000 0000000000000005 03', 0x20)).toBe(DONE)
  expect(bench.command(0x53, '0000000000002800')).toBe(DONE)
  // 11. DRIVER_OK, a request: the doorbell latches, the work comes later.
  expect(bench.command(0x31, '0f')).toBe(DONE)
  readSector(bench)
  expect(bench.css.pending).toBe(false)
  expect(bench.subchannel.work(64)).toBe('idle')
  expect(bench.memory[STATUS]).toBe(0)
  expect(bench.memory.subarray(DATA, DATA + 512)).toEqual(bench.disk.subarray(1024, 1536))
  // 12. Bit 5 from the top, the summary, and an adapter's interruption of subclass 3, which is no subchannel's.
  expect([bench.hex(0x2000, 1), bench.hex(0x3000, 1)]).toEqual(['04', '01'])
  expect(bench.css.take()).toEqual({ subsystemId: 0, intparm: 0, word: 0x9800_0000 })
  expect(bench.css.take()).toBeNull()
  // 13. While the summary stands, no other comes.
  bench.memory[0x2000] = 0
  readSector(bench)
  bench.subchannel.work(64)
  expect(bench.css.take()).toBeNull()
  // 14. Reset: queues and indicators are gone, the revision stays.
  expect(bench.command(0x33, '')).toBe(DONE)
  expect([bench.device.status, bench.device.revision]).toEqual([0, 2])
})

test('classic indicators: a bit of a word, and the subchannel interrupts with an alert', () => {
  const bench = new Bench()
  bench.enable()
  bench.command(0x83, '0001 0000')
  bench.command(0x31, '03')
  bench.command(0x11, '00000000 00')
  bench.command(0x11, '03000000 01')
  bench.command(0x31, '0b')
  const ring = splitRingLayout(256, 4096)
  const at = (offset: number): string => (RING + offset).toString(16).padStart(16, '0')
  bench.command(0x13, `${at(ring.desc)} 00000000 0000 0100 ${at(ring.driver)} ${at(ring.device)}`)
  expect(bench.command(0x43, '0000000000002000')).toBe(DONE)
  // Either kind of indicators, not both.
  expect(bench.command(0x73, '0000000000003000 0000000000002000 0000000000000000 03')).toBe('0200')
  bench.command(0x31, '0f')
  readSector(bench)
  bench.subchannel.work(64)
  expect(bench.hex(0x2000, 8)).toBe('0000000000000001')
  // SSCH's parameter was 0; TSCH tells of an alert, and of no program.
  expect(bench.css.take()).toEqual({ subsystemId: subsystemId(0, 0), intparm: 0, word: 0x1800_0000 })
  expect(bench.io(IO_INSTRUCTION.TSCH, 0x300)).toBe(0)
  expect(bench.hex(0x302, 2)).toBe('0011')
  expect(bench.io(IO_INSTRUCTION.TSCH, 0x300)).toBe(1)
})

test('a driver that declines bit 33 has its FEATURES_OK rejected, and reads the status as it was', () => {
  const bench = new Bench()
  bench.enable()
  bench.command(0x83, '0002 0000')
  bench.command(0x31, '03')
  bench.command(0x11, '01000000 01')
  expect(bench.command(0x31, '0b')).toBe('0200')
  expect(bench.command(0x72, '00')).toBe(DONE)
  expect(bench.hex(0x1000, 1)).toBe('03')
})

test('revision 0, as Linux sets it up: 32 feature bits, no FEATURES_OK, one address for a queue', () => {
  const bench = new Bench({ maxRevision: 0, accessPlatform: false })
  bench.enable()
  // 1. Nothing else is to be had.
  expect([bench.command(0x83, '0002 0000'), bench.command(0x83, '0001 0000')]).toEqual(['0200', '0200'])
  expect(bench.command(0x83, '0000 0000')).toBe(DONE)
  // 2. ANY_LAYOUT, INDIRECT_DESC and EVENT_IDX; no upper word, nor is one taken.
  bench.command(0x31, '03')
  bench.command(0x12, '00000000 00')
  expect((bench.view.getUint32(0x1000, true) & 0x3800_0000) >>> 0).toBe(0x3800_0000)
  bench.command(0x12, '00000000 01')
  expect(bench.hex(0x1000, 4)).toBe('00000000')
  bench.command(0x11, '44000000 00')
  bench.command(0x11, 'ffffffff 01')
  expect(bench.device.negotiatedFeatures).toEqual({ lo: 0x44, hi: 0 })
  // 3. A page-aligned ring of all entries, not of fewer, nor aligned otherwise.
  const ring = (align: string, num: string): string => bench.command(0x13, `0000000000010000 ${align} 0000 ${num}`)
  expect([ring('00000800', '0100'), ring('00001000', '0080')]).toEqual(['0020', '0020'])
  expect(ring('00001000', '0100')).toBe(DONE)
  bench.command(0x43, '0000000000002000')
  bench.command(0x31, '07')
  readSector(bench)
  bench.subchannel.work(64)
  expect(bench.hex(0x2000, 8)).toBe('0000000000000001')
  expect(bench.memory.subarray(DATA, DATA + 512)).toEqual(bench.disk.subarray(1024, 1536))
  // 4. Taken away again.
  bench.io(IO_INSTRUCTION.TSCH, 0x300)
  expect(bench.command(0x13, '0000000000000000 00000000 0000 0000')).toBe(DONE)
})
