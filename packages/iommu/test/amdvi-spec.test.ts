import {
  AMDVI_REGISTERS,
  CAPABILITY_HEADER,
  COMMAND,
  COMPLETION_WAIT,
  CONTROL,
  DEVICE_TABLE_ENTRY,
  DTE_0,
  DTE_1,
  DTE_2,
  DTE_3,
  EFR,
  EVENT,
  eventName,
  IO_PAGE_FAULT,
  IOMMU_CAPABILITY,
  IRTE_BASIC,
  IRTE_BASIC_BITS,
  IRTE_GA,
  PAGE_DIRECTORY_ENTRY,
  PAGE_TABLE_ENTRY,
  SPECIAL_RANGES,
  STATUS,
} from '@dmascope/iommu/amdvi/spec'
import type { Bits } from '@dmascope/layout'
import { describe, expect, it } from 'vitest'

/** The bits that a word's fields cover, as hex. */
const covered = ({ fields }: Bits): string =>
  Object.values(fields)
    .reduce((all, { hiMask, loMask }) => all | (BigInt(hiMask) << 32n) | BigInt(loMask), 0n)
    .toString(16)

describe('AMD IOMMU layouts, against the manual', () => {
  it('registers', () => {
    const offsets = Object.fromEntries(
      Object.values(AMDVI_REGISTERS.registers).map(({ name, offset, width }) => [name, [offset, width]]),
    )
    expect(offsets).toEqual({
      DeviceTableBase: [0x0000, 64],
      CommandBufferBase: [0x0008, 64],
      EventLogBase: [0x0010, 64],
      Control: [0x0018, 64],
      ExclusionBase: [0x0020, 64],
      ExclusionLimit: [0x0028, 64],
      ExtendedFeature: [0x0030, 64],
      PprLogBase: [0x0038, 64],
      ExtendedFeature2: [0x01a0, 64],
      CommandHead: [0x2000, 64],
      CommandTail: [0x2008, 64],
      EventHead: [0x2010, 64],
      EventTail: [0x2018, 64],
      Status: [0x2020, 64],
      PprHead: [0x2030, 64],
      PprTail: [0x2038, 64],
    })
  })

  it('sizes of entries, commands and events', () => {
    const sizes = [DEVICE_TABLE_ENTRY, COMMAND, EVENT, IRTE_BASIC, IRTE_GA, IOMMU_CAPABILITY].map(({ size }) => size)
    expect(sizes).toEqual([32, 16, 16, 4, 16, 24])
  })

  it('what fields cover: the rest of an entry is reserved or ignored', () => {
    expect(covered(DTE_0)).toBe('7fffffffffffff83')
    expect(covered(DTE_1)).toBe('ffffffffffffffff')
    expect(covered(DTE_2)).toBe('ffcfffffffffffff')
    expect(covered(DTE_3)).toBe('ffc0ffffffff8000')
    expect(covered(PAGE_DIRECTORY_ENTRY)).toBe('600ffffffffffe21')
    expect(covered(PAGE_TABLE_ENTRY)).toBe('780ffffffffffe61')
    expect(covered(IRTE_BASIC_BITS)).toBe('ffffff')
    expect(covered(COMPLETION_WAIT)).toBe('f00fffffffffffff')
    expect(covered(IO_PAGE_FAULT)).toBe('f1ffffff000fffff')
    expect(covered(STATUS)).toBe('79fff')
  })

  it('bits of some words, by number', () => {
    const control = CONTROL.fields
    expect(
      [control.IommuEn, control.EventLogEn, control.EventIntEn, control.ComWaitIntEn].map(({ low }) => low),
    ).toEqual([0, 2, 3, 4])
    expect([control.CmdBufEn.low, control.GAEn.low, control.XTEn.low, control.IntCapXTEn.low]).toEqual([12, 17, 50, 51])
    // What Linux prints of QEMU’s: PreF PPR GT IA GA HE, six levels.
    const efr = EFR.fields
    const set = [efr.PreFSup, efr.PPRSup, efr.GTSup, efr.IASup, efr.GASup, efr.HESup].map((one) => one.get(0x29d3))
    expect(set).toEqual([1, 1, 1, 1, 1, 1])
    expect([efr.HATS.get(0x29d3), efr.GATS.get(0x29d3)]).toEqual([2, 2])
    expect(CAPABILITY_HEADER.fields.CapType.get(0x1f03_640f)).toBe(3)
    expect(CAPABILITY_HEADER.fields.NpCache.get(0x1f03_640f)).toBe(1)
  })

  it('the special ranges fill the last 12 GiB below 1 TiB without a gap', () => {
    let next = 0xfd_0000_0000
    for (const { firstHi, firstLo, lastHi, lastLo } of SPECIAL_RANGES) {
      expect(firstHi * 2 ** 32 + firstLo).toBe(next)
      next = lastHi * 2 ** 32 + lastLo + 1
    }
    expect(next).toBe(2 ** 40)
  })

  it('events have names', () => {
    expect([eventName(2), eventName(8), eventName(12)]).toEqual([
      'IO_PAGE_FAULT',
      'INVALID_DEVICE_REQUEST',
      'event 0xc',
    ])
  })
})
