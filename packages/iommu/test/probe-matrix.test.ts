import { describe, expect, it } from 'vitest'
import { CONTEXTS, VtdGuest } from './vtd-guest.ts'

const DEVICE = 0x0018
const OTHER = 0x0020
const READ = 1
const WRITE = 2

/** What one probe comes to: the fault's reason, or where it lands. */
interface Row {
  readonly name: string
  readonly requester?: number
  readonly iova: number
  readonly access: 1 | 2
  /** What happened before the probe. */
  readonly before?: (guest: VtdGuest, top: number) => void
  readonly reason: number
  readonly output?: number
  readonly route?: 'bypass' | 'translated'
}

/** Domain 7: 0x40000 -> 0x80_0000 read and write, 0x41000 -> 0x90_0000 read only. */
function probe({ requester = DEVICE, iova, access, before }: Row): VtdGuest & { fault: number } {
  const guest = new VtdGuest()
  const top = guest.page()
  guest.context(DEVICE, top | 1, 2 | (7 << 8))
  guest.map(top, 0x4_0000, 0x80_0000, 3)
  guest.map(top, 0x4_1000, 0x90_0000, 1)
  guest.enable()
  before?.(guest, top)
  return Object.assign(guest, { fault: guest.dma(requester, iova, access) })
}

const remap = (guest: VtdGuest, top: number): void => {
  guest.dma(DEVICE, 0x4_0000, READ)
  guest.map(top, 0x4_0000, 0xa0_0000, 3)
}
const unmap = (guest: VtdGuest, top: number): void => {
  guest.dma(DEVICE, 0x4_0000, READ)
  guest.map(top, 0x4_0000, 0, 0)
}

const ROWS: readonly Row[] = [
  { name: 'mapped, read', iova: 0x4_0123, access: READ, reason: 0, output: 0x80_0123 },
  { name: 'mapped, write', iova: 0x4_0ffc, access: WRITE, reason: 0, output: 0x80_0ffc },
  { name: 'unmapped, read', iova: 0x5_0000, access: READ, reason: 0x06 },
  { name: 'unmapped, write', iova: 0x5_0000, access: WRITE, reason: 0x05 },
  { name: 'read only, read', iova: 0x4_1004, access: READ, reason: 0, output: 0x90_0004 },
  { name: 'read only, write', iova: 0x4_1004, access: WRITE, reason: 0x05 },
  { name: 'wrong requester', requester: OTHER, iova: 0x4_0000, access: READ, reason: 0x02 },
  { name: 'wrong bus', requester: 0x0118, iova: 0x4_0000, access: READ, reason: 0x01 },
  { name: 'the page after the mapping', iova: 0x4_2000, access: READ, reason: 0x06 },
  { name: 'beyond 48 bits', iova: 2 ** 48, access: READ, reason: 0x04 },
  {
    name: 'pass-through',
    iova: 0x123_4567,
    access: WRITE,
    before: (guest) => guest.context(DEVICE, 0x9, 2 | (7 << 8)),
    reason: 0,
    output: 0x123_4567,
    route: 'bypass',
  },
  {
    name: 'blocked: an empty table',
    iova: 0x4_0000,
    access: READ,
    before: (guest) => guest.context(DEVICE, guest.page() | 1, 2 | (7 << 8)),
    reason: 0x06,
  },
  {
    name: 'remapped, invalidation missing: the old page',
    iova: 0x4_0010,
    access: READ,
    before: remap,
    reason: 0,
    output: 0x80_0010,
  },
  {
    name: 'remapped and invalidated: the new page',
    iova: 0x4_0010,
    access: READ,
    before: (guest, top) => {
      remap(guest, top)
      guest.invalidateAll()
    },
    reason: 0,
    output: 0xa0_0010,
  },
  {
    name: 'unmapped, invalidation missing: still the page',
    iova: 0x4_0010,
    access: WRITE,
    before: unmap,
    reason: 0,
    output: 0x80_0010,
  },
  {
    name: 'unmapped and invalidated',
    iova: 0x4_0010,
    access: WRITE,
    before: (guest, top) => {
      unmap(guest, top)
      guest.invalidateAll()
    },
    reason: 0x05,
  },
  {
    name: 'context cleared, invalidation missing: still translated',
    iova: 0x4_0010,
    access: READ,
    before: (guest) => {
      guest.dma(DEVICE, 0x4_0000, READ)
      guest.context(DEVICE, 0, 0)
    },
    reason: 0,
    output: 0x80_0010,
  },
  {
    name: 'context cleared and invalidated',
    iova: 0x4_0010,
    access: READ,
    before: (guest) => {
      guest.dma(DEVICE, 0x4_0000, READ)
      guest.context(DEVICE, 0, 0)
      guest.invalidateAll()
    },
    reason: 0x02,
  },
  {
    name: 'mapped after a fault, without any invalidation',
    iova: 0x6_0000,
    access: READ,
    before: (guest, top) => {
      guest.dma(DEVICE, 0x6_0000, READ)
      guest.map(top, 0x6_0000, 0xb0_0000, 1)
    },
    reason: 0,
    output: 0xb0_0000,
  },
  {
    name: 'reserved bit in the root entry',
    iova: 0x4_0000,
    access: READ,
    before: (guest) => guest.ram.write32(0x1000, CONTEXTS | 3),
    reason: 0x0a,
  },
  {
    name: 'reserved bit in the context entry',
    iova: 0x4_0000,
    access: READ,
    before: (guest, top) => guest.context(DEVICE, top | 0x11, 2 | (7 << 8)),
    reason: 0x0b,
  },
  {
    name: 'an address width that the unit does not have',
    iova: 0x4_0000,
    access: READ,
    before: (guest, top) => guest.context(DEVICE, top | 1, 3 | (7 << 8)),
    reason: 0x03,
  },
  {
    name: 'device-TLB context without ECAP.DT',
    iova: 0x4_0000,
    access: READ,
    before: (guest, top) => guest.context(DEVICE, top | 5, 2 | (7 << 8)),
    reason: 0x03,
  },
  {
    name: 'root entry that leads out of memory',
    iova: 0x4_0000,
    access: READ,
    before: (guest) => guest.ram.write32(0x1000, 0xf000_0001),
    reason: 0x09,
  },
  {
    name: 'context entry that leads out of memory',
    iova: 0x4_0000,
    access: READ,
    before: (guest) => guest.context(DEVICE, 0xf000_0001, 2 | (7 << 8)),
    reason: 0x07,
  },
  {
    name: 'reserved bit 11 in a leaf, without snoop control',
    iova: 0x4_0000,
    access: READ,
    before: (guest, top) => guest.map(top, 0x4_0000, 0x80_0000, 3 | 0x800),
    reason: 0x0c,
  },
  {
    name: 'translated into the interrupt range',
    iova: 0x4_0000,
    access: WRITE,
    before: (guest, top) => guest.map(top, 0x4_0000, 0xfee0_0000, 3),
    reason: 0x0e,
  },
  {
    name: 'a write to the interrupt range is a message, whatever the tables say',
    iova: 0xfee0_1004,
    access: WRITE,
    before: (guest, top) => guest.map(top, 0xfee0_1000, 0x80_0000, 3),
    reason: 0,
    output: 0xfee0_1004,
    route: 'bypass',
  },
  {
    name: 'a read from the interrupt range is an Unsupported Request',
    iova: 0xfee0_1004,
    access: READ,
    before: (guest, top) => guest.map(top, 0xfee0_1000, 0x80_0000, 3),
    reason: 0x100,
  },
]

describe('DMA probe matrix', () => {
  it.each(ROWS)('$name', (row) => {
    const guest = probe(row)
    expect(guest.fault).toBe(row.reason)
    if (row.reason === 0) {
      expect(guest.output).toBe(row.output)
      expect(guest.out.route).toBe(row.route ?? 'translated')
    }
    // FRCD.F and FR, and the source: what the guest's own handler reads. An Unsupported Request is not recorded.
    const recorded = row.reason !== 0 && row.reason < 0x100
    const upper = guest.read(0x22c)
    if (recorded) {
      expect(upper >>> 31).toBe(1)
      expect(upper & 0xff).toBe(row.reason)
      expect((upper >>> 30) & 1).toBe(row.access === READ ? 1 : 0)
      expect(guest.read(0x228) & 0xffff).toBe(row.requester ?? DEVICE)
      expect(guest.read(0x224) * 2 ** 32 + guest.read(0x220)).toBe(Math.floor(row.iova / 4096) * 4096)
    } else if (row.before === undefined) {
      expect(upper).toBe(0)
    }
  })

  it('a large page stays a large page: 2 MiB and 1 GiB, three and four levels', () => {
    for (const [levels, aw] of [
      [3, 1],
      [4, 2],
    ] as const) {
      const guest = new VtdGuest()
      const top = guest.page()
      guest.context(DEVICE, top | 1, aw | (7 << 8))
      guest.map(top, 0x4000_0000, 0x20_0000, 3, 21, levels)
      guest.map(top, 0x8000_0000, 0x1_4000_0000, 1, 30, levels)
      guest.enable()
      expect(guest.dma(DEVICE, 0x401f_fffc, WRITE)).toBe(0)
      expect([guest.output, guest.out.log2Size, guest.out.rights]).toEqual([0x3f_fffc, 21, 3])
      expect(guest.dma(DEVICE, 0xbfff_fff0, READ)).toBe(0)
      expect([guest.output, guest.out.log2Size, guest.out.rights]).toEqual([0x1_7fff_fff0, 30, 1])
      // Three levels translate 39 bits.
      expect(guest.dma(DEVICE, 2 ** 39, READ)).toBe(levels === 3 ? 0x04 : 0x06)
    }
  })

  it('a large page is refused where CAP.SSLPS does not name its size', () => {
    const guest = new VtdGuest({ largestPage: '4k' })
    const top = guest.page()
    guest.context(DEVICE, top | 1, 2 | (7 << 8))
    guest.map(top, 0x4000_0000, 0x20_0000, 3, 21)
    guest.enable()
    expect(guest.dma(DEVICE, 0x4000_0000, READ)).toBe(0x0c)
  })

  it('an address above the interrupt range in the same large page is translated, one inside is refused', () => {
    const guest = new VtdGuest()
    const top = guest.page()
    guest.context(DEVICE, top | 1, 2 | (7 << 8))
    guest.map(top, 0, 0xc000_0000, 3, 30)
    guest.enable()
    for (let round = 0; round < 2; round++) {
      expect(guest.dma(DEVICE, 0x3ef0_0000, READ)).toBe(0)
      expect(guest.output).toBe(0xfef0_0000)
      expect(guest.out.tag).toBe(-1)
      expect(guest.dma(DEVICE, 0x3ee0_0000, READ)).toBe(0x0e)
    }
  })

  it('a buffer that crosses pages needs both: the second may fault after the first went through', () => {
    const guest = new VtdGuest()
    const top = guest.page()
    guest.context(DEVICE, top | 1, 2 | (7 << 8))
    guest.map(top, 0x7000, 0x80_0000, 3)
    guest.map(top, 0x8000, 0x70_0000, 3)
    guest.enable()
    expect(guest.dma(DEVICE, 0x7ff8, WRITE)).toBe(0)
    expect([guest.output, guest.out.log2Size]).toEqual([0x80_0ff8, 12])
    expect(guest.dma(DEVICE, 0x8000, WRITE)).toBe(0)
    expect(guest.output).toBe(0x70_0000)
    expect(guest.dma(DEVICE, 0x9000, WRITE)).toBe(0x05)
  })
})
