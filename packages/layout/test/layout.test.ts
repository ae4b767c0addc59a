import { describe, expect, it } from 'vitest'
import {
  addr,
  array,
  be32,
  bits,
  bytes,
  describeBits,
  describeRegisters,
  describeStruct,
  field,
  formatBits,
  le16,
  le32,
  le64,
  nextValue,
  nextValueHigh,
  printStruct,
  printWord,
  readValue,
  reg32,
  reg64,
  registers,
  struct,
  u8,
} from '../src/index.ts'

const DESC = struct('virtq_desc', 'virtio 1.3 §2.7.5', { addr: le64, len: le32, flags: le16, next: le16 })

describe('struct', () => {
  it('places fields one after the other', () => {
    expect(DESC.size).toBe(16)
    expect(DESC.fields.addr.offset).toBe(0)
    expect(DESC.fields.len.offset).toBe(8)
    expect(DESC.fields.flags.offset).toBe(12)
    expect(DESC.fields.next.offset).toBe(14)
  })

  it('reads and writes unsigned words at a base', () => {
    const view = new DataView(new ArrayBuffer(64))
    DESC.fields.len.set(view, 16, 0xffff_fffe)
    expect(view.getUint32(24, true)).toBe(0xffff_fffe)
    expect(DESC.fields.len.get(view, 16)).toBe(0xffff_fffe)
  })

  it('reads a le64 as halves, as a number and as a bigint', () => {
    const view = new DataView(new ArrayBuffer(16))
    DESC.fields.addr.number.set(view, 0, 0x1f_ffff_ffff_ffff)
    expect(DESC.fields.addr.hi.get(view, 0)).toBe(0x1f_ffff)
    expect(DESC.fields.addr.lo.get(view, 0)).toBe(0xffff_ffff)
    expect(DESC.fields.addr.big.get(view, 0)).toBe(0x1f_ffff_ffff_ffffn)
    DESC.fields.addr.hi.set(view, 0, 0x20_0000)
    expect(() => DESC.fields.addr.number.get(view, 0)).toThrow(/0x00200000ffffffff is 2\^53 or above/)
    expect(() => DESC.fields.addr.number.set(view, 0, -1)).toThrow(RangeError)
  })

  it('holds nested structures, arrays, big-endian words and bytes', () => {
    const OUTER = struct('outer', 'none', { head: u8, list: array(DESC, 2), tail: be32, name: bytes(4) })
    expect(OUTER.size).toBe(1 + 32 + 4 + 4)
    const view = new DataView(new ArrayBuffer(OUTER.size))
    OUTER.fields.list.at(1).fields.flags.set(view, 0, 0x1234)
    expect(view.getUint16(1 + 16 + 12, true)).toBe(0x1234)
    OUTER.fields.tail.set(view, 0, 0x0102_0304)
    expect(Array.from(new Uint8Array(view.buffer, 33, 4))).toEqual([1, 2, 3, 4])
    OUTER.fields.name.set(view, 0, new Uint8Array([65]))
    expect(Array.from(OUTER.fields.name.get(view, 0))).toEqual([65, 0, 0, 0])
    expect(() => OUTER.fields.list.at(2)).toThrow(/index 2 is outside \[0, 2\)/)
    expect(() => OUTER.fields.name.set(view, 0, new Uint8Array(5))).toThrow(/5 bytes do not fit/)
    expect(printStruct(OUTER, view).map((row) => row.name)).toContain('list[1].flags')
    expect(printStruct(DESC, view, 17).at(2)).toEqual({ name: 'flags', offset: 12, size: 2, text: '0x1234' })
  })

  it('refuses a name that is none', () => {
    expect(() => struct('bad', 'none', { 'a b': u8 })).toThrow(/"a b" is no field name/)
  })
})

describe('bits', () => {
  const WORD = bits(64, 'ENTRY', 'none', {
    P: 0,
    TYPE: field([3, 2], 'rw', { 0: 'untranslated', 2: 'pass-through' }),
    ADDR: addr(51, 12),
    WIDE: [60, 52],
    TOP: 63,
  })

  it('puts values in and gets them out on either side of bit 32', () => {
    const { ADDR, WIDE, TOP, TYPE } = WORD.fields
    const address = 0xf_ffff_ffff_f000 % 2 ** 52
    const lo = ADDR.setLo(0, address)
    const hi = ADDR.setHi(0, address)
    expect(ADDR.get(lo, hi)).toBe(address)
    expect(TYPE.get(TYPE.setLo(lo, 2), hi)).toBe(2)
    expect(WIDE.get(0, WIDE.setHi(0, 0x1ff))).toBe(0x1ff)
    expect(TOP.setHi(0, 1)).toBe(0x8000_0000)
    expect(TOP.get(0, 0x8000_0000)).toBe(1)
  })

  it('reads a field that straddles the halves', () => {
    const STRADDLE = bits(64, 'S', 'none', { F: [39, 28] })
    const { F } = STRADDLE.fields
    expect(F.get(F.setLo(0, 0xabc), F.setHi(0, 0xabc))).toBe(0xabc)
    expect(F.setLo(0, 0xabc)).toBe(0xc000_0000)
    expect(F.setHi(0, 0xabc)).toBe(0xab)
  })

  it('refuses overlaps and ranges outside the word', () => {
    expect(() => bits(32, 'W', 'none', { A: [3, 0], B: 3 })).toThrow(/B overlaps/)
    expect(() => bits(32, 'W', 'none', { A: 32 })).toThrow(RangeError)
    expect(() => bits(32, 'W', 'none', { A: [0, 3] })).toThrow(RangeError)
  })

  it('prints what is set, highest first', () => {
    expect(formatBits(WORD, 0b1001, 0x8000_0000)).toBe('TOP=1 TYPE=pass-through P=1')
    expect(formatBits(WORD, 0, 0)).toBe('0')
    expect(printWord(bits(32, 'W', 'none', { A: 1 }), 2)).toBe('W 0x00000002: A=1')
    expect(describeBits(WORD)).toContain('| 3:2 | TYPE | rw | 0 untranslated, 2 pass-through |')
  })
})

describe('registers', () => {
  const CMD = bits(32, 'CMD', 'none', {
    GO: field(31, 'wo'),
    MODE: field([1, 0], 'rw'),
    ERR: field(4, 'rw1c'),
    ID: field([15, 8], 'ro'),
  })
  const FILE = registers('file', 'none', {
    CMD: reg32(0, 'rsvdz', CMD, 0x0000_1200),
    ADDR: reg64(8, 'rw', undefined, [1, 2]),
  })

  it('applies read-write, read-only, write-only, write-one-to-clear and reserved bits', () => {
    const { CMD: cmd } = FILE.registers
    expect(nextValue(cmd, 0x1210, 0xffff_ffff)).toBe(0x8000_1203)
    expect(nextValue(cmd, 0x1210, 0)).toBe(0x1210)
    expect(readValue(cmd, 0x8000_1203)).toBe(0x1203)
    expect(nextValue(FILE.registers.ADDR, 0, 0xdead_beef)).toBe(0xdead_beef)
    expect(nextValueHigh(FILE.registers.ADDR, 0, 0xdead_beef)).toBe(0xdead_beef)
    expect([FILE.registers.ADDR.resetHi, FILE.registers.ADDR.resetLo]).toEqual([1, 2])
  })

  it('refuses registers that overlap or differ in width from their fields', () => {
    expect(() => registers('f', 'none', { A: reg64(0, 'rw'), B: reg32(4, 'rw') })).toThrow(/B at 0x4 starts before 0x8/)
    expect(() => registers('f', 'none', { A: reg64(0, 'rw', CMD) })).toThrow(/64 bits wide, its fields 32/)
    expect(FILE.size).toBe(16)
  })

  it('describes itself in Markdown', () => {
    expect(describeRegisters(FILE)).toContain('| 0x008 | ADDR | 64 | rw |')
    expect(describeStruct(DESC)).toContain('| 12 | 2 | flags | le16 |')
  })
})
