import { describe, expect, it } from 'vitest'
import { NO_PASID, UNSUPPORTED_REQUEST } from '../src/index.ts'
import { IODA_FAULTS, IodaUnit } from '../src/ioda/index.ts'
import { IODA_TCE, TVE, UNTRANSLATED_TVE } from '../src/ioda/spec/index.ts'
import { IodaGuest } from './ioda-guest.ts'

const READ = 1
const WRITE = 2
const SECOND = 1n << 59n
/** A table at 0x20_0000 of 64 KiB, so 8192 entries: TCE_TABLE_SIZE 5; pages of 4 KiB: IO_PSIZE 1. */
const ONE_LEVEL = (0x200n << 16n) | (5n << 8n) | 1n
/** Memory from 0 to 1 GiB as it is: end 0x40 in units of 16 MiB, valid, NON_TRANSLATE_50. */
const LETS_THROUGH = (0x40n << 16n) | (1n << 12n) | (1n << 7n)

describe('layouts', () => {
  it('TVE and TCE fields stand where phb4-regs.h has them', () => {
    expect(TVE.fields.TABLE_ADDR.low).toBe(16)
    expect([TVE.fields.NUM_LEVELS.loMask, TVE.fields.TCE_TABLE_SIZE.loMask]).toEqual([0xe000, 0x1f00])
    expect([TVE.fields.NON_TRANSLATE_50.loMask, TVE.fields.IO_PSIZE.loMask]).toEqual([0x80, 0x1f])
    const { VALID, START_49_48, END_49_48, END_47_24 } = UNTRANSLATED_TVE.fields
    expect([VALID.loMask, START_49_48.loMask, END_49_48.loMask, END_47_24.low]).toEqual([0x1000, 0xc00, 0x300, 16])
    expect([IODA_TCE.fields.READ.loMask, IODA_TCE.fields.WRITE.loMask]).toEqual([1, 2])
  })
})

describe('a kernel sets an endpoint up, in the order of Linux', () => {
  it('requester, TCE table, window 0, kill, window 1 past the tables', () => {
    const guest = new IodaGuest({ freezes: false })
    const other = 0x200
    // 1. What is in no endpoint of the kernel's is in the last, which has no window.
    expect(guest.unit.endpointOf(other)).toBe(511)
    expect(guest.dma(0n, READ, other)).toBe(IODA_FAULTS.noWindow.value)
    // 2. Window 0: one level, 32 MiB.
    guest.tve(0, ONE_LEVEL)
    expect(guest.dma(0x5123n, READ)).toBe(IODA_FAULTS.notMapped.value)
    // 3. An entry, big-endian: page 5 leads to 0x12_3000.
    guest.tce(0x20_0000 + 5 * 8, 0x12_3003n)
    expect(guest.dma(0x5123n, WRITE)).toBe(0)
    expect([guest.output, guest.out.log2Size, guest.out.route]).toEqual([0x12_3123n, 12, 'translated'])
    // 4. Window 1 at 2^59 lets addresses through.
    expect(guest.dma(SECOND, READ)).toBe(IODA_FAULTS.noWindow.value)
    guest.tve(1, LETS_THROUGH)
    expect(guest.dma(SECOND + 0x12_3456n, WRITE)).toBe(0)
    expect([guest.output, guest.out.route]).toEqual([0x12_3456n, 'bypass'])
    // The last byte of memory, and the first behind.
    expect(guest.dma(SECOND + 0x3fff_ffffn, READ)).toBe(0)
    expect(guest.dma(SECOND + 0x4000_0000n, READ)).toBe(IODA_FAULTS.outsideWindow.value)
    expect(guest.dma(SECOND + (1n << 50n), READ)).toBe(IODA_FAULTS.outsideWindow.value)
  })

  it('the other endpoints see nothing of it', () => {
    const guest = new IodaGuest({ freezes: false })
    guest.tve(0, ONE_LEVEL)
    guest.tce(0x20_0000, 0x12_3003n)
    expect(guest.dma(0n, READ)).toBe(0)
    guest.unit.assign(IodaGuest.REQUESTER, 6)
    expect(guest.dma(0n, READ)).toBe(IODA_FAULTS.noWindow.value)
  })
})

describe('TCE tables', () => {
  it('of two levels: NUM_LEVELS 1, the upper index above the lower', () => {
    const guest = new IodaGuest({ freezes: false })
    // Tables of 8 KiB, 1024 entries: TCE_TABLE_SIZE 2.
    guest.tve(0, (0x200n << 16n) | (1n << 13n) | (2n << 8n) | 1n)
    expect(guest.dma(0x40_0000n, READ)).toBe(IODA_FAULTS.noTable.value)
    guest.tce(0x20_0000 + 1 * 8, 0x30_0003n)
    guest.tce(0x30_0000 + 2 * 8, 0x45_6001n)
    expect(guest.dma(0x40_2abcn, READ)).toBe(0)
    expect(guest.output).toBe(0x45_6abcn)
    expect(guest.dma(0x40_2abcn, WRITE)).toBe(IODA_FAULTS.notWritable.value)
    guest.tce(0x30_0000 + 2 * 8, 0x45_6002n)
    expect(guest.dma(0x40_2abcn, READ)).toBe(IODA_FAULTS.notReadable.value)
  })

  it('pages of 64 KiB, 2 MiB and 1 GiB by IO_PSIZE 5, 10 and 19', () => {
    const guest = new IodaGuest()
    for (const [field, shift] of [
      [5n, 16n],
      [10n, 21n],
      [19n, 30n],
    ] as const) {
      guest.tve(0, (0x200n << 16n) | (1n << 8n) | field)
      guest.tce(0x20_0000 + 8, (7n << shift) | 3n)
      expect(guest.dma((1n << shift) + 0x1234n, READ)).toBe(0)
      expect([guest.output, guest.out.log2Size]).toEqual([(7n << shift) + 0x1234n, Number(shift)])
    }
  })

  it('more than five levels, tables outside of memory and addresses above 2^60 are faults', () => {
    const guest = new IodaGuest({ freezes: false })
    guest.tve(0, ONE_LEVEL | (5n << 13n))
    expect(guest.dma(0n, READ)).toBe(IODA_FAULTS.badWindow.value)
    guest.tve(0, (0xffff_ffff_ffffn << 16n) | (5n << 8n) | 1n)
    expect(guest.dma(0n, READ)).toBe(IODA_FAULTS.tableAccess.value)
    expect(guest.dma(1n << 60n, READ)).toBe(IODA_FAULTS.unsupportedAddress.value)
    expect(guest.unit.translate(0, NO_PASID, 'translation-request', 0, 0, READ, guest.out)).toBe(UNSUPPORTED_REQUEST)
  })
})

describe('what the bridge keeps of entries', () => {
  it('stays in force until it is killed, page by page or all', () => {
    const guest = new IodaGuest({ freezes: false })
    guest.tve(0, ONE_LEVEL)
    guest.tce(0x20_0000 + 5 * 8, 0x12_3003n)
    expect(guest.port.lookup(0, 0x5000, READ)).toBe(0)
    guest.tce(0x20_0000 + 5 * 8, 0n)
    expect(guest.port.lookup(0, 0x5000, READ)).toBe(0)
    guest.unit.killPages(IodaGuest.ENDPOINT, 0, 0x6000, 12, 1)
    expect(guest.port.lookup(0, 0x5000, READ)).toBe(0)
    guest.unit.killPages(IodaGuest.ENDPOINT, 0, 0x5000, 12, 1)
    expect(guest.port.lookup(0, 0x5000, READ)).toBe(IODA_FAULTS.notMapped.value)
    guest.tve(1, LETS_THROUGH)
    expect(guest.port.lookup(0x0800_0000, 0x5000, READ)).toBe(0)
    expect([guest.port.hi, guest.port.lo]).toEqual([0, 0x5000])
    guest.tve(1, 0n)
    guest.unit.killAll()
    expect(guest.port.lookup(0x0800_0000, 0x5000, READ)).toBe(IODA_FAULTS.noWindow.value)
  })
})

describe('a fault', () => {
  it('freezes the endpoint, and it alone, until software thaws it', () => {
    const guest = new IodaGuest()
    guest.tve(0, ONE_LEVEL)
    guest.tce(0x20_0000, 0x12_3003n)
    expect(guest.port.lookup(0, 0, READ)).toBe(0)
    expect(guest.dma(0x5000n, READ)).toBe(IODA_FAULTS.notMapped.value)
    expect([guest.unit.isFrozen(IodaGuest.ENDPOINT), guest.unit.isFrozen(6)]).toEqual([true, false])
    // What was translated before is refused, too, also where a port had a copy of it.
    expect(guest.port.lookup(0, 0, READ)).toBe(IODA_FAULTS.frozen.value)
    guest.unit.thaw(IodaGuest.ENDPOINT)
    expect(guest.port.lookup(0, 0, READ)).toBe(0)
    expect(guest.unit.faultsSeen.map(({ endpoint, reason }) => [endpoint, reason])).toEqual([
      [5, IODA_FAULTS.notMapped.value],
      [5, IODA_FAULTS.frozen.value],
    ])
  })

  it('freezes nothing under QEMU, which also lets all addresses through an untranslated window', () => {
    const guest = new IodaGuest({ freezes: false, checksUntranslated: false })
    guest.tve(0, ONE_LEVEL)
    guest.tve(1, LETS_THROUGH)
    expect(guest.dma(0x5000n, READ)).toBe(IODA_FAULTS.notMapped.value)
    expect(guest.unit.isFrozen(IodaGuest.ENDPOINT)).toBe(false)
    expect(guest.dma(SECOND + (1n << 49n), READ)).toBe(0)
    expect(guest.output).toBe(1n << 49n)
  })
})

describe('endpoints', () => {
  it('are a power of two; others, and numbers beyond, are a caller’s mistake', () => {
    const { ram } = new IodaGuest()
    expect(() => new IodaUnit({ ram, endpoints: 100 })).toThrow(RangeError)
    const unit = new IodaUnit({ ram, endpoints: 256 })
    expect(unit.reservedEndpoint).toBe(255)
    expect(() => unit.assign(0, 256)).toThrow('the bridge has endpoints 0 to 255, got 256')
  })
})
