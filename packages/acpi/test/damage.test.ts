import { DmascopeError } from '@dmascope/layout'
import { describe, expect, test } from 'vitest'
import { buildTable, parseDmar, parseMadt, parseTable, printTable } from '../src/index.ts'
import { tableOf } from './annotated-hex.ts'

const dmar = (hex: string): Uint8Array => tableOf('DMAR', `2f 01 00000000000000000000 ${hex}`)

/** What was found, after checking that nothing of the bytes is lost. */
function problemsOf(bytes: Uint8Array): [string, number][] {
  const parsed = parseTable(bytes)
  expect(buildTable(parsed)).toEqual(bytes)
  expect(printTable(parsed)).not.toBe('')
  return parsed.problems.map(({ code, offset }) => [code, offset])
}

const UNIT = '0000 1000 01 00 0000 0000d9fe00000000' // DRHD, INCLUDE_PCI_ALL, registers at 0xfed90000

describe('damage that leaves a table readable', () => {
  test('none', () => {
    expect(problemsOf(dmar(UNIT))).toEqual([])
  })

  test('a record of length zero: the rest is kept, since nothing tells where the next one is', () => {
    const bytes = dmar(`${UNIT} 0100 0000 0000 0000`)
    expect(problemsOf(bytes)).toEqual([['ACPI_RECORD_LENGTH', 64]])
    expect(parseDmar(bytes)).toMatchObject({ records: [{ kind: 'DRHD' }], trailing: '0100000000000000' })
  })

  test('a record that reaches past the end', () => {
    expect(problemsOf(dmar(`${UNIT} 0100 2000 0000 0000`))).toEqual([['ACPI_RECORD_PAST_END', 64]])
  })

  test('a record that is shorter than its fields is kept as bytes', () => {
    const bytes = dmar(`${UNIT} 0000 0800 01 00 0000`)
    expect(problemsOf(bytes)).toEqual([['ACPI_RECORD_SHORT', 64]])
    expect(parseDmar(bytes).records[1]).toEqual({ kind: 'unknown', offset: 64, type: 0, data: '01000000' })
  })

  test('a record of a type to come', () => {
    const bytes = dmar(`${UNIT} 4200 0600 abcd`)
    expect(problemsOf(bytes)).toEqual([['ACPI_RECORD_UNKNOWN', 64]])
    expect(parseDmar(bytes).records[1]).toEqual({ kind: 'unknown', offset: 64, type: 0x42, data: 'abcd' })
  })

  test('a device scope of length zero ends the list of its record only', () => {
    const bytes = dmar(
      `0000 1800 00 00 0000 0000d9fe00000000 01 00 00 00 00 00 0200  0300 1400 00000000 0000d9fe00000000 01000000`,
    )
    expect(problemsOf(bytes)).toEqual([['ACPI_RECORD_LENGTH', 64]])
    expect(parseDmar(bytes).records).toMatchObject([
      { kind: 'DRHD', scopes: [], trailing: '0100000000000200' },
      { kind: 'RHSA', offset: 72, proximityDomain: 1 },
    ])
  })

  test('a path of an odd number of bytes', () => {
    const bytes = dmar('0000 1900 00 00 0000 0000d9fe00000000 01 09 00 00 00 00 0200 07')
    expect(problemsOf(bytes)).toEqual([['ACPI_TRAILING', 72]])
  })

  test('a path to device 32, and no path', () => {
    const bytes = dmar('0000 1e00 00 00 0000 0000d9fe00000000 01 08 00 00 00 00 2000  01 06 00 00 00 00')
    expect(problemsOf(bytes)).toEqual([
      ['DMAR_SCOPE_PATH', 70],
      ['DMAR_SCOPE_PATH', 72],
    ])
  })

  test('a unit at address zero, as on some real machines', () => {
    expect(problemsOf(dmar('0000 1000 01 00 0000 0000000000000000'))).toEqual([['DMAR_DRHD_ADDRESS', 56]])
  })

  test('a reserved region that ends before it starts, and one of broken pages', () => {
    const empty = '0100 1800 0000 0000 0000000000000000 0000000000000000'
    const broken = '0100 1800 0000 0000 0000800000000000 ff0f810000000000'
    const crooked = '0100 1800 0000 0000 0100800000000000 ff0f810000000000'
    expect(problemsOf(dmar(UNIT + empty + broken + crooked))).toEqual([
      ['DMAR_RMRR_RANGE', 72],
      ['DMAR_RMRR_RANGE', 120],
    ])
  })

  test('a unit behind the one that takes all of its segment; another segment is free', () => {
    const other = '0000 1000 00 00 0100 0000d8fe00000000'
    const late = '0000 1000 00 00 0000 0000d8fe00000000'
    expect(problemsOf(dmar(UNIT + other))).toEqual([])
    expect(problemsOf(dmar(UNIT + other + late))).toEqual([['DMAR_DRHD_ORDER', 80]])
  })

  test('no unit', () => {
    expect(problemsOf(dmar(''))).toEqual([['DMAR_NO_DRHD', 48]])
  })

  test('a name without its NUL', () => {
    const bytes = dmar(`${UNIT} 0400 0c00 000000 01 5c5f5342`)
    expect(problemsOf(bytes)).toEqual([['ACPI_TRAILING', 72]])
    expect(parseDmar(bytes).records[1]).toMatchObject({ kind: 'ANDD', acpiObjectName: '\\_SB', trailing: '' })
  })

  test('a wrong checksum is kept as it is', () => {
    const bytes = dmar(UNIT)
    bytes[9]! ^= 0x10
    expect(problemsOf(bytes)).toEqual([['ACPI_CHECKSUM', 9]])
  })

  test('a header that gives more bytes than there are, and fewer', () => {
    const long = dmar(UNIT)
    new DataView(long.buffer).setUint32(4, 0x1000, true)
    expect(problemsOf(long).map(([code]) => code)).toEqual(['ACPI_LENGTH', 'ACPI_CHECKSUM'])
    const short = dmar(UNIT)
    new DataView(short.buffer).setUint32(4, 48, true)
    expect(problemsOf(short).map(([code]) => code)).toEqual(['ACPI_LENGTH', 'ACPI_CHECKSUM', 'DMAR_NO_DRHD'])
    expect(parseDmar(short).beyond).toBe('00001000010000000000d9fe00000000')
  })

  test('reserved bytes that are not zero', () => {
    const bytes = tableOf('DMAR', `2f 01 000000000000000000ab ${UNIT}`)
    expect(problemsOf(bytes)).toEqual([])
    expect(parseDmar(bytes).reserved).toBe('000000000000000000ab')
  })

  test('an address of 2^53 and above is kept exactly', () => {
    const bytes = dmar('0000 1000 01 00 0000 0100000000002000')
    expect(problemsOf(bytes)).toEqual([])
    expect(parseDmar(bytes).records[0]).toMatchObject({ registerBaseAddress: '0x0020000000000001' })
  })

  test('a MADT entry of an unknown type', () => {
    const bytes = tableOf('APIC', '0000e0fe 01000000  80 04 1234')
    expect(problemsOf(bytes)).toEqual([['ACPI_RECORD_UNKNOWN', 44]])
    expect(parseMadt(bytes).records).toEqual([{ kind: 'unknown', offset: 44, type: 0x80, data: '1234' }])
  })
})

describe('damage beyond reading', () => {
  const codeOf = (read: () => unknown): unknown => {
    try {
      read()
    } catch (error) {
      if (error instanceof DmascopeError) return [error.code, error.context.offset]
      throw error
    }
    return 'read'
  }

  test('fewer bytes than a header', () => {
    expect(codeOf(() => parseTable(dmar(UNIT).subarray(0, 35)))).toEqual(['ACPI_TRUNCATED', 35])
    expect(codeOf(() => parseTable(new Uint8Array(0)))).toEqual(['ACPI_TRUNCATED', 0])
  })

  test('a table that ends within its fixed fields', () => {
    expect(codeOf(() => parseDmar(dmar(UNIT).subarray(0, 40)))).toEqual(['ACPI_TRUNCATED', 40])
  })

  test('another table than the one wanted; the message tells where', () => {
    expect(codeOf(() => parseMadt(dmar(UNIT)))).toEqual(['ACPI_SIGNATURE', 0])
    expect(() => parseMadt(dmar(UNIT), { address: 0x7ffe1000 })).toThrow(
      'APIC (0x7ffe1000) at byte 0x0: the signature is "DMAR"',
    )
  })
})

describe("a caller's mistakes", () => {
  const unit = {
    kind: 'DRHD',
    flags: 1,
    size: 0,
    segmentNumber: 0,
    registerBaseAddress: 0xfed90000,
    scopes: [],
  } as const
  const header = parseDmar(dmar(UNIT)).header
  const build = (record: object): Uint8Array =>
    buildTable({
      signature: 'DMAR',
      header,
      hostAddressWidth: 47,
      flags: 1,
      records: [record as typeof unit & { scopes: [] }],
    })

  test('are named', () => {
    expect(build(unit)).toEqual(dmar(UNIT))
    expect(() => build({ ...unit, segmentNumber: 0x10000 })).toThrow(RangeError)
    expect(() => build({ ...unit, segmentNumber: 0x10000 })).toThrow('DRHD.segmentNumber: 65536 is outside [0, 0xffff]')
    expect(() => build({ ...unit, registerBaseAddress: -1 })).toThrow(RangeError)
    expect(() => build({ ...unit, registerBaseAddress: undefined })).toThrow('DRHD.registerBaseAddress is missing')
    expect(() => build({ ...unit, scopes: undefined })).toThrow(TypeError)
    expect(() => build({ ...unit, kind: 'DHRD' })).toThrow('"DHRD" is no remapping structure: DRHD, RMRR')
  })
})
