import { type Access, GuestRam } from '@dmascope/memory'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DART_FAULTS, DartUnit } from '../src/dart/index.ts'
import { DART_U3, DART_U4, DARTMAP } from '../src/dart/spec/index.ts'
import { NO_PASID, PortTlb, type Translation, UNSUPPORTED_REQUEST } from '../src/index.ts'

const RUNS = { numRuns: Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300) }
const READ = 1
const WRITE = 2
const REQUESTER = 0x68
const TABLE = 0x20_0000
/** U3: FLUSHTLB, ENABLE. */
const [FLUSH, ENABLE] = [0x400, 0x200]

const swap32 = (value: number): number =>
  ((value << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0

/** A device behind a DART, and software that writes its table into 16 MiB of memory. */
function start(model: 'u3' | 'u4' = 'u3') {
  const ram = new GuestRam([{ base: 0, size: 16 << 20 }])
  const unit = new DartUnit({ model, ram })
  const port = new PortTlb(unit, () => REQUESTER)
  const out: Translation = { hi: 0, lo: 0, log2Size: 0, rights: 0, tag: 0, route: 'bypass' }
  return {
    unit,
    port,
    out,
    write: (offset: number, value: number): void => unit.registers.write(offset, 4, swap32(value)),
    read: (offset: number): number => swap32(unit.registers.read(offset, 4)),
    entry(page: number, value: number): void {
      const bytes = new DataView(new ArrayBuffer(4))
      bytes.setUint32(0, value)
      ram.writeBytes(TABLE + page * 4, new Uint8Array(bytes.buffer))
    },
    dma: (hi: number, lo: number, access: Access = READ): number =>
      unit.translate(REQUESTER, NO_PASID, 'untranslated', hi, lo, access, out),
  }
}

describe('layouts', () => {
  it('stand where Linux’s dart.h has them', () => {
    const {
      BASE,
      FLUSHTLB,
      ENABLE: ON,
      SIZE,
    } = DART_U3.registers.DART_CNTL.bits!.fields as Record<string, { loMask: number }>
    expect([BASE!.loMask, FLUSHTLB!.loMask, ON!.loMask, SIZE!.loMask]).toEqual([0xffff_f000, 0x400, 0x200, 0x1ff])
    const { DART_BASE, DART_SIZE, DART_EXCP } = DART_U4.registers
    expect([DART_BASE.offset, DART_SIZE.offset, DART_EXCP.offset]).toEqual([0x10, 0x20, 0x30])
    expect([DARTMAP.fields.VALID.loMask, DARTMAP.fields.RPN.loMask]).toEqual([0x8000_0000, 0x00ff_ffff])
  })
})

describe('a U3’s DART', () => {
  it('lets all addresses through until it is on', () => {
    const { dma, out } = start()
    expect(dma(1, 0x2345_6789, WRITE)).toBe(0)
    expect([out.hi, out.lo, out.route]).toEqual([1, 0x2345_6789, 'bypass'])
  })

  it('is set up in the order of Linux: table, control, flush, an entry, flush', () => {
    const { dma, out, write, read, entry, unit } = start()
    // 1. Every entry leads to one page that is nobody's.
    for (let page = 0; page < 16; page++) entry(page, 0x8000_0300)
    // 2. Base, one page of table, on.
    write(0, TABLE | ENABLE | 1)
    expect(unit.enabled).toBe(true)
    expect(read(0)).toBe(TABLE | ENABLE | 1)
    // 3. The TLB is flushed; the bit reads as zero once it is done.
    write(0, read(0) | FLUSH)
    expect(read(0)).toBe(TABLE | ENABLE | 1)
    // 4. What nobody mapped is no fault: it leads to that page.
    expect(dma(0, 0x5123)).toBe(0)
    expect([out.hi, out.lo, out.route, out.rights, out.log2Size]).toEqual([0, 0x30_0123, 'translated', 3, 12])
    // 5. An entry, and a flush.
    entry(5, 0x8000_0456)
    write(0, read(0) | FLUSH)
    expect(dma(0, 0x5123, WRITE)).toBe(0)
    expect(out.lo).toBe(0x45_6123)
  })

  it('keeps what it translated until it is flushed, whatever the table says since', () => {
    const { port, write, read, entry } = start()
    entry(3, 0x8000_0100)
    write(0, TABLE | ENABLE | 1)
    expect([port.lookup(0, 0x3000, READ), port.lo]).toEqual([0, 0x10_0000])
    entry(3, 0x8000_0200)
    expect([port.lookup(0, 0x3000, READ), port.lo]).toEqual([0, 0x10_0000])
    write(0, read(0) | FLUSH)
    expect([port.lookup(0, 0x3000, READ), port.lo]).toEqual([0, 0x20_0000])
    // Off, all is let through again at once.
    write(0, TABLE | 1)
    expect([port.lookup(0, 0x3000, READ), port.lo, port.route]).toEqual([0, 0x3000, 'bypass'])
  })

  it('refuses what is beyond its table, what is not valid, and a table that is not in memory', () => {
    const { dma, write, entry, unit } = start()
    entry(1, 0x0000_0100)
    write(0, TABLE | ENABLE | 1)
    expect(dma(0, 0x1000)).toBe(DART_FAULTS.notMapped.value)
    expect(dma(0, 0x40_0000)).toBe(DART_FAULTS.outsideTable.value)
    expect(dma(1, 0)).toBe(DART_FAULTS.outsideTable.value)
    write(0, 0xff00_0000 | ENABLE | 1)
    expect(dma(0, 0)).toBe(DART_FAULTS.tableAccess.value)
    expect(unit.faultCount).toBe(4)
    expect(unit.faultsSeen[0]).toMatchObject({ requester: REQUESTER, access: 'read', hi: 0, lo: 0x1000 })
    expect(unit.translate(REQUESTER, NO_PASID, 'translation-request', 0, 0, READ, start().out)).toBe(
      UNSUPPORTED_REQUEST,
    )
  })

  it('has a table of 512 pages where the field, which has no room for that, says 0', () => {
    const { dma, write } = start()
    write(0, TABLE | ENABLE)
    // The last entry of 2 MiB, which nobody wrote.
    expect(dma(0, 0x7fff_f000)).toBe(DART_FAULTS.notMapped.value)
    expect(dma(0, 0x8000_0000)).toBe(DART_FAULTS.outsideTable.value)
  })
})

describe('a U4’s DART', () => {
  it('has its table’s place and length in registers of their own, and forgets one entry alone', () => {
    const { port, write, read, entry } = start('u4')
    for (const page of [3, 4]) entry(page, 0x8000_0100)
    write(0x10, TABLE / 0x1000)
    write(0x20, 1)
    write(0x00, 0x8000_0000)
    expect([read(0x10), read(0x20), read(0x00)]).toEqual([TABLE / 0x1000, 1, 0x9000_0000])
    for (const page of [3, 4]) expect(port.lookup(0, page * 0x1000, READ)).toBe(0)
    for (const page of [3, 4]) entry(page, 0x8000_0200)
    write(0x00, 0xc000_0003)
    expect(read(0x00) & 0x4000_0000).toBe(0)
    expect([port.lookup(0, 0x3000, READ), port.lo]).toEqual([0, 0x20_0000])
    expect([port.lookup(0, 0x4000, READ), port.lo]).toEqual([0, 0x10_0000])
    write(0x00, 0xa000_0000)
    expect([port.lookup(0, 0x4000, READ), port.lo]).toEqual([0, 0x20_0000])
  })

  it('lets addresses from 2^39 on pass, less that', () => {
    const { dma, out, write } = start('u4')
    write(0x00, 0x8000_0000)
    expect(dma(0x81, 0x1234_5678)).toBe(0)
    expect([out.hi, out.lo, out.route]).toEqual([1, 0x1234_5678, 'bypass'])
    expect(dma(0x100, 0)).toBe(DART_FAULTS.outsideTable.value)
  })
})

describe('whatever the table holds', () => {
  it('translates as a plain map of it does', () => {
    const page = fc.nat(0x3ff)
    const entries = fc.array(fc.tuple(page, fc.nat(0xffff_ffff)), { maxLength: 20 })
    const made = start()
    made.write(0, TABLE | ENABLE | 1)
    fc.assert(
      fc.property(entries, page, fc.nat(0xfff), (written, asked, offset) => {
        const map = new Map<number, number>()
        for (const [at, value] of written) {
          made.entry(at, value)
          map.set(at, value)
        }
        const fault = made.dma(0, asked * 0x1000 + offset)
        const value = map.get(asked) ?? 0
        if (value < 0x8000_0000) expect(fault).toBe(DART_FAULTS.notMapped.value)
        else {
          const frame = value & 0xff_ffff
          expect(fault).toBe(0)
          expect(made.out.hi * 2 ** 32 + made.out.lo).toBe(frame * 0x1000 + offset)
        }
        for (const at of map.keys()) made.entry(at, 0)
      }),
      RUNS,
    )
  })

  it('takes whatever software writes to its registers', () => {
    const step = fc.tuple(fc.nat(0x40), fc.nat(0xffff_ffff), fc.nat(0xffff_ffff))
    const units = [start('u3'), start('u4')]
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        for (const { unit, dma } of units) {
          unit.reset()
          for (const [offset, value, address] of steps) {
            unit.registers.write(offset & ~3, 4, value)
            expect(dma(value & 0xff, address)).toBeGreaterThanOrEqual(0)
            expect(unit.registers.read(offset, 4)).toBeLessThanOrEqual(0xffff_ffff)
          }
        }
      }),
      RUNS,
    )
  })
})
