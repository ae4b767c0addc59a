import { BOOT_PARAMS_ADDRESS } from '@dmascope/acpi'
import type { CpuBus } from '@dmascope/memory'
import { expect, describe as group, test } from 'vitest'
import { type FirmwareOptions, type FirmwareResult, runFirmware } from '../src/index.ts'
import { FakeDisk } from './fake-disk.ts'
import { FakePc } from './fake-pc.ts'
import { before, describe } from './topology.ts'

/** fw_cfg's `etc/e820`: base, length, type. */
function e820(...entries: [base: number, length: number, type: number][]): Uint8Array {
  const view = new DataView(new ArrayBuffer(20 * entries.length))
  for (const [index, [base, length, type]] of entries.entries()) {
    for (const [offset, value] of [
      [0, base],
      [8, length],
    ] as const) {
      view.setUint32(20 * index + offset, value % 2 ** 32, true)
      view.setUint32(20 * index + offset + 4, Math.floor(value / 2 ** 32), true)
    }
    view.setUint32(20 * index + 16, type, true)
  }
  return new Uint8Array(view.buffer)
}

const MIB = 0x10_0000
const QEMU_MAP = e820([0, 512 * MIB, 1], [0xfd_0000_0000, 0x3_0000_0000, 2])
const DISK = 0x08 // 00:01.0
const F_BLK_SIZE = 1 << 6
const F_RING_EVENT_IDX = 1 << 29

function defaultPc(options: { dma?: boolean; files?: [string, Uint8Array][] } = {}): FakePc {
  const files = new Map([['etc/e820', QEMU_MAP] as [string, Uint8Array], ...(options.files ?? [])])
  return new FakePc(before(describe('q35-default'), [0]), files, { dma: options.dma ?? true, ram: 512 * MIB })
}

const ranges = ({ e820: map }: FirmwareResult): string[] =>
  map.map(({ base, length, type }) => `${base.toString(16)}-${(base + length - 1).toString(16)} ${type}`)

group('the memory map', () => {
  test('is what Linux printed on that machine, with 128 KiB of tables and one disk', () => {
    const loader = new Uint8Array(128)
    loader.set([1, 0, 0, 0, ...new TextEncoder().encode('etc/acpi/tables')])
    loader.set([64, 0, 0, 0, 1], 60)
    const pc = defaultPc({
      files: [
        ['etc/acpi/tables', new Uint8Array(0x2_0000)],
        ['etc/table-loader', loader],
      ],
    })
    new FakeDisk(pc, [F_BLK_SIZE, 1], 256).modern(pc.find(DISK)!)
    const result = runFirmware(pc)
    expect(ranges(result)).toEqual([
      '0-9fbff 1',
      '9fc00-9ffff 2',
      'f0000-fffff 2',
      '100000-1ffdcfff 1',
      '1ffdd000-1fffffff 2',
      'b0000000-bfffffff 2',
      'fed1c000-fed1ffff 2',
      'fffc0000-ffffffff 2',
      'fd00000000-ffffffffff 2',
    ])
    expect(result.tables.get('etc/acpi/tables')).toEqual({ address: 0x1ffe_0000, size: 0x2_0000 })
    expect(result.disks[0]?.ring).toEqual({
      desc: 0x1ffd_d000,
      driver: 0x1ffd_e000,
      device: 0x1ffd_f000,
      bytes: 0x3000,
    })
  })

  test('without a map of the machine, RAM is split at 4 GiB as QEMU splits it on q35', () => {
    const make = (ram: number): string[] => {
      const pc = new FakePc(before(describe('q35-default'), [0]), new Map(), { dma: true, ram })
      return ranges(runFirmware(pc, { disks: 'leave' })).filter((range) => range.endsWith(' 1'))
    }
    expect(make(2 * 1024 * MIB).at(-1)).toBe('100000-7fffffff 1')
    expect(make(6 * 1024 * MIB).slice(-2)).toEqual(['100000-7fffffff 1', '100000000-1ffffffff 1'])
  })

  test('nothing is there without fw_cfg, and nothing is thrown', () => {
    const pc = defaultPc()
    pc.items.set(0, new Uint8Array(4))
    const result = runFirmware(pc)
    expect(result.log[0]).toBe('fw_cfg: no such device')
    expect(ranges(result).some((range) => range.endsWith(' 1'))).toBe(false)
    const memory: CpuBus = {
      read8: pc.read8,
      read16: pc.read16,
      read32: pc.read32,
      write8: pc.write8,
      write16: pc.write16,
      write32: pc.write32,
      readBytes: (address, into) => pc.readBytes(address, into),
      writeBytes: (address, from) => pc.writeBytes(address, from),
      nextInterrupt: () => -1,
      idle: () => true,
    }
    expect(runFirmware(memory)).toMatchObject({ functions: [], placed: null, disks: [], rsdp: 0 })
  })
})

group('what the kernel finds in memory', () => {
  const zeroPage = (pc: FakePc): DataView => {
    const page = new Uint8Array(4096)
    pc.readBytes(BOOT_PARAMS_ADDRESS, page)
    return new DataView(page.buffer)
  }
  const commandLine = (pc: FakePc): string => {
    const bytes = new Uint8Array(4096)
    pc.readBytes(zeroPage(pc).getUint32(0x228, true), bytes)
    return String.fromCharCode(...bytes.subarray(0, bytes.indexOf(0)))
  }

  test('a zero page by the boot protocol, with the memory map', () => {
    const pc = defaultPc()
    const result = runFirmware(pc)
    const page = zeroPage(pc)
    expect(page.getUint16(0x1fe, true)).toBe(0xaa55)
    expect(page.getUint32(0x202, false)).toBe(0x48647253) // "HdrS"
    expect(page.getUint8(0x1e8)).toBe(result.e820.length)
    expect(page.getUint32(0x2d0 + 8, true)).toBe(0x9_fc00)
    expect(page.getUint32(0x2d0 + 16, true)).toBe(1)
    const last = 0x2d0 + 20 * (result.e820.length - 1)
    expect([page.getUint32(last, true), page.getUint32(last + 4, true)]).toEqual([0, 0xfd])
    expect(page.getUint32(0x070, true), 'the kernel scans for the RSDP itself').toBe(0)
    expect(pc.read16(0x40e)).toBe(0x9fc0)
  })

  test('the command line of fw_cfg, or one that was given; too long a one is cut', () => {
    const pc = defaultPc()
    pc.items.set(0x14, Uint8Array.of(17, 0, 0, 0))
    pc.items.set(0x15, new TextEncoder().encode('intel_iommu=on x\0'))
    runFirmware(pc)
    expect(commandLine(pc)).toBe('intel_iommu=on x')
    runFirmware(pc, { commandLine: 'iommu=pt' })
    expect(commandLine(pc)).toBe('iommu=pt')
    runFirmware(pc, { commandLine: 'x'.repeat(5000) })
    expect(commandLine(pc)).toHaveLength(2047)
  })
})

test('fw_cfg without DMA gives the same as with it', () => {
  const run = (dma: boolean): FirmwareResult => runFirmware(defaultPc({ dma }), { disks: 'leave' })
  expect(ranges(run(false))).toEqual(ranges(run(true)))
  expect(ranges(run(false)).length).toBeGreaterThan(6)
})

test('the chipset is programmed as SeaBIOS does it on a q35', () => {
  const pc = defaultPc()
  runFirmware(pc, { disks: 'leave' })
  const host = pc.find(0)!
  expect([host.view.getUint32(0x60, true), host.view.getUint32(0x64, true)]).toEqual([0xb000_0001, 0])
  expect([...host.config.subarray(0x90, 0x97)]).toEqual([0x10, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11])
  const lpc = pc.find(0xf8)!
  expect(lpc.view.getUint32(0x40, true)).toBe(0x601)
  expect(lpc.config[0x44]).toBe(0x80)
  expect([...lpc.config.subarray(0x60, 0x64)]).toEqual([10, 10, 11, 11])
  expect([...lpc.config.subarray(0x68, 0x6c)]).toEqual([10, 10, 11, 11])
  expect(lpc.view.getUint32(0xf0, true)).toBe(0xfed1_c001)
  expect(pc.find(0xfb)!.view.getUint32(0x20, true)).toBe(0x701)
  expect(pc.portWrites).toContainEqual([0x4d0, 0])
  expect(pc.portWrites).toContainEqual([0x4d1, 0x0c])
})

test('interrupt lines: PIRQs rotate by slot up to 24, below bridges by device too', () => {
  const pc = new FakePc(before(describe('q35-topology'), [0]), new Map(), { dma: true, ram: 512 * MIB })
  const { functions } = runFirmware(pc, { disks: 'leave' })
  const line = (bus: number, device: number, fn = 0): number | undefined => {
    expect(functions.some((one) => one.bus === bus && one.device === device)).toBe(true)
    return pc.find((bus << 8) | (device << 3) | fn)?.config[0x3c]
  }
  expect([line(0, 2), line(0, 3), line(0, 4), line(0, 5)]).toEqual([11, 11, 10, 10])
  expect(line(0, 0x1f, 2)).toBe(10) // slot 31, INTA: no rotation
  expect(line(1, 0)).toBe(11) // behind 00:02.0: as its slot
  expect([line(5, 1), line(5, 2), line(5, 3)]).toEqual([11, 11, 10]) // behind 00:05.0: slot 5 and device
})

group('disks', () => {
  const run = (
    prepare: (disk: FakeDisk, pc: FakePc) => void = () => {},
    options: FirmwareOptions = {},
    offered: [number, number] = [F_BLK_SIZE | F_RING_EVENT_IDX, 0b11],
  ): { pc: FakePc; disk: FakeDisk; result: FirmwareResult } => {
    const pc = defaultPc()
    const disk = new FakeDisk(pc, offered, 256)
    disk.modern(pc.find(DISK)!)
    prepare(disk, pc)
    return { pc, disk, result: runFirmware(pc, options) }
  }
  const last = ({ result }: ReturnType<typeof run>): string | undefined => result.log.at(-1)

  test('the first is read from, and stays live: DRIVER_OK, queue enabled, bus mastering on', () => {
    const one = run()
    expect(last(one)).toBe('virtio-blk 00:01.0: boot sector: read')
    expect(one.disk.statuses).toEqual([0, 3, 11, 15])
    expect(one.disk).toMatchObject({ status: 15, enabled: 1, requests: 1, isrReads: 1 })
    expect(one.disk.ring).toEqual({ desc: 0x1fff_d000, driver: 0x1fff_e000, device: 0x1fff_f000 })
    expect(one.pc.find(DISK)!.view.getUint16(4, true) & 4).toBe(4)
    const sector = new Uint8Array(512)
    one.pc.readBytes(0x7c00, sector)
    expect(new Set(sector)).toEqual(new Set([0xa0]))
  })

  test('VIRTIO_F_ACCESS_PLATFORM is accepted where offered, with physical addresses all the same', () => {
    expect(run().disk.driverFeatures).toEqual([F_BLK_SIZE, 0b11])
    expect(run(undefined, {}, [F_BLK_SIZE, 0b01]).disk.driverFeatures).toEqual([F_BLK_SIZE, 0b01])
  })

  test('can be opened only, or left alone', () => {
    expect(run(undefined, { disks: 'open' }).disk).toMatchObject({ status: 15, requests: 0 })
    expect(run(undefined, { disks: 'leave' }).disk.statuses).toEqual([])
  })

  test('a request that fails, one that is never answered, and nonsense in the used ring', () => {
    expect(last(run((disk) => (disk.behaviour = 'fails')))).toContain('boot sector: failed')
    expect(last(run((disk) => (disk.behaviour = 'is silent')))).toContain('boot sector: no-answer')
    expect(last(run((disk) => (disk.behaviour = 'answers nonsense')))).toContain('boot sector: no-answer')
  })

  test('a disk that never answers: no kernel is started, since SeaBIOS waits for it for ever', () => {
    const { result, pc } = run((disk) => (disk.behaviour = 'is silent'))
    expect(result.hung).toBe('virtio-blk 00:01.0 never answers the read of its boot sector')
    expect(pc.read8(BOOT_PARAMS_ADDRESS + 0x1e8)).toBe(0)
    expect(run((disk) => (disk.behaviour = 'fails')).result.hung).toBeNull()
    expect(run((disk) => (disk.behaviour = 'is silent'), { disks: 'open' }).result.hung).toBeNull()
  })

  test('a disk that does not agree to its features, or has no usable queue, is given up: FAILED', () => {
    const stubborn = run((disk) => (disk.acceptsFeatures = false))
    expect(last(stubborn)).toBe('virtio-blk 00:01.0: it does not agree to the features')
    expect(stubborn.disk.statuses.at(-1)).toBe(0x80 | 11)
    expect(last(run((disk) => (disk.queueSize = 0)))).toBe('virtio-blk 00:01.0: a queue of 0 entries')
    expect(run((disk) => (disk.queueSize = 3)).result.disks).toEqual([])
  })

  test('a larger queue is cut to 256 entries', () => {
    expect(run((disk) => (disk.queueSize = 1024)).disk.queueSize).toBe(256)
  })

  test('a disk without the modern interface is driven through its ports', () => {
    const pc = defaultPc()
    const disk = new FakeDisk(pc, [F_BLK_SIZE, 0], 128)
    disk.legacy(pc.find(DISK)!)
    pc.find(DISK)!.config[0x06] = 0 // no capabilities
    const result = runFirmware(pc)
    expect(result.disks).toMatchObject([{ interface: 'legacy', queueSize: 128 }])
    expect(result.log.at(-1)).toBe('virtio-blk 00:01.0: boot sector: read')
    expect(disk.statuses).toEqual([0, 3, 7])
    expect(disk.ring).toEqual({ desc: 0x1fff_e000, driver: 0x1fff_e800, device: 0x1fff_f000 })
  })
})
