import { buildLoaderScript, buildRsdp, checksum, type LoaderCommand } from '@dmascope/acpi'
import { expect, describe as group, test } from 'vitest'
import { type FirmwareResult, runFirmware } from '../src/index.ts'
import { FakePc } from './fake-pc.ts'
import { before, describe } from './topology.ts'

const TABLES = 'etc/acpi/tables'
const RSDP = 'etc/acpi/rsdp'

function run(
  commands: readonly LoaderCommand[] | Uint8Array,
  tables: Uint8Array = new Uint8Array(64),
): { pc: FakePc; result: FirmwareResult; problems: string[] } {
  const rsdp = buildRsdp({ signature: 'RSD PTR ', oemId: 'BOCHS ', revision: 0, rsdtAddress: 0x20 })
  rsdp[8] = 0
  const files = new Map([
    [TABLES, tables],
    [RSDP, rsdp],
    ['etc/table-loader', commands instanceof Uint8Array ? commands : buildLoaderScript(commands)],
  ])
  const pc = new FakePc(before(describe('q35-default'), [0]), files, { dma: true, ram: 0x2000_0000 })
  const result = runFirmware(pc, { disks: 'leave' })
  return { pc, result, problems: result.log.filter((line) => line.startsWith('table loader')) }
}

const load = (file: string, zone: 'high' | 'fseg' | number, align = 64): LoaderCommand => ({
  command: 'allocate',
  file,
  align,
  zone,
})

test('tables go to the top of low RAM, the RSDP into the F segment, and are linked and summed', () => {
  const tables = Uint8Array.from({ length: 64 }, (_, index) => index)
  const { pc, result, problems } = run(
    [
      load(RSDP, 'fseg', 16),
      load(TABLES, 'high'),
      { command: 'add-pointer', file: TABLES, source: TABLES, offset: 0x20, size: 8 },
      { command: 'add-pointer', file: RSDP, source: TABLES, offset: 16, size: 4 },
      { command: 'add-checksum', file: RSDP, offset: 8, start: 0, length: 20 },
      { command: 'add-checksum', file: TABLES, offset: 3, start: 0, length: 64 },
    ],
    tables,
  )
  expect(problems).toEqual([])
  expect(result.tables).toEqual(
    new Map([
      [RSDP, { address: 0xf_52e0, size: 20 }],
      [TABLES, { address: 0x1fff_ffc0, size: 64 }],
    ]),
  )
  expect(result.rsdp).toBe(0xf_52e0)
  expect(pc.read32(0xf_52e0 + 16)).toBe(0x1fff_ffe0)
  // 0x2726252423222120 + 0x1fffffc0: the carry goes on into the upper bytes.
  expect([pc.read32(0x1fff_ffe0), pc.read32(0x1fff_ffe4)]).toEqual([0x4322_20e0, 0x2726_2524])
  for (const [address, size] of [
    [0xf_52e0, 20],
    [0x1fff_ffc0, 64],
  ] as const) {
    const bytes = new Uint8Array(size)
    pc.readBytes(address, bytes)
    expect(checksum(bytes)).toBe(0)
  }
})

test('the memory of tables is reserved in the map', () => {
  const { result } = run([load(TABLES, 'high')], new Uint8Array(0x3000))
  expect(result.e820).toContainEqual({ base: 0x1fff_d000, length: 0x3000, type: 2 })
})

group('a command in error is passed over, and said', () => {
  test.each<[string, LoaderCommand, string]>([
    ['a file that is not there', load('etc/none', 'high'), 'allocate: there is no file etc/none'],
    ['an alignment that is none', load(RSDP, 'high', 48), 'allocate: alignment 48 is no power of two'],
    ['a zone that is not known', load(RSDP, 7), 'allocate: zone 7 is not known'],
    [
      'a pointer past the end',
      { command: 'add-pointer', file: TABLES, source: TABLES, offset: 61, size: 4 },
      'add-pointer: 4 bytes at 61 do not fit',
    ],
    [
      'a pointer of three bytes',
      { command: 'add-pointer', file: TABLES, source: TABLES, offset: 0, size: 3 },
      'add-pointer: 3 bytes at 0 do not fit',
    ],
    [
      'a pointer to what is not loaded',
      { command: 'add-pointer', file: TABLES, source: RSDP, offset: 0, size: 4 },
      'add-pointer: a file is not loaded',
    ],
    [
      'a sum past the end',
      { command: 'add-checksum', file: TABLES, offset: 0, start: 60, length: 0xffff_ffff },
      'add-checksum: bytes 60 to 4294967355 do not fit',
    ],
    [
      'a sum at a byte past the end',
      { command: 'add-checksum', file: TABLES, offset: 64, start: 0, length: 64 },
      'add-checksum: bytes 0 to 64 do not fit',
    ],
    ['a number to come', { command: 'unknown', number: 9, data: '00'.repeat(124) }, 'unknown: number 9 is not known'],
  ])('%s', (_, command, message) => {
    const { result, problems, pc } = run([load(TABLES, 'high'), command])
    expect(problems).toEqual([`table loader: command 1, ${message}`])
    expect([...result.tables.keys()]).toEqual([TABLES])
    expect(pc.read32(0x1fff_ffc0)).toBe(0)
  })

  test('no room: a file larger than the zone', () => {
    const { problems, result } = run([load(TABLES, 'fseg')], new Uint8Array(0x6000))
    expect(problems).toEqual(['table loader: command 0, allocate: no room for 24576 bytes'])
    expect(result.rsdp).toBe(0)
  })

  test('a script that is no multiple of 128 bytes runs not at all', () => {
    const { problems, result } = run(new Uint8Array(130))
    expect(problems).toHaveLength(1)
    expect(result.tables.size).toBe(0)
  })
})
