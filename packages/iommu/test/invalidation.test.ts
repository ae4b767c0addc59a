import { describe, expect, it } from 'vitest'
import { QIE, QUEUE, REG, VtdGuest } from './vtd-guest.ts'

const A = 0x0018
const B = 0x0020
const READ = 1
const STATUS = 0x8000

type Descriptor = readonly [number, number, number, number]
const contextCache = (granularity: number, did: number, sid = 0, fm = 0): Descriptor => [
  1 | (granularity << 4) | (did << 16),
  sid | (fm << 16),
  0,
  0,
]
const iotlb = (granularity: number, did: number, address = 0, mask = 0): Descriptor => [
  2 | (granularity << 4) | (did << 16),
  0,
  address | mask,
  0,
]
const wait = (value: number, flags = 0x20): Descriptor => [5 | flags, value, STATUS, 0]

/** Two devices in domains 7 and 8 with the same two pages, both in the IOTLB; then every page is moved. */
function staleGuest(options: ConstructorParameters<typeof VtdGuest>[0] = {}): VtdGuest {
  const guest = new VtdGuest(options)
  const tops = [guest.page(), guest.page()] as const
  guest.context(A, tops[0] | 1, 2 | (7 << 8))
  guest.context(B, tops[1] | 1, 2 | (8 << 8))
  for (const top of tops) {
    guest.map(top, 0x4_0000, 0x80_0000, 3)
    guest.map(top, 0x4_1000, 0x81_0000, 3)
    guest.map(top, 0x4000_0000, 0x100_0000, 3, 21)
  }
  guest.enable()
  for (const device of [A, B]) for (const iova of PAGES) guest.dma(device, iova, READ)
  for (const top of tops) {
    guest.map(top, 0x4_0000, 0x90_0000, 3)
    guest.map(top, 0x4_1000, 0x91_0000, 3)
    guest.map(top, 0x4000_0000, 0x120_0000, 3, 21)
  }
  return guest
}
const PAGES = [0x4_0000, 0x4_1000, 0x4000_0000] as const

/** Which of the six pages are translated anew: device A's three, then B's. */
const fresh = (guest: VtdGuest): string =>
  [A, B]
    .flatMap((device) => PAGES.map((iova) => ({ device, iova })))
    .map(({ device, iova }) => {
      guest.dma(device, iova, READ)
      return [0x90_0000, 0x91_0000, 0x120_0000].includes(guest.output) ? '1' : '0'
    })
    .join('')

describe('register-based invalidation', () => {
  it.each([
    ['nothing', [], '000000'],
    ['global', [[REG.IOTLB, 0x9000_0000, 0]], '111111'],
    ['domain 7', [[REG.IOTLB, 0xa000_0007, 0]], '111000'],
    [
      'one page of domain 8',
      [
        [REG.IVA, 0, 0x4_1000],
        [REG.IOTLB, 0xb000_0008, 0],
      ],
      '000010',
    ],
    [
      'two pages of domain 7',
      [
        [REG.IVA, 0, 0x4_0001],
        [REG.IOTLB, 0xb000_0007, 0],
      ],
      '110000',
    ],
    [
      'a 4 KiB page within a large one',
      [
        [REG.IVA, 0, 0x400f_f000],
        [REG.IOTLB, 0xb000_0007, 0],
      ],
      '001000',
    ],
    [
      '2^18 pages around a large one',
      [
        [REG.IVA, 0, 0x7fff_f012],
        [REG.IOTLB, 0xb000_0008, 0],
      ],
      '000001',
    ],
    [
      'a mask that is too large',
      [
        [REG.IVA, 0, 19],
        [REG.IOTLB, 0xb000_0008, 0],
      ],
      '000000',
    ],
    ['contexts only', [[REG.CCMD, 0xa000_0000, 0]], '000000'],
  ] as const)('%s', (_what, writes, expected) => {
    const guest = staleGuest()
    for (const [offset, hi, lo] of writes) guest.write64(offset, hi, lo)
    expect(fresh(guest)).toBe(expected)
  })

  it('IVT and ICC clear when done, and the actual granularity is told', () => {
    const guest = staleGuest()
    guest.write64(REG.IOTLB, 0xa000_0007, 0)
    expect(guest.read(REG.IOTLB + 4)).toBe(0x2400_0007)
    guest.write64(REG.CCMD, 0xe000_0000, 0x0018_0007)
    expect(guest.read(REG.CCMD + 4)).toBe(0x7800_0000)
    // SID is write-only.
    expect(guest.read(REG.CCMD)).toBe(7)
    guest.write64(REG.IOTLB, 0x8000_0000, 0)
    expect(guest.read(REG.IOTLB + 4)).toBe(0)
  })

  it.each([
    ['global', 0xa000_0000, 0, '11'],
    ['domain 7', 0xc000_0000, 7, '10'],
    ['device B', 0xe000_0000, 0x0020_0008, '01'],
    ['device B, but under the wrong domain', 0xe000_0000, 0x0020_0007, '00'],
    ['functions 0 to 7 of device A', 0xe000_0003, 0x001f_0007, '10'],
    ['functions 0 and 4 of device A', 0xe000_0001, 0x001c_0007, '10'],
  ] as const)('contexts: %s', (_what, hi, lo, expected) => {
    const guest = staleGuest()
    guest.context(A, 0, 0)
    guest.context(B, 0, 0)
    guest.write64(REG.CCMD, hi, lo)
    const gone = [A, B].map((device) => (guest.dma(device, 0x4_0000, READ) === 0x02 ? '1' : '0')).join('')
    expect(gone).toBe(expected)
  })

  it('is left pending while the queue is enabled', () => {
    const guest = staleGuest()
    guest.enableQueue()
    guest.write64(REG.IOTLB, 0x9000_0000, 0)
    expect(guest.read(REG.IOTLB + 4) >>> 31).toBe(1)
    expect(fresh(guest)).toBe('000000')
  })
})

describe('queued invalidation', () => {
  it.each([
    ['global', iotlb(1, 0), '111111'],
    ['domain 8', iotlb(2, 8), '000111'],
    ['page', iotlb(3, 7, 0x4_0000), '100000'],
    ['pages by mask, with the leaf hint', iotlb(3, 7, 0x4_0000, 0x41), '110000'],
  ] as const)('IOTLB, %s', (_what, descriptor, expected) => {
    const guest = staleGuest()
    guest.enableQueue()
    guest.submit(descriptor, wait(0x1234))
    expect(guest.read(REG.IQH)).toBe(32)
    expect(guest.ram.read32(STATUS)).toBe(0x1234)
    expect(fresh(guest)).toBe(expected)
  })

  it('contexts, by device', () => {
    const guest = staleGuest()
    guest.enableQueue()
    guest.context(B, 0, 0)
    guest.submit(contextCache(3, 8, B))
    expect(guest.dma(B, 0x4_0000, READ)).toBe(0x02)
    expect(guest.dma(A, 0x4_0000, READ)).toBe(0)
  })

  it('a wait descriptor with IF raises one completion event until IWC is cleared', () => {
    const guest = staleGuest()
    guest.write(REG.IEDATA, 0x42)
    guest.write(REG.IEADDR, 0xfee0_1000)
    guest.write(REG.IECTL, 0)
    guest.enableQueue()
    guest.submit(wait(0, 0x10), wait(0, 0x10))
    expect(guest.messages).toEqual([{ hi: 0, lo: 0xfee0_1000, data: 0x42 }])
    expect(guest.read(REG.ICS)).toBe(1)
    guest.write(REG.ICS, 1)
    guest.submit(wait(7, 0x30))
    expect(guest.messages.length).toBe(2)
    expect(guest.ram.read32(STATUS)).toBe(7)
  })

  it('the queue wraps', () => {
    const guest = staleGuest()
    guest.enableQueue()
    for (let index = 1; index <= 600; index++) {
      guest.submit(wait(index))
      expect(guest.ram.read32(STATUS)).toBe(index)
    }
    expect(guest.read(REG.IQH)).toBe((600 * 16) % 4096)
  })

  it.each([
    ['an unknown type', [0xf, 0, 0, 0], 3],
    ['a type of scalable mode', [6, 0, 0, 0], 3],
    ['a device-TLB invalidation without ECAP.DT', [3, A, 0, 0], 3],
    ['reserved bits', [0x100 | 0x12, 0, 0, 0], 4],
    ['a reserved granularity', [0x02, 0, 0, 0], 4],
    ['a mask above MAMV', [0x32, 0, 19, 0], 4],
    ['a status address outside of memory', [0x25, 1, 0xf000_0000, 0], 2],
  ] as const)('stops at %s with IQE, and goes on once it is replaced and IQE cleared', (_what, bad, code) => {
    const guest = staleGuest()
    guest.write(REG.FECTL, 0)
    guest.enableQueue()
    guest.submit(wait(1), bad, wait(2))
    expect(guest.read(REG.IQH)).toBe(16)
    expect(guest.read(REG.FSTS)).toBe(0x10)
    expect(guest.read(REG.IQERCD) & 0xf).toBe(code)
    expect(guest.messages.length).toBe(1)
    expect(guest.ram.read32(STATUS)).toBe(1)
    for (const [index, word] of wait(3).entries()) guest.ram.write32(QUEUE + 16 + index * 4, word)
    guest.write(REG.FSTS, 0x10)
    expect(guest.read(REG.IQH)).toBe(48)
    expect(guest.ram.read32(STATUS)).toBe(2)
    expect(guest.read(REG.FSTS)).toBe(0)
  })

  it('refuses a tail beyond the queue, and descriptors of 256 bits', () => {
    const beyond = staleGuest()
    beyond.enableQueue()
    beyond.write(REG.IQT, 4096)
    expect([beyond.read(REG.FSTS), beyond.read(REG.IQERCD)]).toEqual([0x10, 1])
    const wide = staleGuest()
    wide.write64(REG.IQA, 0, QUEUE | 0x800)
    wide.command(QIE)
    wide.write(REG.IQT, 16)
    expect([wide.read(REG.FSTS), wide.read(REG.IQERCD)]).toEqual([0x10, 5])
  })

  it('disabling sets the head back', () => {
    const guest = staleGuest()
    guest.enableQueue()
    guest.submit(wait(1))
    guest.command(QIE, false)
    expect(guest.read(REG.IQH)).toBe(0)
    expect(guest.read(REG.GSTS) & QIE).toBe(0)
  })
})

describe('paging-structure cache', () => {
  /** The table that maps 0x4_0000 is replaced by one that maps it elsewhere; then its page is invalidated. */
  it.each([
    ['with the leaf hint: the old table stays', true, 0x40, 0x82_0000],
    ['without the hint: the new table', true, 0, 0x92_0000],
    ['with the leaf hint, but no such cache', false, 0x40, 0x92_0000],
  ] as const)('%s', (_what, pagingStructureCache, hint, output) => {
    const guest = new VtdGuest({ pagingStructureCache })
    const tops = [guest.page(), guest.page()] as const
    guest.context(A, tops[0] | 1, 2 | (7 << 8))
    guest.map(tops[0], 0x4_0000, 0x80_0000, 3)
    guest.map(tops[0], 0x4_2000, 0x82_0000, 3)
    guest.map(tops[1], 0x4_2000, 0x92_0000, 3)
    guest.enable()
    expect(guest.dma(A, 0x4_0000, READ)).toBe(0)
    // The third-level table's first entry leads to the second-level table: take the other one's.
    const third = guest.ram.read32(tops[0]) & -4096
    guest.ram.write32(third, guest.ram.read32(guest.ram.read32(tops[1]) & -4096))
    guest.write64(REG.IVA, 0, 0x4_0000 | hint)
    guest.write64(REG.IOTLB, 0xb000_0007, 0)
    expect(guest.dma(A, 0x4_2000, READ)).toBe(0)
    expect(guest.output).toBe(output)
  })
})

describe('caching mode', () => {
  it('caches what is not mapped, until it is invalidated', () => {
    for (const cachingMode of [false, true]) {
      const guest = new VtdGuest({ cachingMode })
      const top = guest.page()
      guest.context(A, top | 1, 2 | (7 << 8))
      guest.enable()
      expect(guest.dma(A, 0x4_0000, READ)).toBe(0x06)
      guest.map(top, 0x4_0000, 0x80_0000, 3)
      expect(guest.dma(A, 0x4_0000, READ)).toBe(cachingMode ? 0x06 : 0)
      guest.write64(REG.IVA, 0, 0x4_0000)
      guest.write64(REG.IOTLB, 0xb000_0007, 0)
      expect(guest.dma(A, 0x4_0000, READ)).toBe(0)
    }
  })

  it('caches contexts that are not present, under domain 0', () => {
    for (const cachingMode of [false, true]) {
      const guest = new VtdGuest({ cachingMode })
      guest.context(B, 9, 2)
      guest.enable()
      expect(guest.dma(A, 0x4_0000, READ)).toBe(0x02)
      guest.context(A, 9, 2 | (7 << 8))
      expect(guest.dma(A, 0x4_0000, READ)).toBe(cachingMode ? 0x02 : 0)
      guest.write64(REG.CCMD, 0xe000_0000, A << 16)
      expect(guest.dma(A, 0x4_0000, READ)).toBe(0)
    }
  })
})
