import { describe, expect, test } from 'vitest'
import {
  aml,
  buildDefinitionBlock,
  definitionBlock,
  findHostBridges,
  fixedMemory,
  interrupts,
  isaInterrupt,
  ports,
  readResources,
  sdtHeader,
  toHex,
  wideMemoryWindow,
} from '../src/index.ts'

describe('AML encodings of what methods and registers need (ACPI 6.5 §20.2.5)', () => {
  test('a package whose length is an expression', () => {
    expect(toHex(aml.varPackage(aml.integer(1), aml.integer(2)))).toBe('13' + '06' + '0a02' + '01' + '0a02')
    expect(aml.varPackage(...Array.from({ length: 300 }, () => aml.integer(0)))).toHaveLength(1 + 2 + 3 + 300)
  })

  test('Unicode and ToUUID are buffers', () => {
    expect(toHex(aml.unicode('AB'))).toBe('11' + '09' + '0a06' + '410042000000')
    expect(toHex(aml.uuid('33db4d5b-1ff7-401c-9657-7441c03dd766'))).toBe(
      '11' + '13' + '0a10' + '5b4ddb33f71f1c4096577441c03dd766',
    )
    expect(() => aml.uuid('33db4d5b')).toThrow(TypeError)
  })

  test('a region in memory, a field of 32 bits that is written whole', () => {
    expect(toHex(aml.memoryRegion('EREG', 0xfea0_0000, 4))).toBe('5b80' + '45524547' + '00' + '0c0000a0fe' + '0a04')
    expect(toHex(aml.wordField('EREG', 'ESEL'))).toBe('5b81' + '0b' + '45524547' + '43' + '4553454c' + '20')
  })

  test('operators with and without a target, and methods that one caller runs at a time', () => {
    const local = aml.local(0)
    expect(toHex(aml.and(local, aml.integer(2)))).toBe('7b60' + '0a02' + '00')
    expect(toHex(aml.or(local, aml.integer(8), local))).toBe('7d60' + '0a08' + '60')
    expect(toHex(aml.not(aml.equal(local, aml.integer(1))))).toBe('92' + '936001')
    expect(toHex(aml.notify('PWRB', 0x80))).toBe('86' + '50575242' + '0a80')
    expect(toHex(aml.dwordField(aml.arg(3), 4, 'CDW2'))).toBe('8a' + '6b' + '0a04' + '43445732')
    expect(toHex(aml.serializedMethod('_EVT', 1, local))).toBe('14' + '07' + '5f455654' + '09' + '60')
    expect(() => aml.serializedMethod('_EVT', 8)).toThrow(RangeError)
  })
})

describe('resource descriptors of devices on no bus', () => {
  test('§6.4.3.4 fixed memory: read and write; read back', () => {
    const bytes = fixedMemory(0xfeb0_2e00, 0x200)
    expect(toHex(bytes)).toBe('860900' + '01' + '002eb0fe' + '00020000')
    expect(readResources(bytes).memory).toEqual([{ first: 0xfeb0_2e00, last: 0xfeb0_2fff }])
    expect(() => fixedMemory(0xffff_ff00, 0x200)).toThrow(RangeError)
  })

  test('§6.4.3.6 an interrupt by edge or level, shared or not; §6.4.2.1 one of ISA', () => {
    expect(toHex(interrupts([47], { exclusive: true }))).toBe('890600' + '01' + '01' + '2f000000')
    expect(toHex(interrupts([9], { edge: true, exclusive: true }))).toBe('890600' + '03' + '01' + '09000000')
    expect(toHex(isaInterrupt(4))).toBe('22' + '1000')
    expect(toHex(isaInterrupt(4, 'level-low'))).toBe('23' + '1000' + '18')
    expect(() => isaInterrupt(16)).toThrow(RangeError)
  })

  test('§6.4.2.5 ports that cannot move; §6.4.3.5.1 memory by 64 bits though it is low', () => {
    expect(toHex(ports(0x3f8, 8, 0))).toBe('47' + '01' + 'f803' + 'f803' + '00' + '08')
    const window = { first: 0xe000_0000, last: 0xefff_ffff }
    expect(toHex(wideMemoryWindow(window)).slice(0, 12)).toBe('8a2b00000c01')
    expect(readResources(wideMemoryWindow(window)).memory).toEqual([window])
  })
})

describe('_CBA of a host bridge', () => {
  const bridge = (...terms: aml.Aml[]) =>
    findHostBridges(
      buildDefinitionBlock(
        definitionBlock(
          'DSDT',
          [aml.scope('\\_SB', aml.device('PCI0', aml.name('_HID', aml.text('PNP0A08')), ...terms))],
          sdtHeader(2),
        ),
      ),
    )[0]

  test('is where its configuration space is, by a method or a name', () => {
    expect(bridge(aml.method('_CBA', 0, aml.returns(aml.integer(0xe000_0000))))?.configBase).toBe(0xe000_0000)
    expect(bridge(aml.name('_CBA', aml.integer(0x40_1000_0000)))?.configBase).toBe(0x40_1000_0000)
  })

  test('is null where there is none, or where it is no number', () => {
    expect(bridge()?.configBase).toBeNull()
    expect(bridge(aml.name('_CBA', aml.text('here')))?.configBase).toBeNull()
  })
})
