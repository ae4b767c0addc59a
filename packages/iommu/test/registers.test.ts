import { describe, expect, it } from 'vitest'
import { CFI, IRE, REG, ROOT, SIRTP, SRTP, TE, VtdGuest } from './vtd-guest.ts'

const DEVICE = 0x0018
const READ = 1
const WRITE = 2

/** A requester whose tables map nothing, and one whose do not record faults. */
function faultingGuest(options: ConstructorParameters<typeof VtdGuest>[0] = {}): VtdGuest {
  const guest = new VtdGuest(options)
  guest.context(DEVICE, guest.page() | 1, 2 | (7 << 8))
  guest.context(DEVICE + 1, guest.page() | 3, 2 | (8 << 8))
  for (let other = 8; other < 16; other++) guest.context(other << 3, guest.page() | 1, 2 | (9 << 8))
  guest.write(REG.FEDATA, 0x31)
  guest.write(REG.FEADDR, 0xfee0_0000)
  guest.enable()
  return guest
}

describe('registers', () => {
  it('reset values: version 1.0, events masked, nothing enabled', () => {
    const guest = new VtdGuest()
    expect(guest.read(0)).toBe(0x10)
    expect(guest.read(REG.GSTS)).toBe(0)
    expect(guest.read(REG.FECTL)).toBe(0x8000_0000)
    expect(guest.read(REG.IECTL)).toBe(0x8000_0000)
    expect(guest.unit.size).toBe(0x230)
  })

  it('GCMD reads as zero; GSTS follows one command at a time', () => {
    const guest = new VtdGuest()
    guest.write64(REG.RTADDR, 0, ROOT)
    guest.command(SRTP)
    expect(guest.read(REG.GSTS)).toBe(SRTP)
    guest.command(TE)
    expect(guest.read(REG.GSTS)).toBe((SRTP | TE) >>> 0)
    guest.command(IRE)
    expect(guest.read(REG.GSTS)).toBe((SRTP | TE | IRE) >>> 0)
    guest.command(TE, false)
    expect(guest.read(REG.GSTS)).toBe(SRTP | IRE)
    expect(guest.read(REG.GCMD)).toBe(0)
  })

  it('the root table pointer counts from SRTP on, not from the write to RTADDR', () => {
    const guest = new VtdGuest()
    guest.context(DEVICE, 9, 2)
    guest.enable()
    expect(guest.dma(DEVICE, 0x1000, READ)).toBe(0)
    guest.write64(REG.RTADDR, 0, 0x2_0000)
    guest.invalidateAll()
    expect(guest.dma(DEVICE, 0x1000, READ)).toBe(0)
    guest.command(SRTP)
    guest.invalidateAll()
    expect(guest.dma(DEVICE, 0x1000, READ)).toBe(0x01)
  })

  it('SRTP drops the caches only where the unit says so', () => {
    for (const flushOnSetPointer of [false, true]) {
      const guest = new VtdGuest({ flushOnSetPointer })
      guest.context(DEVICE, 9, 2)
      guest.enable()
      guest.dma(DEVICE, 0x1000, READ)
      guest.write64(REG.RTADDR, 0, 0x2_0000)
      guest.command(SRTP)
      expect(guest.dma(DEVICE, 0x1000, READ)).toBe(flushOnSetPointer ? 0x01 : 0)
    }
  })

  it('interrupt remapping bits do nothing without ECAP.IR, TE nothing without SAGAW', () => {
    const guest = new VtdGuest({ interruptRemapping: false, dmaTranslation: false })
    guest.command(SIRTP)
    guest.command(IRE)
    guest.command(CFI)
    guest.command(TE)
    expect(guest.read(REG.GSTS)).toBe(0)
  })

  it('with translation off, DMA bypasses and says so', () => {
    const guest = new VtdGuest()
    expect(guest.dma(DEVICE, 0x12_3456_7890, WRITE)).toBe(0)
    expect(guest.output).toBe(0x12_3456_7890)
    expect([guest.out.route, guest.out.log2Size]).toEqual(['bypass', 64])
  })

  it('narrow accesses reach the bytes that they name', () => {
    const guest = new VtdGuest()
    guest.write(REG.FEADDR, 0xfee0_0000)
    guest.unit.write(REG.FEADDR + 1, 1, 0x12)
    expect(guest.read(REG.FEADDR)).toBe(0xfee0_1200)
    expect(guest.unit.read(REG.FEADDR + 2, 2)).toBe(0xfee0)
    expect(guest.unit.read(0x22, 1)).toBe(0)
  })

  it('upper event addresses are reserved without ECAP.EIM', () => {
    for (const extendedInterruptMode of [false, true]) {
      const guest = new VtdGuest({ extendedInterruptMode })
      guest.write(0x44, 0x100)
      guest.write(0xac, 0x100)
      expect([guest.read(0x44), guest.read(0xac)]).toEqual(extendedInterruptMode ? [0x100, 0x100] : [0, 0])
    }
  })
})

describe('primary fault logging', () => {
  it('a fault sets F, PPF and, masked, IP; unmasking sends the message', () => {
    const guest = faultingGuest()
    expect(guest.dma(DEVICE, 0x5_0000, READ)).toBe(0x06)
    expect(guest.read(REG.FSTS)).toBe(0x2)
    expect(guest.read(REG.FECTL)).toBe(0xc000_0000)
    expect(guest.messages).toEqual([])
    guest.write(REG.FECTL, 0)
    expect(guest.messages).toEqual([{ hi: 0, lo: 0xfee0_0000, data: 0x31 }])
    expect(guest.read(REG.FECTL)).toBe(0)
  })

  it('software clears F: PPF goes, and a pending message with it', () => {
    const guest = faultingGuest()
    guest.dma(DEVICE, 0x5_0000, READ)
    guest.write(0x22c, 0x8000_0000)
    expect(guest.read(REG.FSTS)).toBe(0)
    expect(guest.read(REG.FECTL)).toBe(0x8000_0000)
    guest.write(REG.FECTL, 0)
    expect(guest.messages).toEqual([])
  })

  it('the record of a full log overflows; nothing is recorded until PFO is cleared', () => {
    const guest = faultingGuest()
    guest.write(REG.FECTL, 0)
    guest.dma(DEVICE, 0x5_0000, READ)
    guest.dma(DEVICE, 0x6_0000, WRITE)
    expect(guest.read(REG.FSTS)).toBe(0x3)
    expect(guest.read(0x220)).toBe(0x5_0000)
    guest.write(0x22c, 0x8000_0000)
    expect(guest.read(REG.FSTS)).toBe(0x1)
    guest.dma(DEVICE, 0x7_0000, READ)
    expect(guest.read(0x22c) >>> 31).toBe(0)
    guest.write(REG.FSTS, 0x1)
    guest.dma(DEVICE, 0x8_0000, READ)
    expect(guest.read(0x220)).toBe(0x8_0000)
    // One message for the first, one after everything had been serviced.
    expect(guest.messages.length).toBe(2)
    expect(guest.unit.faultsSeen.map(({ lo, recorded }) => [lo, recorded])).toEqual([
      [0x5_0000, true],
      [0x6_0000, false],
      [0x7_0000, false],
      [0x8_0000, true],
    ])
    expect(guest.unit.faultsSeen[1]?.text).toBe('no permission to write')
  })

  it('several records fill in a circle, and FRI names the first', () => {
    const guest = faultingGuest({ faultRecords: 4 })
    expect((guest.read(0x0c) >>> 8) & 0xff).toBe(3)
    for (let index = 0; index < 3; index++) guest.dma((8 + index) << 3, 0x5_0000 + index * 0x1000, READ)
    expect(guest.read(REG.FSTS)).toBe(0x2)
    for (let index = 0; index < 3; index++) guest.write(0x22c + index * 16, 0x8000_0000)
    expect(guest.read(REG.FSTS)).toBe(0)
    guest.dma(DEVICE, 0x9_0000, READ)
    expect(guest.read(REG.FSTS)).toBe(0x302)
    expect(guest.read(0x250)).toBe(0x9_0000)
  })

  it('a pending fault hides those of the same requester where the unit collapses them', () => {
    const guest = faultingGuest({ faultRecords: 4, collapseFaults: true })
    guest.dma(DEVICE, 0x5_0000, READ)
    guest.dma(DEVICE, 0x6_0000, READ)
    guest.dma(0x40, 0x7_0000, READ)
    expect([guest.read(0x220), guest.read(0x230), guest.read(0x23c) >>> 31, guest.read(0x24c) >>> 31]).toEqual([
      0x5_0000, 0x7_0000, 1, 0,
    ])
  })

  it('FPD keeps a qualified fault out of the log, and from observers nothing', () => {
    const guest = faultingGuest()
    expect(guest.dma(DEVICE + 1, 0x5_0000, READ)).toBe(0x06)
    expect(guest.read(REG.FSTS)).toBe(0)
    expect(guest.unit.faultsSeen).toEqual([
      {
        requester: DEVICE + 1,
        access: 'read',
        hi: 0,
        lo: 0x5_0000,
        reason: 6,
        text: 'no permission to read',
        recorded: false,
      },
    ])
  })

  it('observers are told at once and keep no more than 1024 faults', () => {
    let told = 0
    const guest = faultingGuest({ onFault: () => told++ })
    for (let index = 0; index < 1500; index++) guest.dma(DEVICE, 0x5_0000, READ)
    expect([told, guest.unit.faultCount, guest.unit.faultsSeen.length]).toEqual([1500, 1500, 1024])
  })

  it('reset forgets everything, and ends every copy', () => {
    const guest = faultingGuest()
    guest.dma(DEVICE, 0x5_0000, READ)
    const before = Array.from(guest.unit.epochs)
    guest.unit.reset()
    expect(guest.read(REG.GSTS)).toBe(0)
    expect(guest.read(REG.FSTS)).toBe(0)
    expect(guest.unit.faultsSeen).toEqual([])
    expect(guest.unit.epochs.every((epoch, tag) => epoch !== before[tag])).toBe(true)
    expect(guest.dma(DEVICE, 0x5_0000, READ)).toBe(0)
  })
})
