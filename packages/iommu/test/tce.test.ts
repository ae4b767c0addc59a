import { describe, expect, it } from 'vitest'
import {
  queryPeDmaWindow,
  removePeDmaWindow,
  resetPeDmaWindow,
  TCE_FAULTS,
  TceCalls,
  TceUnit,
} from '../src/tce/index.ts'
import { HCALL, HCALL_RETURN, IO_PAGE_SHIFTS, IO_PAGE_SIZES, RTAS_STATUS, TCE } from '../src/tce/spec/index.ts'
import { LIOBN_32, LIOBN_64, TceGuest } from './tce-guest.ts'

const H_GET_TCE = 0x1c
const H_PUT_TCE_INDIRECT = 0x13c
const H_STUFF_TCE = 0x138
const READ = 1
const WRITE = 2
/** Where the dynamic window starts. */
const DYNAMIC = 1n << 59n

const query = (unit: TceUnit, outputs = 6): number[] => {
  const results = new Uint32Array(outputs)
  queryPeDmaWindow(unit, new Uint32Array([0x1000, 0x0800_0000, 0x2000_0000]), results)
  return [...results]
}
const remove = (unit: TceUnit, liobn: number): number => {
  const results = new Uint32Array(1)
  removePeDmaWindow(unit, new Uint32Array([liobn]), results)
  return results[0]! | 0
}

describe('layouts', () => {
  it('calls, return codes and bits have the numbers of LoPAPR', () => {
    expect(HCALL).toEqual({ H_GET_TCE: 0x1c, H_PUT_TCE: 0x20, H_PUT_TCE_INDIRECT: 0x13c, H_STUFF_TCE: 0x138 })
    expect([HCALL_RETURN.H_PARAMETER, HCALL_RETURN.H_FUNCTION, HCALL_RETURN.H_HARDWARE]).toEqual([-4, -2, -1])
    expect([RTAS_STATUS.success, RTAS_STATUS.hardwareError, RTAS_STATUS.parameterError]).toEqual([0, -1, -3])
    expect([TCE.fields.READ.loMask, TCE.fields.WRITE.loMask]).toEqual([1, 2])
    expect(TCE.fields.RPN.get(0x0123_4003, 0x2000)).toBe(0x2000_0123_4000)
  })

  it('the page sizes of a query, 2 MiB out of order', () => {
    for (const [name, shift] of [
      ['SIZE_4K', 12],
      ['SIZE_64K', 16],
      ['SIZE_2M', 21],
      ['SIZE_16M', 24],
      ['SIZE_16G', 34],
    ] as const) {
      expect(IO_PAGE_SHIFTS[IO_PAGE_SIZES.fields[name].low]).toBe(shift)
    }
  })
})

describe('a partition sets its windows up, in the order of Linux', () => {
  it('default window, query, create, H_PUT_TCE_INDIRECT of all memory, DMA at 2^59', () => {
    const guest = new TceGuest()
    // 1. The default window: 1 GiB at 0, empty.
    expect(guest.unit.openWindows).toBe(1)
    expect(guest.dma(0n, READ)).toBe(TCE_FAULTS.notMapped.value)
    // 2. ibm,query-pe-dma-window: one more window, 2^37 entries, 4 KiB, 64 KiB, 2 MiB and 16 MiB.
    expect(query(guest.unit)).toEqual([0, 1, 0x20, 0, 0x107, 0])
    // 3. ibm,create-pe-dma-window: 16 MiB pages for 1 GiB.
    expect(guest.create(24, 30)).toEqual([0, LIOBN_64, 0x0800_0000, 0])
    // 4. A page of entries, big-endian, 512 at most: here 64.
    const list = new DataView(new ArrayBuffer(512))
    for (let page = 0; page < 64; page++) list.setBigUint64(page * 8, (BigInt(page) << 24n) | 3n)
    guest.ram.writeBytes(0x5000, new Uint8Array(list.buffer))
    expect(guest.call(H_PUT_TCE_INDIRECT, BigInt(LIOBN_64), DYNAMIC, 0x5000n, 64n).code).toBe(0)
    // 5. Physical address + 2^59.
    expect(guest.dma(DYNAMIC + 0x1234_5678n, WRITE)).toBe(0)
    expect([guest.output, guest.out.log2Size, guest.out.route]).toEqual([0x1234_5678n, 24, 'translated'])
    // The last byte of the window, and the first behind it.
    expect(guest.dma(DYNAMIC + 0x3fff_ffffn, READ)).toBe(0)
    expect(guest.output).toBe(0x3fff_ffffn)
    expect(guest.dma(DYNAMIC + 0x4000_0000n, READ)).toBe(TCE_FAULTS.outsideWindows.value)
    expect(guest.dma(DYNAMIC - 1n, READ)).toBe(TCE_FAULTS.outsideWindows.value)
  })

  it('a window of 2^0 bytes is none: the call is refused, and the default window carries on', () => {
    const guest = new TceGuest()
    expect(guest.create(24, 0)).toEqual([-3, 0, 0, 0])
    expect(guest.put(LIOBN_32, 0x1000n, 0x80_0003n)).toBe(0)
    expect(guest.dma(0x1abcn, READ)).toBe(0)
    expect(guest.output).toBe(0x80_0abcn)
  })
})

describe('windows', () => {
  it('the last byte of the default window is in, the next is not', () => {
    const guest = new TceGuest()
    expect(guest.put(LIOBN_32, 0x3fff_f000n, 0x7f_f003n)).toBe(0)
    expect(guest.put(LIOBN_32, 0x4000_0000n, 0x7f_f003n)).toBe(-4)
    expect(guest.dma(0x3fff_ffffn, WRITE)).toBe(0)
    expect(guest.output).toBe(0x7f_ffffn)
    expect(guest.dma(0x4000_0000n, WRITE)).toBe(TCE_FAULTS.outsideWindows.value)
  })

  it.each([12, 16, 21, 24])('pages of 2^%i bytes: entries, sizes and offsets', (shift) => {
    const guest = new TceGuest()
    const page = 1n << BigInt(shift)
    expect(guest.create(shift, 40)[0]).toBe(0)
    // Address bits below the page size are not taken from the entry.
    expect(guest.put(LIOBN_64, DYNAMIC + 5n * page + 0xabcn, (7n * page) | 0xff0n | 1n)).toBe(0)
    expect(guest.dma(DYNAMIC + 5n * page + 0x123n, READ)).toBe(0)
    expect([guest.output, guest.out.log2Size]).toEqual([7n * page + 0x123n, shift])
    expect(guest.dma(DYNAMIC + 6n * page, READ)).toBe(TCE_FAULTS.notMapped.value)
    expect(guest.put(LIOBN_64, DYNAMIC + (1n << 40n) - page, (9n * page) | 3n)).toBe(0)
    expect(guest.dma(DYNAMIC + (1n << 40n) - 1n, WRITE)).toBe(0)
    expect(guest.output).toBe(9n * page + page - 1n)
  })

  it('an entry may lead anywhere in 64 bits', () => {
    const guest = new TceGuest()
    expect(guest.put(LIOBN_32, 0n, 0xfedc_ba98_7654_3003n)).toBe(0)
    expect(guest.dma(0xfffn, READ)).toBe(0)
    expect(guest.output).toBe(0xfedc_ba98_7654_3fffn)
  })

  it('pages of 16 GiB, where a bridge offers them', () => {
    const guest = new TceGuest({ pageShifts: [12, 34] })
    expect(query(guest.unit)).toEqual([0, 1, 0x20, 0, 0x81, 0])
    expect(guest.create(34, 40)[0]).toBe(0)
    expect(guest.put(LIOBN_64, DYNAMIC + (63n << 34n), (5n << 34n) | 3n)).toBe(0)
    expect(guest.dma(DYNAMIC + (1n << 40n) - 1n, READ)).toBe(0)
    expect([guest.output, guest.out.log2Size]).toEqual([(6n << 34n) - 1n, 34])
    expect(guest.dma(DYNAMIC + (1n << 40n), READ)).toBe(TCE_FAULTS.outsideWindows.value)
  })

  it('both windows go by their LIOBNs, and a third is not to be had', () => {
    const guest = new TceGuest()
    expect(guest.create(16, 32)[0]).toBe(0)
    expect(query(guest.unit, 5)).toEqual([0, 0, 0x8000_0000, 0x107, 0])
    expect(guest.create(16, 32)).toEqual([-1, 0, 0, 0])
    expect(guest.put(0x8000_0002, 0n, 3n)).toBe(-4)
    expect(guest.call(0x20, 0x1_8000_0000n, 0n, 3n).code).toBe(-4)
  })

  it('a removed window translates no more; the default one comes back with the last dynamic one', () => {
    const guest = new TceGuest()
    guest.create(24, 30)
    guest.put(LIOBN_64, DYNAMIC, 3n)
    expect(guest.dma(DYNAMIC, READ)).toBe(0)
    expect(remove(guest.unit, LIOBN_32)).toBe(0)
    expect(guest.dma(0n, READ)).toBe(TCE_FAULTS.outsideWindows.value)
    expect(guest.dma(DYNAMIC, READ)).toBe(0)
    expect(remove(guest.unit, LIOBN_64)).toBe(0)
    expect(guest.dma(DYNAMIC, READ)).toBe(TCE_FAULTS.outsideWindows.value)
    expect(guest.unit.openWindows).toBe(1)
    expect(guest.dma(0n, READ)).toBe(TCE_FAULTS.notMapped.value)
    expect(remove(guest.unit, LIOBN_64)).toBe(-3)
  })

  it('where the default window went alone, the next one is made in its place', () => {
    const guest = new TceGuest()
    expect(remove(guest.unit, LIOBN_32)).toBe(0)
    expect(guest.unit.openWindows).toBe(0)
    expect(guest.create(21, 40)).toEqual([0, LIOBN_32, 0, 0])
    expect(guest.put(LIOBN_32, 0xff_ffe0_0000n, 0x20_0003n)).toBe(0)
    expect(guest.dma(0xff_ffff_ffffn, READ)).toBe(0)
    expect(guest.output).toBe(0x3f_ffffn)
  })

  it('ibm,reset-pe-dma-window leaves the default window alone, and empty', () => {
    const guest = new TceGuest()
    guest.create(24, 30)
    guest.put(LIOBN_32, 0n, 3n)
    const results = new Uint32Array(1)
    resetPeDmaWindow(guest.unit, new Uint32Array([0x1000, 0x0800_0000, 0x2000_0000]), results)
    expect([results[0], guest.unit.openWindows]).toEqual([0, 1])
    expect(guest.dma(0n, READ)).toBe(TCE_FAULTS.notMapped.value)
  })

  it('without dynamic windows all their calls are refused', () => {
    const guest = new TceGuest({ dynamicWindows: false })
    expect(query(guest.unit)[0]! | 0).toBe(-3)
    expect(guest.create(12, 30)[0]).toBe(-3)
    expect(remove(guest.unit, LIOBN_32)).toBe(-3)
  })
})

describe('hypervisor calls', () => {
  it('H_GET_TCE answers the whole entry', () => {
    const guest = new TceGuest()
    guest.put(LIOBN_32, 0x5000n, 0x0123_4567_89ab_c002n)
    expect(guest.call(H_GET_TCE, BigInt(LIOBN_32), 0x5fffn)).toEqual({ code: 0, value: 0x0123_4567_89ab_c002n })
    expect(guest.call(H_GET_TCE, BigInt(LIOBN_32), 0x4000_0000n).code).toBe(-4)
  })

  it('read and write permission are apart; zero takes both', () => {
    const guest = new TceGuest()
    guest.put(LIOBN_32, 0n, 0x1001n)
    guest.put(LIOBN_32, 0x1000n, 0x2002n)
    expect([guest.dma(0n, READ), guest.dma(0n, WRITE)]).toEqual([0, TCE_FAULTS.notWritable.value])
    expect([guest.dma(0x1000n, WRITE), guest.dma(0x1000n, READ)]).toEqual([0, TCE_FAULTS.notReadable.value])
    guest.put(LIOBN_32, 0n, 0x1000n)
    expect(guest.dma(0n, READ)).toBe(TCE_FAULTS.notMapped.value)
    expect(guest.unit.faultsSeen.map(({ access, text }) => `${access}: ${text}`)).toEqual([
      'write: the TCE does not grant writing',
      'read: the TCE does not grant reading',
      'read: the TCE grants nothing',
    ])
  })

  it('H_PUT_TCE_INDIRECT: 512 entries at most, of a list that starts a page', () => {
    const guest = new TceGuest()
    const indirect = (ioba: bigint, list: bigint, count: bigint): number =>
      guest.call(H_PUT_TCE_INDIRECT, BigInt(LIOBN_32), ioba, list, count).code
    guest.ram.writeBytes(0x5000, Uint8Array.of(0, 0, 0, 0, 0, 0x80, 0, 3, 0, 0, 0, 0, 0, 0x90, 0, 3))
    expect(indirect(0n, 0x5000n, 513n)).toBe(-4)
    expect(indirect(0n, 0x5008n, 2n)).toBe(-4)
    expect(indirect(0n, 0x5000n, 1n << 32n)).toBe(-4)
    expect(guest.dma(0n, READ)).toBe(TCE_FAULTS.notMapped.value)
    // The window ends after the first: that one is in force.
    expect(indirect(0x3fff_f000n, 0x5000n, 2n)).toBe(-4)
    expect(guest.dma(0x3fff_f004n, READ)).toBe(0)
    expect(guest.output).toBe(0x80_0004n)
    // A list outside of memory grants nothing.
    expect(indirect(0x3fff_f000n, 0x7fff_ffff_ffff_f000n, 1n)).toBe(0)
    expect(guest.dma(0x3fff_f004n, READ)).toBe(TCE_FAULTS.notMapped.value)
  })

  it('H_STUFF_TCE fills, and clears', () => {
    const guest = new TceGuest()
    const stuff = (ioba: bigint, tce: bigint, count: bigint): number =>
      guest.call(H_STUFF_TCE, BigInt(LIOBN_32), ioba, tce, count).code
    expect(stuff(0x40_0000n, 0x80_0003n, 3000n)).toBe(0)
    for (const page of [0n, 1023n, 1024n, 2999n]) expect(guest.dma(0x40_0000n + (page << 12n), WRITE)).toBe(0)
    expect(guest.dma(0x40_0000n + (3000n << 12n), WRITE)).toBe(TCE_FAULTS.notMapped.value)
    expect(stuff(0n, 0n, 0x4_0000n)).toBe(0)
    expect(guest.dma(0x40_0000n, WRITE)).toBe(TCE_FAULTS.notMapped.value)
    expect(stuff(0n, 0n, 0x4_0001n)).toBe(-4)
    // One page too many: those that are in are done.
    expect(stuff(0x3fff_f000n, 0x80_0003n, 2n)).toBe(-4)
    expect(guest.dma(0x3fff_f000n, WRITE)).toBe(0)
  })

  it('other numbers are no functions, and two bridges cannot share a LIOBN', () => {
    const guest = new TceGuest()
    expect(guest.call(0x1234, 0n).code).toBe(-2)
    expect(() => guest.calls.add(new TceUnit())).toThrow(RangeError)
    expect(() => new TceUnit({ liobns: [5, 5] })).toThrow(RangeError)
    expect(() => new TceUnit({ pageShifts: [11] })).toThrow(RangeError)
    expect(() => new TceUnit({ defaultWindowSize: 100 })).toThrow(RangeError)
  })

  it('two bridges have windows of their own', () => {
    const guest = new TceGuest()
    const other = new TceUnit({ liobns: [0x8000_0100, 0x8000_0101] })
    guest.calls.add(other)
    expect(guest.put(0x8000_0100, 0n, 0x1003n)).toBe(0)
    expect(guest.dma(0n, READ)).toBe(TCE_FAULTS.notMapped.value)
    expect(other.translate(0x18, -1, 'untranslated', 0, 4, READ, guest.out)).toBe(0)
    expect(guest.output).toBe(0x1004n)
    expect(guest.calls.unitOf(0x8000_0101)).toBe(other)
    expect(guest.calls.unitOf(0x8000_0201)).toBeNull()
  })
})

describe('copies of translations', () => {
  it('end with the call that changes their entry: there is no invalidation to forget', () => {
    const guest = new TceGuest()
    const { port } = guest
    guest.put(LIOBN_32, 0x4_0000n, 0x80_0003n)
    expect([port.lookup(0, 0x4_0010, READ), port.lo]).toEqual([0, 0x80_0010])
    guest.put(LIOBN_32, 0x4_0000n, 0x90_0003n)
    expect([port.lookup(0, 0x4_0010, READ), port.lo]).toEqual([0, 0x90_0010])
    guest.call(H_STUFF_TCE, BigInt(LIOBN_32), 0n, 0n, 0x1000n)
    expect(port.lookup(0, 0x4_0010, READ)).toBe(TCE_FAULTS.notMapped.value)
  })

  it('end with their window', () => {
    const guest = new TceGuest()
    guest.create(24, 30)
    guest.put(LIOBN_64, DYNAMIC, 3n)
    expect([guest.port.lookup(0x0800_0000, 0x12_3456, READ), guest.port.lo]).toEqual([0, 0x12_3456])
    remove(guest.unit, LIOBN_64)
    expect(guest.port.lookup(0x0800_0000, 0x12_3456, READ)).toBe(TCE_FAULTS.outsideWindows.value)
  })
})

describe('a hostile partition', () => {
  it('gets no more than a table of 32 MiB, and is told so', () => {
    const guest = new TceGuest()
    expect(guest.create(12, 43)[0]).toBe(0)
    const full = guest.call(H_STUFF_TCE, BigInt(LIOBN_64), DYNAMIC, 0x1003n, 0x7fff_ffffn)
    expect(full.code).toBe(-44)
    expect(guest.dma(DYNAMIC, READ)).toBe(0)
    // Clearing costs nothing where nothing was put.
    expect(guest.call(H_STUFF_TCE, BigInt(LIOBN_64), DYNAMIC, 0n, 0x7fff_ffffn).code).toBe(0)
    expect(guest.dma(DYNAMIC, READ)).toBe(TCE_FAULTS.notMapped.value)
  })

  it('asks for windows of every size', () => {
    const calls = new TceCalls(new TceGuest())
    expect(calls.units).toEqual([])
    for (const pageShift of [0, 12, 13, 21, 24, 31, 32, 64, 0xffff_ffff]) {
      for (const windowShift of [0, 12, 43, 44, 63, 64, 0xffff_ffff]) {
        const guest = new TceGuest()
        const offered = [12, 16, 21, 24].includes(pageShift) && windowShift >= pageShift
        const expected = !offered ? -3 : windowShift - pageShift >= 32 ? -1 : 0
        expect(guest.create(pageShift, windowShift)[0], `${pageShift}, ${windowShift}`).toBe(expected)
      }
    }
  })
})
