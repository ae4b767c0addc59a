import { buildIvrs, type Ivhd, type IvhdEntry, type Ivmd, type IvrsBlock, parseIvrs, sdtHeader } from '@dmascope/acpi'
import { describe, expect, it } from 'vitest'
import { claimText, type IvrsMap, readIvrs } from '../src/iommu/amd/ivrs-map.ts'

const select = (deviceId: number, dteSetting = 0): IvhdEntry => ({ kind: 'select', deviceId, dteSetting })
const ioApic = (handle: number, sourceDeviceId: number): IvhdEntry => ({
  kind: 'special',
  reserved: 0,
  dteSetting: 0,
  handle,
  sourceDeviceId,
  variety: 1,
})

const unit = {
  deviceId: 0x0008,
  capabilityOffset: 0x40,
  iommuBaseAddress: 0xfed8_0000,
  pciSegmentGroup: 0,
  iommuInfo: 0,
  flags: 0,
}
const block10 = (entries: IvhdEntry[], more: Partial<typeof unit> = {}): Ivhd => ({
  kind: 'IVHD-10h',
  ...unit,
  iommuFeatureReporting: 0x40,
  entries,
  ...more,
})
const later = (kind: 'IVHD-11h' | 'IVHD-40h', entries: IvhdEntry[], more: Partial<typeof unit> = {}): Ivhd => ({
  kind,
  ...unit,
  iommuAttributes: 0,
  efrRegisterImage: 0x29d3,
  efr2RegisterImage: 0,
  entries,
  ...more,
})

const ivmd = (kind: Ivmd['kind'], flags: number, deviceId: number, auxiliaryData: number, start: number): Ivmd => ({
  kind,
  flags,
  deviceId,
  auxiliaryData,
  pciSegmentGroup: 0,
  reserved: '000000000000',
  startAddress: start,
  memoryBlockLength: 0x1800,
})

function read(blocks: IvrsBlock[], checksumRight = true): IvrsMap | string {
  const bytes = buildIvrs({ signature: 'IVRS', header: sdtHeader(1), IVinfo: 0x2801, blocks })
  return readIvrs({ ivrs: parseIvrs(bytes), address: 0x1000, checksumRight, bytes }, () => {})
}

function mapOf(...blocks: IvrsBlock[]): IvrsMap {
  const map = read(blocks)
  if (typeof map === 'string') throw new Error(map)
  return map
}

/** Which IDs of segment 0 are behind a unit, and how the table says it. */
const claims = (map: IvrsMap): string[] => {
  const segment = map.segments.get(0)!
  return Array.from({ length: segment.lastId + 1 }, (_, id) => ({ id, claim: segment.claimOf(id) })).flatMap(
    ({ id, claim }) => (claim === null ? [] : [`${id.toString(16)}: ${claimText(claim)}`]),
  )
}

describe('the type of IVHD', () => {
  it.each([
    ['the only one', [block10([select(0x10)])], 'IVHD-10h'],
    ['the later of two', [block10([select(0x10)]), later('IVHD-11h', [select(0x10)])], 'IVHD-11h'],
    [
      'the last that the first unit has, whatever others have',
      [
        block10([select(0x10)]),
        later('IVHD-11h', [select(0x10)]),
        later('IVHD-40h', [select(0x20)], { deviceId: 0x0802, iommuBaseAddress: 0xfed9_0000 }),
      ],
      'IVHD-11h',
    ],
    [
      '40h',
      [block10([select(0x10)]), later('IVHD-11h', [select(0x10)]), later('IVHD-40h', [select(0x10)])],
      'IVHD-40h',
    ],
  ])('is %s', (_what, blocks, kind) => {
    expect(mapOf(...blocks).blocks.map((one) => one.kind)).toEqual([kind])
  })
})

describe('entries', () => {
  it('name a device, a range, or all up to the highest', () => {
    const map = mapOf(
      later('IVHD-11h', [
        select(0x10),
        { kind: 'range-start', deviceId: 0x18, dteSetting: 0 },
        { kind: 'range-end', deviceId: 0x1a, dteSetting: 0 },
        { kind: 'extended-select', deviceId: 0x20, dteSetting: 0, extendedDteSetting: 0 },
      ]),
    )
    expect(claims(map)).toEqual([
      '10: select 00:02.0',
      '18: range 00:03.0 to 00:03.2',
      '19: range 00:03.0 to 00:03.2',
      '1a: range 00:03.0 to 00:03.2',
      '20: select 00:04.0',
    ])
    const all = mapOf(block10([{ kind: 'all', deviceId: 0, dteSetting: 0 }])).segments.get(0)!
    expect([all.lastId, all.claimOf(0xffff)?.entry.kind]).toEqual([0xffff, 'all'])
  })

  it('tell under which ID requests arrive, which is behind the unit too', () => {
    const map = mapOf(
      later('IVHD-11h', [
        { kind: 'alias-select', deviceId: 0x10, dteSetting: 0, reserved_4: 0, sourceDeviceId: 0x20, reserved_7: 0 },
        {
          kind: 'alias-range-start',
          deviceId: 0x100,
          dteSetting: 0,
          reserved_4: 0,
          sourceDeviceId: 0x28,
          reserved_7: 0,
        },
        { kind: 'range-end', deviceId: 0x101, dteSetting: 0 },
      ]),
    )
    const segment = map.segments.get(0)!
    expect([0x10, 0x100, 0x101, 0x20].map((id) => segment.aliasOf(id))).toEqual([0x20, 0x28, 0x28, 0x20])
    expect(claims(map)).toEqual([
      '10: alias 00:02.0 as 00:04.0',
      '20: select 00:04.0',
      '28: select 00:05.0',
      '100: alias 01:00.0 to 01:00.1 as 00:05.0',
      '101: alias 01:00.0 to 01:00.1 as 00:05.0',
    ])
  })

  it('name I/O APICs, and ask for settings of the device table', () => {
    const map = mapOf(later('IVHD-11h', [select(0x10, 0x82), ioApic(3, 0xa0), select(0xb0)]))
    expect([...map.ioApics]).toEqual([[3, 0xa0]])
    expect(map.segments.get(0)!.settings[0x10]).toBe(0x82)
  })

  it('of a special kind that nobody knows end the block', () => {
    const odd: IvhdEntry = { kind: 'special', reserved: 0, dteSetting: 0, handle: 0, sourceDeviceId: 0x18, variety: 9 }
    expect(claims(mapOf(later('IVHD-11h', [select(0x10), odd, select(0x20)])))).toEqual(['10: select 00:02.0'])
  })

  it('for ACPI devices count in blocks of type 40h alone', () => {
    const device: IvhdEntry = {
      kind: 'acpi-hid',
      deviceId: 0x98,
      dteSetting: 0,
      hardwareId: 'AMDI0020',
      compatibleId: '',
      uidFormat: 0,
      uid: '',
    }
    expect(claims(mapOf(later('IVHD-40h', [select(0xa0), device])))).toContain('98: select 00:13.0')
    expect(claims(mapOf(later('IVHD-11h', [select(0xa0), device])))).toEqual(['a0: select 00:14.0'])
  })
})

describe('memory', () => {
  const UNITY = 1
  const READ = 2
  const WRITE = 4
  const EXCLUSION = 8

  it('is mapped onto itself for all, for one, or for a range; whole pages, read and write as asked', () => {
    const entries = [select(0x10), select(0x40)]
    const map = mapOf(
      later('IVHD-11h', entries),
      ivmd('IVMD-20h', UNITY | READ | WRITE, 0, 0, 0x10_0000),
      ivmd('IVMD-21h', UNITY | READ, 0x10, 0, 0x20_0000),
      ivmd('IVMD-22h', EXCLUSION, 0x10, 0x18, 0x30_0000),
      ivmd('IVMD-21h', READ | WRITE, 0x10, 0, 0x40_0000),
    )
    expect(map.segments.get(0)!.unityMaps).toEqual([
      { firstDevice: 0, lastDevice: 0x40, start: 0x10_0000, end: 0x10_2000, access: 3 },
      { firstDevice: 0x10, lastDevice: 0x10, start: 0x20_0000, end: 0x20_2000, access: 1 },
      { firstDevice: 0x10, lastDevice: 0x18, start: 0x30_0000, end: 0x30_2000, access: 3 },
    ])
  })
})

describe('a table that the kernel leaves alone', () => {
  it.each([
    ['with a wrong checksum', [block10([select(0x10)])], false, 'the checksum of the IVRS is wrong'],
    ['without an IVHD', [ivmd('IVMD-20h', 1, 0, 0, 0x1000)], true, 'no IVHD in the table'],
    ['with a block that names no device', [block10([])], true, 'a block of segment 0 names no device'],
  ])('%s', (_what, blocks, checksumRight, reason) => {
    expect(read(blocks, checksumRight)).toBe(reason)
  })
})
