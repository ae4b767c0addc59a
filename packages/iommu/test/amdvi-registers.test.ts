import { describe, expect, it } from 'vitest'
import {
  AmdViGuest,
  CMD_BUF_EN,
  COMMANDS,
  EVENT_INT_EN,
  EVENT_LOG_EN,
  EVENTS,
  IOMMU_EN,
  IR,
  REG,
} from './amdvi-guest.ts'

const DEVICE = 0x0018
const READ = 1
const WRITE = 2
const ALL = IOMMU_EN | EVENT_LOG_EN | EVENT_INT_EN | CMD_BUF_EN

/** A requester whose tables map nothing. */
function faultingGuest(): AmdViGuest {
  const guest = new AmdViGuest()
  guest.paged(DEVICE, guest.page())
  guest.enable()
  return guest
}

describe('registers', () => {
  it('reset values: buffers of 256 entries at 0, nothing enabled', () => {
    const guest = new AmdViGuest()
    expect(guest.unit.size).toBe(0x4000)
    expect([guest.read(REG.COMMAND_BASE + 4), guest.read(REG.EVENT_BASE + 4)]).toEqual([0x0800_0000, 0x0800_0000])
    expect([guest.read(REG.CONTROL), guest.read(REG.STATUS), guest.read(0x3ffc)]).toEqual([0, 0, 0])
    expect(guest.read(REG.EFR)).toBe(0x8c1)
  })

  it('reserved bits read as zero, and narrow accesses reach the bytes that they name', () => {
    const guest = new AmdViGuest()
    guest.write64(REG.DEVICE_TABLE, 0xffff_ffff, 0xffff_ffff)
    expect([guest.read(4), guest.read(0)]).toEqual([0x000f_ffff, 0xffff_f1ff])
    guest.unit.write(1, 1, 0x20)
    expect(guest.read(0)).toBe(0xffff_20ff)
    expect(guest.unit.read(2, 2)).toBe(0xffff)
    guest.write(REG.EFR, 0)
    expect(guest.read(REG.EFR)).toBe(0x8c1)
  })

  it('a unit that is off passes everything, and says so', () => {
    const guest = new AmdViGuest()
    guest.paged(DEVICE, guest.page())
    expect(guest.dma(DEVICE, 0xfd_1234_5678, WRITE)).toBe(0)
    expect([guest.output, guest.out.route, guest.out.log2Size]).toEqual([0xfd_1234_5678, 'bypass', 64])
  })

  it('the head pointer is the unit’s while commands run; writing a base empties its buffer', () => {
    const guest = faultingGuest()
    guest.invalidateAll()
    guest.write(REG.COMMAND_HEAD, 0x40)
    expect(guest.read(REG.COMMAND_HEAD)).toBe(0x10)
    guest.write(REG.CONTROL, ALL & ~CMD_BUF_EN)
    guest.write(REG.COMMAND_HEAD, 0x40)
    expect(guest.read(REG.COMMAND_HEAD)).toBe(0x40)
    guest.write64(REG.COMMAND_BASE, 0x0800_0000, COMMANDS)
    expect([guest.read(REG.COMMAND_HEAD), guest.read(REG.COMMAND_TAIL)]).toEqual([0, 0])
  })

  it('a buffer shorter than 256 entries does not run', () => {
    const guest = new AmdViGuest()
    guest.write64(REG.COMMAND_BASE, 0x0700_0000, COMMANDS)
    guest.write64(REG.EVENT_BASE, 0x0700_0000, EVENTS)
    guest.write(REG.CONTROL, ALL)
    expect(guest.read(REG.STATUS)).toBe(0)
  })

  it('reset forgets everything, and ends every copy', () => {
    const guest = faultingGuest()
    guest.dma(DEVICE, 0x5_0000, READ)
    const before = Array.from(guest.unit.epochs)
    guest.unit.reset()
    expect([guest.read(REG.CONTROL), guest.read(REG.STATUS), guest.read(REG.EVENT_TAIL)]).toEqual([0, 0, 0])
    expect(guest.unit.faultsSeen).toEqual([])
    expect(guest.unit.epochs.every((epoch, tag) => epoch !== before[tag])).toBe(true)
    expect(guest.dma(DEVICE, 0x5_0000, READ)).toBe(0)
  })
})

describe('event log', () => {
  it('§2.5.3 IO_PAGE_FAULT: requester, domain, flags, address; EventLogInt and one interrupt until it is cleared', () => {
    const guest = faultingGuest()
    expect(guest.dma(DEVICE, 0x12_0005_0123, WRITE)).toBe(0x02)
    guest.dma(DEVICE, 0x6_0000, READ)
    expect(guest.event(0)).toEqual([DEVICE, 0x2020_0007, 0x0005_0123, 0x12])
    expect(guest.event(1)).toEqual([DEVICE, 0x2000_0007, 0x0006_0000, 0])
    expect([guest.logged, guest.read(REG.STATUS), guest.messages.length]).toEqual([0x20, 0x1a, 1])
    guest.write(REG.STATUS, 0x2)
    guest.dma(DEVICE, 0x7_0000, READ)
    expect(guest.messages.length).toBe(2)
  })

  it('without EventIntEn there is no interrupt, without EventLogEn no event; observers are told all the same', () => {
    const guest = faultingGuest()
    guest.write(REG.CONTROL, ALL & ~EVENT_INT_EN)
    guest.dma(DEVICE, 0x5_0000, READ)
    expect([guest.logged, guest.messages.length]).toEqual([0x10, 0])
    guest.write(REG.CONTROL, ALL & ~EVENT_LOG_EN)
    guest.dma(DEVICE, 0x6_0000, READ)
    expect([guest.logged, guest.read(REG.STATUS) & 0x8]).toEqual([0x10, 0])
    expect(guest.unit.faultsSeen.map(({ lo, recorded, text }) => [lo, recorded, text])).toEqual([
      [0x5_0000, true, 'page not present'],
      [0x6_0000, false, 'page not present'],
    ])
  })

  it('§2.5 a full log overflows and stops, until software clears the overflow and enables the log anew', () => {
    const guest = faultingGuest()
    for (let index = 0; index < 255; index++) guest.dma(DEVICE, 0x10_0000 + index * 4096, READ)
    expect([guest.logged, guest.read(REG.STATUS)]).toEqual([0xff0, 0x1a])
    guest.dma(DEVICE, 0x5_0000, READ)
    expect([guest.logged, guest.read(REG.STATUS)]).toEqual([0xff0, 0x13])
    guest.write(REG.EVENT_HEAD, 0xff0)
    guest.write(REG.STATUS, 0x3)
    guest.dma(DEVICE, 0x6_0000, READ)
    expect(guest.logged).toBe(0xff0)
    guest.write(REG.CONTROL, ALL & ~EVENT_LOG_EN)
    guest.write(REG.CONTROL, ALL)
    guest.dma(DEVICE, 0x7_0000, READ)
    // The log wraps.
    expect([guest.logged, guest.event(255)[2]]).toEqual([0, 0x7_0000])
    expect(guest.messages.length).toBe(3)
  })

  it('SA keeps page faults out of the log, SE all but the first; other events are logged', () => {
    const guest = faultingGuest()
    const top = guest.page()
    guest.device(0x20, top | (4 << 9) | 3, IR, 7, 0x4)
    guest.device(0x28, top | (4 << 9) | 3, IR, 7, 0x2)
    for (const requester of [0x20, 0x28, 0x28]) expect(guest.dma(requester, 0x5_0000, READ)).toBe(0x02)
    expect(guest.unit.faultsSeen.map(({ recorded }) => recorded)).toEqual([false, true, false])
    guest.device(0x20, top | (4 << 9) | 7, IR, 7, 0x4)
    guest.invalidateDevice(0x20)
    expect(guest.dma(0x20, 0x5_0000, READ)).toBe(0x01)
    expect(guest.unit.faultsSeen.at(-1)?.recorded).toBe(true)
  })

  it('observers are told at once and keep no more than 1024 faults', () => {
    let told = 0
    const guest = new AmdViGuest({ onFault: () => told++ })
    guest.paged(DEVICE, guest.page())
    guest.enable()
    for (let index = 0; index < 1500; index++) guest.dma(DEVICE, 0x5_0000, READ)
    expect([told, guest.unit.faultCount, guest.unit.faultsSeen.length]).toEqual([1500, 1500, 1024])
  })
})
