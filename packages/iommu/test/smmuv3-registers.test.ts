import { smmuv3OptionsFor } from '@dmascope/iommu/smmuv3'
import { describe, expect, it } from 'vitest'
import { ABORT, CMDQEN, EVENTQEN, PAGE_RW, REG, SMMUEN, SmmuV3Guest } from './smmuv3-guest.ts'

const DEVICE = 0x0018
const READ = 1
const F_TRANSLATION = 0x10
const ABORTED = 0x80

describe('§6.3 registers', () => {
  it('CR0 is acknowledged at once, without the bits of what is not here', () => {
    const guest = new SmmuV3Guest()
    guest.write(REG.CR0, 0xffff_ffff)
    expect([guest.read(REG.CR0), guest.read(REG.CR0ACK)]).toEqual([0xd, 0xd])
    guest.write(REG.CR0ACK, 0)
    expect(guest.read(REG.CR0ACK)).toBe(0xd)
    guest.write(REG.IRQ_CTRL, 5)
    expect(guest.read(REG.IRQ_CTRLACK)).toBe(5)
  })

  it('without IDR0.MSI there are no registers for messages', () => {
    const guest = new SmmuV3Guest()
    for (const offset of [REG.GERROR_IRQ_CFG0, 0x70, 0x74, 0xb0, 0xb8, 0xbc]) {
      guest.write(offset, 0xffff_ffff)
      expect(guest.read(offset)).toBe(0)
    }
  })

  it('both pages show the same registers; the event queue pointers belong to page 1', () => {
    const guest = new SmmuV3Guest()
    guest.write(REG.EVENTQ_CONS, 0x8000_0003)
    expect(guest.read(0xac)).toBe(0x8000_0003)
    expect(guest.read(0x1_0000)).toBe(guest.read(REG.IDR0))
    expect(guest.unit.size).toBe(0x2_0000)
  })

  it('parts of a register may be written; identification may not', () => {
    const guest = new SmmuV3Guest()
    guest.write(REG.CR1, 0xd75)
    guest.unit.write(REG.CR1, 1, 0)
    expect(guest.read(REG.CR1)).toBe(0xd00)
    expect(guest.unit.read(REG.CR1 + 1, 1)).toBe(0xd)
    const before = guest.read(REG.IDR0)
    guest.write(REG.IDR0, 0)
    expect(guest.read(REG.IDR0)).toBe(before)
    expect(guest.read(0xfff0)).toBe(0)
  })
})

describe('§6.3 GBPA', () => {
  it('while SMMUEN is clear transactions pass, or are aborted without an event', () => {
    const guest = new SmmuV3Guest()
    expect(guest.read(REG.GBPA)).toBe(0x1000)
    expect(guest.dma(DEVICE, 0x123_4000, READ)).toBe(0)
    expect(guest.out).toMatchObject({ lo: 0x123_4000, route: 'bypass', log2Size: 64 })
    // Without UPDATE nothing is written.
    guest.write(REG.GBPA, 0x10_1000)
    expect(guest.dma(DEVICE, 0x123_4000, READ)).toBe(0)
    guest.write(REG.GBPA, 0x8010_1000)
    expect(guest.read(REG.GBPA)).toBe(0x10_1000)
    expect(guest.dma(DEVICE, 0x123_4000, READ)).toBe(ABORTED)
    expect(guest.unit.faultsSeen).toMatchObject([{ reason: ABORTED, recorded: false }])
  })

  it('ends what ports keep: a change of SMMUEN or of GBPA changes the epoch of bypassing', () => {
    const guest = new SmmuV3Guest()
    expect(guest.dma(DEVICE, 0, READ)).toBe(0)
    const { tag } = guest.out
    const before = guest.unit.epochs[tag]
    guest.write(REG.GBPA, 0x8010_1000)
    expect(guest.unit.epochs[tag]).not.toBe(before)
    const then = guest.unit.epochs[tag]
    guest.stream(DEVICE, ABORT)
    guest.enable()
    expect(guest.unit.epochs[tag]).not.toBe(then)
    expect(guest.unit.translationEnabled).toBe(true)
  })

  it('QEMU 7.2 has none: it reads as 0, and transactions pass', () => {
    const guest = new SmmuV3Guest(smmuv3OptionsFor('7.2'))
    guest.write(REG.GBPA, 0x8010_1000)
    expect(guest.read(REG.GBPA)).toBe(0)
    expect(guest.dma(DEVICE, 0x1000, READ)).toBe(0)
  })

  it('a message is a write like any other, and goes where its address leads', () => {
    const guest = new SmmuV3Guest()
    const top = guest.page()
    guest.map(top, 0xffff_f000, 0x809_0000, PAGE_RW)
    guest.attach(DEVICE, top)
    guest.enable()
    const out = { hi: 1, lo: 1, data: 1, remapped: true }
    expect(guest.unit.remapInterrupt(DEVICE, 0, 0xffff_f040, 0x25, out)).toBe(0)
    expect(out).toEqual({ hi: 0, lo: 0x809_0040, data: 0x25, remapped: false })
    expect(guest.unit.remapInterrupt(DEVICE, 0, 0x809_0040, 0x25, out)).toBe(F_TRANSLATION)
    // A write: RnW is clear. CLASS IN.
    expect(guest.event(0)).toEqual([F_TRANSLATION, DEVICE, 0, 0x200, 0x809_0040, 0, 0, 0])
  })
})

describe('§7.2 the event queue', () => {
  function faulting(options: ConstructorParameters<typeof SmmuV3Guest>[0] = {}): SmmuV3Guest {
    const guest = new SmmuV3Guest(options)
    guest.attach(DEVICE, guest.page())
    guest.enable()
    return guest
  }

  it('the interrupt tells that the queue is no longer empty', () => {
    const guest = faulting()
    guest.dma(DEVICE, 0x1000, READ)
    guest.dma(DEVICE, 0x2000, READ)
    expect(guest.interrupts).toEqual(['eventq'])
    expect([guest.event(0)[4], guest.event(1)[4]]).toEqual([0x1000, 0x2000])
    guest.write(REG.EVENTQ_CONS, 2)
    guest.write(REG.IRQ_CTRL, 0)
    guest.dma(DEVICE, 0x3000, READ)
    expect(guest.interrupts).toEqual(['eventq'])
  })

  it('a full queue turns OVFLG once, and again when software has acknowledged and it overflows anew', () => {
    const guest = faulting()
    for (let count = 0; count < 20; count++) guest.dma(DEVICE, count * 4096, READ)
    expect(guest.read(REG.EVENTQ_PROD)).toBe(0x8000_0010)
    expect(guest.unit.faultsSeen.filter(({ recorded }) => recorded)).toHaveLength(16)
    guest.write(REG.EVENTQ_CONS, 0x8000_0010)
    for (let count = 0; count < 17; count++) guest.dma(DEVICE, count * 4096, READ)
    expect(guest.read(REG.EVENTQ_PROD)).toBe(0)
    expect(guest.read(REG.GERROR)).toBe(0)
  })

  it('QEMU raises EVENTQ_ABT_ERR instead', () => {
    const guest = faulting({ overflowFlag: false })
    for (let count = 0; count < 20; count++) guest.dma(DEVICE, count * 4096, READ)
    expect([guest.read(REG.EVENTQ_PROD), guest.read(REG.GERROR)]).toEqual([0x10, 4])
    expect(guest.interrupts).toEqual(['eventq', 'gerror'])
  })

  it('a queue outside of memory: EVENTQ_ABT_ERR, which stays active until GERRORN agrees', () => {
    const guest = faulting()
    guest.write64(REG.EVENTQ_BASE, 0x10, 4)
    guest.dma(DEVICE, 0x1000, READ)
    guest.dma(DEVICE, 0x1000, READ)
    expect(guest.read(REG.GERROR)).toBe(4)
    expect(guest.interrupts).toEqual(['gerror'])
    guest.write(REG.GERRORN, 4)
    guest.dma(DEVICE, 0x1000, READ)
    expect(guest.read(REG.GERROR)).toBe(0)
    expect(guest.interrupts).toEqual(['gerror', 'gerror'])
  })

  it('nothing is recorded while CR0.EVENTQEN is clear; observers are told all the same', () => {
    const guest = faulting()
    guest.write(REG.CR0, CMDQEN | SMMUEN)
    guest.dma(DEVICE, 0x1000, READ)
    expect(guest.read(REG.EVENTQ_PROD)).toBe(0)
    expect(guest.unit.faultsSeen).toMatchObject([{ requester: DEVICE, lo: 0x1000, recorded: false }])
    guest.write(REG.CR0, CMDQEN | EVENTQEN | SMMUEN)
    guest.dma(DEVICE, 0x1000, READ)
    expect(guest.read(REG.EVENTQ_PROD)).toBe(1)
  })

  it('a substream and ATS are refused, for the unit has neither', () => {
    const guest = faulting()
    expect(guest.unit.translate(DEVICE, 5, 'untranslated', 0, 0x1000, READ, guest.out)).toBe(0x08)
    expect(guest.event(0).slice(0, 2)).toEqual([0x08, DEVICE])
    expect(guest.unit.translate(DEVICE, -1, 'translation-request', 0, 0x1000, READ, guest.out)).toBe(0x100)
    expect(guest.unit.translate(DEVICE, -1, 'translated', 0, 0x1000, READ, guest.out)).toBe(0x100)
    expect(guest.read(REG.EVENTQ_PROD)).toBe(1)
  })

  it('observers keep the first 1024 faults, and count the rest', () => {
    const guest = faulting()
    for (let count = 0; count < 1030; count++) guest.dma(DEVICE, 0x1000, READ)
    expect([guest.unit.faultsSeen.length, guest.unit.faultCount]).toEqual([1024, 1030])
    guest.unit.reset()
    expect([guest.unit.faultsSeen.length, guest.unit.faultCount, guest.unit.translationEnabled]).toEqual([0, 0, false])
  })
})

describe('the units of QEMU', () => {
  const registers = (guest: SmmuV3Guest): string[] =>
    [REG.IDR0, REG.IDR1, REG.IDR3, REG.IDR5, 0x1c].map((offset) => guest.read(offset).toString(16))

  it('7.2: stage 1 of 44 bits; 11.1: both stages, 16-bit VMIDs, XNX', () => {
    expect(registers(new SmmuV3Guest(smmuv3OptionsFor('7.2')))).toEqual(['d40101a', '2730010', '1404', '74', '1'])
    expect(registers(new SmmuV3Guest(smmuv3OptionsFor('11.1')))).toEqual(['d44101b', '2730010', '1414', '74', '1'])
    expect(registers(new SmmuV3Guest(smmuv3OptionsFor('11.1', { stage: '1' })))[0]).toBe('d44101a')
    expect(registers(new SmmuV3Guest(smmuv3OptionsFor('11.1', { stage: 2 })))[0]).toBe('d441019')
  })

  it('refuses properties that there are not, and values', () => {
    expect(() => smmuv3OptionsFor('7.2', { stage: '1' })).toThrow(/no property "stage"/)
    expect(() => smmuv3OptionsFor('11.1', { stage: '3' })).toThrow(/stage is 1, 2 or nested, got "3"/)
    expect(() => new SmmuV3Guest({ tlbEntries: 17 })).toThrow(RangeError)
    expect(() => new SmmuV3Guest({ granules: [] })).toThrow(RangeError)
    expect(() => new SmmuV3Guest({ outputSize: 52 as 48 })).toThrow(RangeError)
    expect(() => new SmmuV3Guest({ log2Commands: 20 })).toThrow(RangeError)
    expect(() => new SmmuV3Guest({ stage1: false })).toThrow(TypeError)
  })

  it('7.2 tells no CLASS of stage 1, and takes pages of privileged transactions for open', () => {
    const guest = new SmmuV3Guest(smmuv3OptionsFor('7.2'))
    const top = guest.page()
    guest.map(top, 0x1000, 0x80_0000, PAGE_RW & ~0x40)
    guest.attach(DEVICE, top)
    guest.enable()
    expect(guest.dma(DEVICE, 0x1000, READ)).toBe(0)
    expect(guest.dma(DEVICE, 0x2000, READ)).toBe(F_TRANSLATION)
    expect(guest.event(0)).toEqual([F_TRANSLATION, DEVICE, 0, 8, 0x2000, 0, 0, 0])
  })
})
