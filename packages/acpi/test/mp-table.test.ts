import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  buildMpConfiguration,
  buildMpFloatingPointer,
  type MpConfiguration,
  parseMpConfiguration,
  parseMpFloatingPointer,
  toHex,
} from '../src/index.ts'

const RUNS = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const sum = (bytes: Uint8Array): number => bytes.reduce((total, byte) => (total + byte) & 0xff, 0)

const TABLE: MpConfiguration = {
  oemId: 'QBOOT',
  productId: '000000000000',
  localApic: 0xfee0_0000,
  entries: [
    { kind: 'processor', apicId: 0, apicVersion: 0x14, usable: true, boots: true, signature: 0x663, features: 0x201 },
    { kind: 'bus', id: 0, type: 'ISA' },
    { kind: 'io-apic', id: 2, version: 0x14, usable: true, address: 0xfec0_0000 },
    { kind: 'io-interrupt', type: 'vectored', flags: 0, bus: 0, irq: 5, apicId: 2, input: 5 },
    { kind: 'local-interrupt', type: 'nmi', flags: 0, bus: 0, irq: 0, apicId: 0xff, input: 1 },
  ],
}

describe('MP tables', () => {
  test('§4.1 the floating pointer: 16 bytes whose sum is 0', () => {
    const bytes = buildMpFloatingPointer(0x9_fc10)
    expect(toHex(bytes.subarray(0, 10))).toBe('5f4d505f' + '10fc0900' + '01' + '04')
    expect(bytes).toHaveLength(16)
    expect(sum(bytes)).toBe(0)
    expect(parseMpFloatingPointer(bytes)).toBe(0x9_fc10)
  })

  test('§4.2 the header, and §4.3 entries of 20 and 8 bytes', () => {
    const bytes = buildMpConfiguration(TABLE)
    expect(bytes).toHaveLength(44 + 20 + 4 * 8)
    expect(toHex(bytes.subarray(0, 7))).toBe('50434d50' + '6000' + '04')
    expect(toHex(bytes.subarray(8, 28))).toBe('51424f4f54202020' + '303030303030303030303030')
    expect(toHex(bytes.subarray(34, 40))).toBe('0500' + '0000e0fe')
    expect(toHex(bytes.subarray(44, 64))).toBe('00001403' + '63060000' + '01020000' + '0000000000000000')
    expect(toHex(bytes.subarray(64, 80))).toBe('0100495341202020' + '020214010000c0fe')
    expect(toHex(bytes.subarray(80))).toBe('0300000000050205' + '040100000000ff01')
    expect(sum(bytes)).toBe(0)
  })

  test('come back as they were', () => {
    expect(parseMpConfiguration(buildMpConfiguration(TABLE))).toEqual(TABLE)
  })

  test('are read by their length: a count of entries that is wrong does not matter, as to Linux', () => {
    const bytes = buildMpConfiguration(TABLE)
    bytes[34] = 0
    bytes[7] = (bytes[7]! + 5) & 0xff
    expect(parseMpConfiguration(bytes)?.entries).toHaveLength(5)
  })

  test('end at an entry that nobody knows', () => {
    const bytes = buildMpConfiguration(TABLE)
    bytes[64] = 0x81
    bytes[7] = (bytes[7]! - 0x80) & 0xff
    expect(parseMpConfiguration(bytes)?.entries).toHaveLength(1)
  })

  test('are none where a sum, a signature or a length is wrong', () => {
    for (const at of [0, 4, 7, 50]) {
      const bytes = buildMpConfiguration(TABLE)
      bytes[at]!++
      expect(parseMpConfiguration(bytes), String(at)).toBeNull()
    }
    for (const at of [0, 4, 8, 9]) {
      const bytes = buildMpFloatingPointer(0x9_fc10)
      bytes[at]!++
      expect(parseMpFloatingPointer(bytes), String(at)).toBeNull()
    }
  })

  test('whatever the bytes are, reading them ends', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (tail) => {
        const bytes = buildMpConfiguration({ ...TABLE, entries: [] })
        const whole = Uint8Array.from([...bytes, ...tail])
        whole[4] = whole.length
        whole[7] = (whole[7]! - sum(whole)) & 0xff
        const read = parseMpConfiguration(whole)
        expect(read).not.toBeNull()
        expect(read!.entries.length).toBeLessThanOrEqual(tail.length / 8)
      }),
      { numRuns: RUNS },
    )
  })
})
