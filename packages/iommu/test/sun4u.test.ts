import { describe, expect, it } from 'vitest'
import { NO_PASID, UNSUPPORTED_REQUEST } from '../src/index.ts'
import { SUN4U_FAULTS, Sun4uUnit } from '../src/sun4u/index.ts'
import { IOMMU_CONTROL, IOMMU_TAG, IOPTE, SUN4U_IOMMU_REGISTERS } from '../src/sun4u/spec/index.ts'
import { Sun4uGuest } from './sun4u-guest.ts'

const READ = 1
const WRITE = 2
const CONTROL = 0x00
const TSBBASE = 0x08
const FLUSH = 0x10
const VALID = 1n << 63n
const SIZE_64K = 1n << 61n
const WRITABLE = 2n
const TSB = BigInt(Sun4uGuest.TSB)
/** On, with 64 Ki entries of 8 KiB: 512 MiB. */
const ON = 0x6_0001n
const QEMU = { keepsEntries: false, recordsErrors: false, decodesTargets: false }
const { notValid, notWritable, noSuchTable, tableAccess, unclaimed } = SUN4U_FAULTS

function running(features = {}): Sun4uGuest {
  const guest = new Sun4uGuest(features)
  guest.write(TSBBASE, TSB)
  guest.write(CONTROL, ON)
  return guest
}

describe('layouts', () => {
  it('registers and fields stand where Linux and QEMU have them', () => {
    const { registers, size } = SUN4U_IOMMU_REGISTERS
    expect([size, ...Object.values(registers).map(({ offset }) => offset)]).toEqual([0x18, 0, 8, 0x10])
    const { XLTESTAT, XLTEERR, LCKEN, LCKPTR, TSBSZ, TBWSZ, DENAB, ENAB } = IOMMU_CONTROL.fields
    expect([XLTESTAT, XLTEERR, LCKEN, LCKPTR, TSBSZ, TBWSZ, DENAB, ENAB].map(({ loMask }) => loMask)).toEqual([
      0x600_0000, 0x100_0000, 0x80_0000, 0x78_0000, 0x7_0000, 4, 2, 1,
    ])
    expect([IOMMU_TAG.fields.ERRSTS.loMask, IOMMU_TAG.fields.ERR.loMask]).toEqual([0x180_0000, 0x40_0000])
    expect([IOPTE.fields.VALID.low, IOPTE.fields['64K'].low, IOPTE.fields.STBUF.low]).toEqual([63, 61, 60])
    expect([IOPTE.fields.PAGE.low, IOPTE.fields.CACHE.low, IOPTE.fields.WRITE.low]).toEqual([13, 4, 1])
  })
})

describe('a kernel sets the unit up, in the order of Linux', () => {
  it('diagnostic mode, flush, TSB, on; then maps, unmaps, and flushes when it comes round', () => {
    const guest = new Sun4uGuest()
    // 1. Off at reset: addresses pass.
    expect(guest.dma(0x12_3456n, WRITE)).toBe(0)
    expect([guest.output, guest.out.route]).toEqual([0x12_3456n, 'bypass'])
    // 2. Diagnostic mode, so that tags can be written; every tag is.
    guest.write(CONTROL, guest.read(CONTROL) | 2n)
    for (let entry = 0; entry < 16; entry++) guest.unit.writeTag(entry)
    // 3. The TSB: every entry leads to a dummy page, and is not valid.
    for (const index of [0, 1, 5]) guest.entry(index, 0x30_0000n)
    guest.write(TSBBASE, TSB)
    // 4. On, with 64 Ki entries, diagnostic mode still on.
    guest.write(CONTROL, 0x6_0003n)
    expect([guest.read(CONTROL), guest.read(TSBBASE)]).toEqual([0x6_0003n, TSB])
    expect(guest.dma(0xc000_0000n, READ)).toBe(notValid.value)
    // 5. A page: valid, cacheable, writable.
    guest.entry(5, VALID | 0x40_0012n)
    expect(guest.dma(0xc000_a123n, WRITE)).toBe(0)
    expect([guest.output, guest.out.log2Size, guest.out.rights, guest.out.route]).toEqual([
      0x40_0123n,
      13,
      3,
      'translated',
    ])
    // 6. Unmapped, it leads to the dummy page; the IOTLB knows nothing of that yet.
    guest.entry(5, VALID | 0x30_0012n)
    expect(guest.dma(0xc000_a123n, WRITE)).toBe(0)
    expect(guest.output).toBe(0x40_0123n)
    // 7. All tags are written: now it does.
    for (let entry = 0; entry < 16; entry++) guest.unit.writeTag(entry)
    expect(guest.dma(0xc000_a123n, WRITE)).toBe(0)
    expect(guest.output).toBe(0x30_0123n)
  })
})

describe('rules', () => {
  it('no requester is told from another', () => {
    const guest = running()
    guest.entry(0, VALID | 0x40_0000n)
    for (const requester of [0, 0x200, 0xffff]) expect(guest.dma(0xc000_0000n, READ, requester)).toBe(0)
  })

  it('what is valid may be read, and written where it says so', () => {
    const guest = running()
    guest.entry(0, VALID | 0x40_0000n)
    expect([guest.dma(0n, READ), guest.dma(0n, WRITE)]).toEqual([0, notWritable.value])
    guest.entry(0, 0x40_0000n | WRITABLE)
    guest.write(FLUSH, 0n)
    expect(guest.dma(0n, READ)).toBe(notValid.value)
  })

  it('an entry of 64 KiB is looked up for each 8 KiB of it, and drops the low bits of its page', () => {
    const guest = running({ keepsEntries: false })
    guest.entry(3, VALID | SIZE_64K | 0x41_8000n | WRITABLE)
    expect(guest.dma(0x6abcn, WRITE)).toBe(0)
    expect([guest.output, guest.out.log2Size]).toEqual([0x41_6abcn, 16])
    expect(guest.dma(0x4000n, READ)).toBe(notValid.value)
  })

  it('TBWSZ: the address chooses by pages of 64 KiB; of the sizes, 64 and 128 Ki entries are not there', () => {
    const guest = running()
    guest.write(CONTROL, 0x5_0005n)
    guest.entry(1, VALID | SIZE_64K | 0x45_0000n)
    expect(guest.dma(0x1_ffffn, READ)).toBe(0)
    expect(guest.output).toBe(0x45_ffffn)
    for (const size of [6n, 7n]) {
      guest.write(CONTROL, (size << 16n) | 5n)
      expect(guest.dma(0x1_ffffn, READ)).toBe(noSuchTable.value)
    }
  })

  it.each([
    [0, 8],
    [3, 64],
    [6, 512],
    [7, 1024],
  ])('TSBSZ %i: %i MiB, and the same again above them', (size, mebibytes) => {
    const guest = running({ decodesTargets: false })
    guest.write(CONTROL, (BigInt(size) << 16n) | 1n)
    guest.entry(1, VALID | 0x40_0000n)
    const again = 0x2000n + BigInt(mebibytes) * 0x10_0000n
    expect(guest.dma(again, READ)).toBe(0)
    expect(guest.output).toBe(0x40_0000n)
    expect(guest.dma(again / 2n + 0x1000n, READ)).toBe(notValid.value)
  })

  it('a TSB that is not in memory', () => {
    const guest = running()
    guest.write(TSBBASE, 0x1000_0000n)
    expect(guest.dma(0n, READ)).toBe(tableAccess.value)
    guest.write(TSBBASE, 0xffff_ffff_ffff_e000n)
    expect(guest.dma(0n, READ)).toBe(tableAccess.value)
  })

  it('there is no address translation service', () => {
    const { unit, out } = new Sun4uGuest()
    expect(unit.translate(0, NO_PASID, 'translated', 0, 0, READ, out)).toBe(UNSUPPORTED_REQUEST)
  })

  it('a flush drops its page alone, and ends copies of it', () => {
    const guest = running()
    guest.entry(0, VALID | 0x40_0000n)
    guest.entry(1, VALID | 0x42_0000n)
    for (const page of [0, 0x2000]) expect(guest.port.lookup(0, page, READ)).toBe(0)
    guest.entry(0, VALID | 0x44_0000n)
    guest.entry(1, VALID | 0x46_0000n)
    guest.write(FLUSH, 0x2000n)
    expect(guest.port.lookup(0, 0, READ)).toBe(0)
    expect(guest.port.lo).toBe(0x40_0000)
    expect(guest.port.lookup(0, 0x2000, READ)).toBe(0)
    expect(guest.port.lo).toBe(0x46_0000)
  })

  it('turning it off and on again ends all copies', () => {
    const guest = running()
    guest.entry(0, VALID | 0x40_0000n)
    expect(guest.port.lookup(0, 0, READ)).toBe(0)
    guest.write(CONTROL, 0n)
    expect(guest.port.lookup(0, 0, READ)).toBe(0)
    expect([guest.port.lo, guest.port.route]).toEqual([0, 'bypass'])
    guest.write(CONTROL, ON)
    expect(guest.port.lookup(0, 0, READ)).toBe(0)
    expect([guest.port.lo, guest.port.route]).toEqual([0x40_0000, 'translated'])
  })
})

describe('what the hardware does, and QEMU does not', () => {
  it('keeps entries; QEMU reads the TSB each time', () => {
    const guest = running(QEMU)
    guest.entry(0, VALID | 0x40_0000n)
    expect(guest.port.lookup(0, 0, READ)).toBe(0)
    guest.entry(0, VALID | 0x42_0000n)
    expect(guest.port.lookup(0, 0, READ)).toBe(0)
    expect(guest.port.lo).toBe(0x42_0000)
  })

  it('records the first error in the control register, and each in a tag, until software clears them', () => {
    const guest = running()
    guest.entry(1, VALID | 0x40_0000n)
    guest.dma(0xc000_2000n, WRITE)
    guest.dma(0xc000_8000n, READ)
    // Protection error.
    expect(guest.read(CONTROL)).toBe(ON | 0x100_0000n)
    expect(guest.unit.readTag(0)).toBe(0x40_0000 | 0x20_0000 | 0x6_0001)
    expect(guest.unit.readTag(1)).toBe(0x40_0000 | 0x80_0000 | 0x6_0004)
    guest.unit.writeTag(0)
    guest.write(CONTROL, ON)
    expect([guest.unit.readTag(0), guest.read(CONTROL)]).toEqual([0, ON])
    const silent = running(QEMU)
    silent.dma(0n, READ)
    expect([silent.read(CONTROL), silent.unit.readTag(0), silent.unit.faultCount]).toEqual([ON, 0, 1])
  })

  it('shows what the IOTLB holds', () => {
    const guest = running()
    guest.entry(0, VALID | 0x40_0000n | WRITABLE)
    guest.dma(0xc000_0000n, READ)
    expect([guest.unit.readTag(0), guest.unit.readData(0)]).toEqual([0x20_0000 | 0x6_0000, 0x4000_0000 | 0x200])
  })

  it('answers the eighths of the space that it is told of, and addresses of 64 bits that go past translation', () => {
    const guest = running()
    guest.unit.setTargets(0x40)
    guest.entry(0, VALID | 0x40_0000n)
    expect(guest.dma(0xc000_0000n, READ)).toBe(0)
    expect(guest.dma(0x0000_0000n, READ)).toBe(unclaimed.value)
    expect(guest.dma(0x1_0000_0000n, READ)).toBe(unclaimed.value)
    expect(guest.dma(0xfffc_0003_1234_5678n, WRITE)).toBe(0)
    expect([guest.output, guest.out.route]).toEqual([0x3_1234_5678n, 'bypass'])
    const all = running(QEMU)
    all.entry(0, VALID | 0x40_0000n)
    for (const address of [0n, 0xc000_0000n, 0xfffc_0000_0000_0000n]) expect(all.dma(address, READ)).toBe(0)
    expect([all.output, all.out.route]).toEqual([0x40_0000n, 'translated'])
  })
})

it('tells an observer of the first 1024 faults', () => {
  const told: number[] = []
  const { ram } = new Sun4uGuest()
  const unit = new Sun4uUnit({ ram, onFault: ({ lo }) => told.push(lo) })
  const guest = running()
  unit.writeWord(CONTROL + 4, 1)
  for (let count = 0; count < 1030; count++) {
    unit.translate(8, NO_PASID, 'untranslated', 0, count * 0x2000, READ, guest.out)
  }
  expect([unit.faultsSeen.length, unit.faultCount, told.length]).toEqual([1024, 1030, 1030])
  expect(unit.faultsSeen[1]).toEqual({
    requester: 8,
    access: 'read',
    hi: 0,
    lo: 0x2000,
    reason: notValid.value,
    text: notValid.text,
  })
})
