import { describe, expect, it } from 'vitest'
import {
  A,
  allContexts,
  allPasids,
  contextOf,
  D,
  DTE,
  iotlbOf,
  iotlbPage,
  onePasid,
  P,
  PASIDE,
  pasidIotlb,
  pasidIotlbPage,
  pasidsOf,
  RW,
  ScalableGuest,
  US,
  type WideDescriptor,
} from './scalable-guest.ts'
import { QIE, QUEUE, REG, VtdGuest } from './vtd-guest.ts'

const DEVICE = 0x0018
const OTHER = 0x0020
const READ = 1
const STATUS = 0x8000
const LEAF = P | RW | US | A | D
const wait = (value: number): WideDescriptor => [0x25, value, STATUS, 0]

/** Two PASIDs of domain 7 and one of domain 8, each with its own first-stage tables and the same page. */
function guestWithThree() {
  const guest = new ScalableGuest({ faultRecords: 8 })
  const table = guest.attach(DEVICE, PASIDE)
  const tops = [1, 2, 3].map((pasid) => {
    const top = guest.page()
    guest.firstStage(table, pasid, top, pasid === 3 ? 8 : 7)
    for (const page of [0, 1, 2]) guest.mapFirst(top, 0x4_0000 + page * 4096, 0x10_0000 * (pasid + 8), LEAF)
    return top
  })
  guest.enable()
  guest.enableQueue()
  const read = (pasid: number, iova = 0x4_0000): number => guest.dmaWithPasid(DEVICE, pasid, iova, READ)
  for (const pasid of [1, 2, 3]) expect(read(pasid)).toBe(0)
  return { guest, table, tops, read }
}

describe('§6.5.2.2, PASID-cache invalidation', () => {
  it.each([
    ['global', allPasids, [1, 2, 3]],
    ['domain', pasidsOf(7), [1, 2]],
    ['PASID within a domain', onePasid(7, 2), [2]],
    ['PASID within another domain', onePasid(8, 2), []],
    ['contexts only', allContexts, []],
    ['IOTLB of the domain only', iotlbOf(7), []],
  ] as const)('%s', (_what, descriptor, gone) => {
    const { guest, table, read } = guestWithThree()
    for (const pasid of [1, 2, 3]) guest.pasid(table, pasid, 0)
    guest.submitWide(descriptor, wait(1))
    expect(guest.ram.read32(STATUS)).toBe(1)
    // A page that no entry of the IOTLB stands for yet, so that the PASID table entry is asked.
    for (const pasid of [1, 2, 3]) {
      expect(read(pasid, 0x4_1000)).toBe((gone as readonly number[]).includes(pasid) ? 0x59 : 0)
    }
  })

  it('a reserved granularity is an error of the queue', () => {
    const { guest } = guestWithThree()
    guest.submitWide([0x27])
    expect([guest.read(REG.FSTS) & 0x10, guest.read(REG.IQERCD) & 0xf, guest.read(REG.IQH)]).toEqual([0x10, 4, 0])
  })
})

describe('§6.5.2.1, context-cache invalidation in scalable mode', () => {
  it.each([
    ['global', allContexts, 0x41],
    ['of a domain, which contexts do not have here', [0x21 | (99 << 16)], 0x41],
    ['of the device', contextOf(DEVICE), 0x41],
    ['of another device', contextOf(OTHER), 0],
    ['PASIDs only', allPasids, 0],
  ] as const)('%s', (_what, descriptor, reason) => {
    const { guest, read } = guestWithThree()
    guest.contextWords(DEVICE, 0)
    guest.submitWide(descriptor)
    expect(read(1)).toBe(reason)
  })
})

describe('§6.5.2.4, PASID-based IOTLB invalidation', () => {
  it.each([
    ['of a PASID', pasidIotlb(7, 1), [0x4_0000, 0x4_1000, 0x4_2000]],
    ['of a page', pasidIotlbPage(7, 1, 0x4_1000), [0x4_1000]],
    ['of two pages', pasidIotlbPage(7, 1, 0x4_0000, 1), [0x4_0000, 0x4_1000]],
    ['of another PASID', pasidIotlb(7, 2), []],
    ['of another domain', pasidIotlb(8, 1), []],
    ['by domain', iotlbOf(7), [0x4_0000, 0x4_1000, 0x4_2000]],
    ['by page of the domain: its first-stage mappings all go', iotlbPage(7, 0x9_0000), [0x4_0000, 0x4_1000, 0x4_2000]],
    ['by page of another domain', iotlbPage(9, 0x4_0000), []],
  ] as const)('%s', (_what, descriptor, gone) => {
    const { guest, tops, read } = guestWithThree()
    const pages = [0x4_0000, 0x4_1000, 0x4_2000]
    for (const page of pages) expect(read(1, page)).toBe(0)
    for (const page of pages) guest.mapFirst(tops[0]!, page, 0, 0)
    guest.submitWide(descriptor, wait(1))
    expect(guest.ram.read32(STATUS)).toBe(1)
    expect(pages.filter((page) => read(1, page) !== 0)).toEqual(gone)
  })

  it('leaves second-stage mappings of the domain alone, which its own descriptors drop', () => {
    const guest = new ScalableGuest()
    const top = guest.page()
    guest.secondStage(guest.attach(DEVICE), 0, top)
    guest.map(top, 0x4_0000, 0x80_0000, 3)
    guest.enable()
    guest.enableQueue()
    expect(guest.dma(DEVICE, 0x4_0000, READ)).toBe(0)
    guest.map(top, 0x4_0000, 0, 0)
    guest.submitWide(pasidIotlb(7, 0), pasidIotlbPage(7, 0, 0x4_0000))
    expect(guest.dma(DEVICE, 0x4_0000, READ)).toBe(0)
    guest.submitWide(iotlbPage(7, 0x4_0000))
    expect(guest.dma(DEVICE, 0x4_0000, READ)).toBe(0x79)
  })

  it('ends the copies that ports have made', () => {
    const { guest, read } = guestWithThree()
    expect(read(1)).toBe(0)
    const { tag } = guest.out
    const epoch = guest.unit.epochs[tag]
    guest.submitWide(pasidIotlb(7, 2))
    expect(guest.unit.epochs[tag]).toBe(epoch)
    guest.submitWide(pasidIotlb(7, 1))
    expect(guest.unit.epochs[tag]).not.toBe(epoch)
  })
})

describe('§6.1, caching mode', () => {
  it('caches what is not present, until its PASID is invalidated under any domain', () => {
    const guest = new ScalableGuest({ cachingMode: true })
    const table = guest.attach(DEVICE)
    guest.enable()
    guest.enableQueue()
    expect(guest.dma(DEVICE, 0x1000, READ)).toBe(0x59)
    guest.passThrough(table, 0)
    expect(guest.dma(DEVICE, 0x1000, READ)).toBe(0x59)
    guest.submitWide(onePasid(1, 0))
    expect(guest.dma(DEVICE, 0x1000, READ)).toBe(0)
  })

  it('caches second-stage faults, until the page is invalidated, and first-stage ones never', () => {
    const guest = new ScalableGuest({ cachingMode: true })
    const table = guest.attach(DEVICE, PASIDE)
    const [first, second] = [guest.page(), guest.page()]
    guest.firstStage(table, 1, first)
    guest.secondStage(table, 2, second, 8)
    guest.enable()
    guest.enableQueue()
    const read = (pasid: number): number => guest.dmaWithPasid(DEVICE, pasid, 0x4_0000, READ)
    expect([read(1), read(2)]).toEqual([0x71, 0x79])
    guest.mapFirst(first, 0x4_0000, 0x80_0000, LEAF)
    guest.map(second, 0x4_0000, 0x80_0000, 3)
    expect([read(1), read(2)]).toEqual([0, 0x79])
    guest.submitWide(iotlbPage(8, 0x4_0000))
    expect([read(1), read(2)]).toEqual([0, 0])
  })
})

describe('§6.5.2, descriptors of 256 bits', () => {
  const queueError = (guest: VtdGuest): number =>
    (guest.read(REG.FSTS) & 0x10) === 0 ? 0 : guest.read(REG.IQERCD) & 0xf

  it('have reserved upper halves', () => {
    const guest = new ScalableGuest()
    guest.enableQueue()
    guest.submitWide([0x11, 0, 0, 0, 0, 0, 0, 1])
    expect(queueError(guest)).toBe(4)
  })

  it('are fetched 32 bytes apart: a tail between two of them is not aligned', () => {
    const guest = new ScalableGuest()
    guest.enableQueue()
    guest.write(REG.IQT, 16)
    expect(queueError(guest)).toBe(6)
  })

  it('carry what is about PASIDs; 128 bits do not', () => {
    const guest = new ScalableGuest()
    guest.write64(REG.IQA, 0, QUEUE)
    guest.command(QIE)
    guest.submit([0x37, 0, 0, 0])
    expect(queueError(guest)).toBe(5)
  })

  it('are not there without ECAP.SMTS', () => {
    const guest = new VtdGuest()
    guest.write64(REG.IQA, 0, QUEUE | 0x800)
    guest.command(QIE)
    guest.submit([0x11, 0, 0, 0])
    expect(queueError(guest)).toBe(5)
  })

  it('go around the queue', () => {
    const guest = new ScalableGuest()
    guest.enableQueue()
    for (let turn = 1; turn <= 200; turn++) guest.submitWide(wait(turn))
    expect(guest.ram.read32(STATUS)).toBe(200)
    expect(guest.read(REG.IQH)).toBe((200 * 32) % 4096)
  })
})

describe('§6.5.2.6, PASID-based device-TLB invalidation', () => {
  it('reaches the device with its range and PASID', () => {
    const seen: unknown[] = []
    const guest = new ScalableGuest({
      deviceIotlb: true,
      onDeviceTlbInvalidate: (...range) => {
        seen.push(range)
        return 'done'
      },
    })
    guest.enableQueue()
    const low = 0x8 | (DEVICE << 16)
    guest.submitWide([low, 5, 0x4_0000, 0], [low, 5, 0x4_0800, 0], [low, 5, 0x4_0001, 0], [3, DEVICE, 0x4_0000, 0])
    expect(seen).toEqual([
      [DEVICE, 0, 0x4_0000, 12, 5],
      [DEVICE, 0, 0x4_0000, 13, 5],
      [DEVICE, 0, 0x4_0000, 12, -1],
      [DEVICE, 0, 0x4_0000, 12],
    ])
  })

  it('needs ECAP.DT', () => {
    const guest = new ScalableGuest()
    guest.contextWords(DEVICE, DTE)
    guest.enableQueue()
    guest.submitWide([0x8 | (DEVICE << 16), 5, 0x4_0000, 0])
    expect(guest.read(REG.IQERCD) & 0xf).toBe(3)
  })
})

it('an address beyond the width is never taken for a page that the IOTLB has', () => {
  const guest = new VtdGuest()
  const top = guest.page()
  guest.context(DEVICE, top | 1, 2 | (7 << 8))
  guest.map(top, 0x4_0000, 0x80_0000, 3)
  guest.enable()
  expect(guest.dma(DEVICE, 0x4_0000, READ)).toBe(0)
  for (let bit = 48; bit < 64; bit++) {
    const hi = 2 ** (bit - 32)
    expect([bit, guest.unit.translate(DEVICE, -1, 'untranslated', hi, 0x4_0000, READ, guest.out)]).toEqual([bit, 4])
  }
})
