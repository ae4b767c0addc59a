import { PortTlb } from '@dmascope/iommu'
import { describe, expect, it } from 'vitest'
import { AmdViGuest, DEVICE_TABLE, DOMAIN, IR, IW, REG } from './amdvi-guest.ts'

const DEVICE = 0x0018
const READ = 1
const WRITE = 2

function guestWith(options: ConstructorParameters<typeof AmdViGuest>[0] = {}): AmdViGuest & { top: number } {
  const guest = new AmdViGuest(options)
  const top = guest.page()
  guest.paged(DEVICE, top)
  guest.map(top, 0x4_0000, 0x80_0000, 3)
  guest.enable()
  return Object.assign(guest, { top })
}

describe('device table entries, §2.2.2', () => {
  it('without V everything is forwarded; mode 0 forwards what IR and IW allow', () => {
    const guest = guestWith()
    guest.device(0x20, 0)
    expect(guest.dma(0x20, 0x12_3456_7000, WRITE)).toBe(0)
    expect([guest.output, guest.out.route]).toEqual([0x12_3456_7000, 'bypass'])
    guest.device(0x28, 3, IR, DOMAIN)
    expect(guest.dma(0x28, 0x1000, READ)).toBe(0)
    expect([guest.output, guest.out.rights]).toEqual([0x1000, 1])
    expect(guest.dma(0x28, 0x1000, WRITE)).toBe(0x12)
  })

  it('V without TV ends the walk, or passes on a unit that does not mind', () => {
    for (const blockInvalidTranslation of [true, false]) {
      const guest = guestWith({ blockInvalidTranslation })
      guest.device(0x20, 1, IR | IW)
      expect(guest.dma(0x20, 0x1000, READ)).toBe(blockInvalidTranslation ? 0x52 : 0)
    }
  })

  it('the entry’s IR and IW limit what the pages grant, also from the IOTLB', () => {
    const guest = guestWith()
    guest.device(0x20, guest.top | (4 << 9) | 3, IR, DOMAIN)
    expect(guest.dma(DEVICE, 0x4_0000, WRITE)).toBe(0)
    expect(guest.dma(0x20, 0x4_0000, READ)).toBe(0)
    expect(guest.out.rights).toBe(1)
    expect(guest.dma(0x20, 0x4_0000, WRITE)).toBe(0x12)
  })

  it.each([
    ['reserved bits 6:2', [0x47, IR | IW], 0x01, 0x1080_0000],
    ['reserved bit 63', [3, 0x8000_0000], 0x01, 0x1080_0000],
    ['guest translation without GTSup', [3, 0x0080_0000], 0x01, 0x1080_0000],
    ['mode 7', [3 | (7 << 9), IR | IW], 0x11, 0x1000_0000],
  ] as const)('§2.5.2 ILLEGAL_DEV_TABLE_ENTRY: %s', (_what, words, fault, eventHi) => {
    const guest = guestWith()
    guest.device(0x20, ...words)
    expect(guest.dma(0x20, 0x5_0013, READ)).toBe(fault)
    expect(guest.event(0)).toEqual([0x20, eventHi, 0x5_0010, 0])
    // Corrected, it counts at once: what is faulty is not cached.
    guest.device(0x20, 3, IR | IW)
    expect(guest.dma(0x20, 0x5_0010, READ)).toBe(0)
  })

  it('more levels than HATS tells are illegal, and all of them without host translation', () => {
    const four = new AmdViGuest({ hostLevels: 4 })
    four.paged(DEVICE, four.page(), 5)
    four.enable()
    expect(four.dma(DEVICE, 0x1000, READ)).toBe(0x11)
    const none = new AmdViGuest({ dmaTranslation: false })
    none.device(DEVICE, 0x40_0000 | 3, IR | IW)
    none.device(0x20, 3, IR | IW)
    none.enable()
    expect(none.read(REG.EFR) & 0xc00).toBe(0xc00)
    expect(none.dma(DEVICE, 0x1000, READ)).toBe(0x11)
    expect(none.dma(0x20, 0x1000, READ)).toBe(0)
  })

  it('a requester beyond the table faults; a table outside of memory is a hardware error', () => {
    const guest = guestWith()
    guest.write64(REG.DEVICE_TABLE, 0, DEVICE_TABLE)
    expect(guest.dma(0x80, 0x1000, READ)).toBe(0x62)
    guest.write64(REG.DEVICE_TABLE, 0x12, 0x3000_0000)
    expect(guest.dma(0x20, 0x1000, READ)).toBe(0x03)
    expect(guest.event(1)).toEqual([0x20, 0x3200_0000, 0x3000_0400, 0x12])
  })
})

describe('page tables, §2.2.3', () => {
  it('levels may be skipped where the address has no bits there', () => {
    const guest = guestWith()
    const leaf = guest.page()
    guest.entry(guest.top, 1, IR | IW, leaf | (1 << 9) | 1)
    guest.entry(leaf, 3, IR | IW, 0x90_0001)
    expect(guest.dma(DEVICE, 2 ** 39 + 3 * 4096 + 8, READ)).toBe(0)
    expect([guest.output, guest.out.log2Size]).toEqual([0x90_0008, 12])
    expect(guest.dma(DEVICE, 2 ** 39 + 2 ** 21 + 3 * 4096, READ)).toBe(0x32)
    expect(guest.dma(DEVICE, 2 ** 39 + 2 ** 30 + 3 * 4096, READ)).toBe(0x32)
    expect(guest.event(0)[1]).toBe(0x2010_0007)
  })

  it.each([
    ['to the same level', 4],
    ['upwards', 5],
  ])('a directory entry that leads %s is refused', (_what, level) => {
    const guest = guestWith()
    guest.entry(guest.top, 1, IR | IW, guest.page() | (level << 9) | 1)
    expect(guest.dma(DEVICE, 2 ** 39, READ)).toBe(0x32)
  })

  it('every level has pages of its own size', () => {
    for (const [level, log2Size] of [
      [1, 12],
      [2, 21],
      [3, 30],
      [4, 39],
      [5, 48],
    ] as const) {
      const guest = new AmdViGuest()
      const top = guest.page()
      guest.paged(DEVICE, top, 6)
      guest.map(top, 2 ** 50, 0, 3, log2Size, 6)
      guest.enable()
      for (let round = 0; round < 2; round++) {
        expect(guest.dma(DEVICE, 2 ** 50 + 2 ** log2Size - 8, WRITE)).toBe(0)
        expect([guest.output, guest.out.log2Size, level]).toEqual([2 ** log2Size - 8, log2Size, level])
      }
    }
  })

  it.each([
    ['8 KiB', 1, 0, 13],
    ['64 KiB', 1, 0x7000, 16],
    ['1 MiB', 1, 0x7_f000, 20],
    ['4 MiB', 2, 0x1f_f000, 22],
    ['512 MiB', 2, 0xfff_f000, 29],
    ['2 GiB', 3, 0x3fff_f000, 31],
  ])('NextLevel 7 encodes a page of %s in its address', (_what, level, encoded, log2Size) => {
    const guest = guestWith()
    const iova = 2 ** 40
    guest.map(guest.top, iova, 2 ** 33, 3, level * 9 + 3)
    // The same entry wherever one looks into the page: here at its start and at its end.
    const last = iova + 2 ** log2Size - 2 ** (level * 9 + 3)
    guest.map(guest.top, last, 2 ** 33, 3, level * 9 + 3)
    for (const at of [iova, last]) {
      let table = guest.top
      for (let above = 4; above > level; above--) {
        const index = Math.floor(at / 2 ** (above * 9 + 3)) % 512
        table = (guest.ram.read32(table + index * 8) & -4096) >>> 0
      }
      guest.entry(table, Math.floor(at / 2 ** (level * 9 + 3)) % 512, IR | IW | 2, encoded | 0xe01)
    }
    for (const at of [iova + 0x10, iova + 2 ** log2Size - 4]) {
      for (let round = 0; round < 2; round++) {
        expect(guest.dma(DEVICE, at, WRITE)).toBe(0)
        expect([guest.output, guest.out.log2Size]).toEqual([2 ** 33 + (at - iova), log2Size])
      }
    }
    // One invalidation anywhere in the page drops all that was cached of it.
    expect(guest.unit.iotlbUsed).toBeGreaterThan(0)
    guest.invalidatePages(iova + 2 ** (log2Size - 1))
    expect(guest.unit.iotlbUsed).toBe(0)
  })

  it('an encoded size that belongs to another level is refused', () => {
    const guest = guestWith()
    guest.map(guest.top, 2 ** 40, 0, 3, 21)
    const third = (guest.ram.read32(guest.top + 2 * 8) & -4096) >>> 0
    const second = (guest.ram.read32(third) & -4096) >>> 0
    for (const [encoded, fault] of [
      [0x7000, 0x32],
      [0xf_f000, 0x32],
      [0x1f_f000, 0],
      [0x1fff_f000, 0x32],
    ] as const) {
      guest.entry(second, 0, IR | IW, encoded | 0xe01)
      guest.invalidateAll()
      expect(guest.dma(DEVICE, 2 ** 40, READ)).toBe(fault)
    }
    guest.entry(second, 0, IR | IW | 0xf_ffff, 0xffff_fe01)
    guest.invalidateAll()
    expect(guest.dma(DEVICE, 2 ** 40, READ)).toBe(0x32)
  })

  it('reserved bits are refused, U, FC and bit 63 of a page are not', () => {
    const guest = guestWith()
    guest.map(guest.top, 0x4_0000, 0x80_0000, 3)
    const third = (guest.ram.read32(guest.top) & -4096) >>> 0
    const second = (guest.ram.read32(third) & -4096) >>> 0
    const first = (guest.ram.read32(second) & -4096) >>> 0
    for (const [bit, page, directory] of [
      [52, 0x22, 0x22],
      [58, 0x22, 0x22],
      [59, 0, 0x22],
      [60, 0, 0x22],
      [63, 0, 0],
    ] as const) {
      const flag = 2 ** (bit - 32)
      guest.entry(first, 0x40, IR | IW | flag, 0x80_0001)
      guest.invalidateAll()
      expect([bit, guest.dma(DEVICE, 0x4_0000, READ)]).toEqual([bit, page])
      guest.entry(first, 0x40, IR | IW, 0x80_0001)
      guest.entry(second, 0, IR | IW | flag, first | (1 << 9) | 1)
      guest.invalidateAll()
      expect([bit, guest.dma(DEVICE, 0x4_0000, READ)]).toEqual([bit, directory])
      guest.entry(second, 0, IR | IW, first | (1 << 9) | 1)
    }
  })

  it('a table outside of memory is a hardware error at the entry’s address', () => {
    const guest = guestWith()
    guest.entry(guest.top, 1, IR | IW | 0x8, 0x1000_0000 | (3 << 9) | 1)
    expect(guest.dma(DEVICE, 2 ** 39 + 5 * 2 ** 30, READ)).toBe(0x04)
    expect(guest.event(0)).toEqual([DEVICE, 0x4200_0007, 0x1000_0028, 0x8])
    guest.entry(guest.top, 1, IR | IW | 0x8_0000, 0x1000_0000 | (3 << 9) | 1)
    expect(guest.dma(DEVICE, 2 ** 39 + 5 * 2 ** 30, READ)).toBe(0x04)
    expect(guest.event(1)).toEqual([DEVICE, 0x4200_0007, 0x1000_0028, 0x8_0000])
  })
})

describe('ranges with rules of their own', () => {
  it('the exclusion range passes by, for entries with EX or for all', () => {
    const guest = guestWith()
    guest.device(0x20, guest.page() | (4 << 9) | 3, IR | IW, 8, 1 << 7)
    guest.write64(REG.EXCLUSION_BASE, 0, 0x10_0001)
    guest.write64(REG.EXCLUSION_LIMIT, 0, 0x10_1000)
    expect(guest.dma(0x20, 0x10_0000, WRITE)).toBe(0)
    expect([guest.output, guest.out.route]).toEqual([0x10_0000, 'bypass'])
    expect(guest.dma(0x20, 0x10_1ffc, WRITE)).toBe(0)
    expect(guest.dma(0x20, 0x10_2000, WRITE)).toBe(0x02)
    expect(guest.dma(DEVICE, 0x10_0000, WRITE)).toBe(0x02)
    expect(guest.dma(DEVICE, 0x4_0000, WRITE)).toBe(0)
    expect(guest.output).toBe(0x80_0000)
    guest.write64(REG.EXCLUSION_BASE, 0, 0x10_0003)
    expect(guest.dma(DEVICE, 0x10_0000, WRITE)).toBe(0)
  })

  it.each([
    ['reserved interrupts', 0xfd_0000_0000, WRITE, [], 0x68],
    ['interrupts, read', 0xfd_f800_0000, READ, [], 0x08],
    ['interrupts, IntCtl 0', 0xfd_f800_0000, WRITE, [0, 0, 0, 0], 0x58],
    ['interrupts, IntCtl 1', 0xfd_f800_0000, WRITE, [0, 0, 1, 0x1000_0000], 0],
    ['legacy PIC', 0xfd_f900_0000, READ, [], 0x100],
    ['system management, SysMgt 0', 0xfd_f910_0000, WRITE, [], 0x38],
    ['system management, SysMgt 1', 0xfd_f910_0000, WRITE, [0, 0x100], 0],
    ['system management, SysMgt 3', 0xfd_f910_0000, WRITE, [0, 0x300], 0x02],
    ['system management, read', 0xfd_f910_0000, READ, [0, 0x100], 0x48],
    ['port I/O, IoCtl 0', 0xfd_fc00_0000, READ, [], 0x28],
    ['port I/O, IoCtl 1', 0xfd_fc00_0000, READ, [0, 0x8], 0],
    ['port I/O, IoCtl 2', 0xfd_fc00_0000, READ, [0, 0x10], 0x02],
    ['port I/O, IoCtl 3', 0xfd_fc00_0000, READ, [0, 0x18], 0x21],
    ['the rest', 0xff_ffff_f000, READ, [], 0x100],
  ] as const)('§2.1.2 HyperTransport: %s', (_what, iova, access, words, fault) => {
    const guest = guestWith()
    guest.device(0x20, guest.top | (4 << 9) | 3, IR | IW, DOMAIN | (words[0] ?? 0), ...words.slice(1))
    expect(guest.dma(0x20, iova, access)).toBe(fault)
    if (fault === 0) expect([guest.output, guest.out.route]).toEqual([iova, 'bypass'])
    // INVALID_DEVICE_REQUEST tells its type in bits 27:25.
    if ((fault & 0xf) === 8) expect(guest.event(0)[1]).toBe((0x8000_0000 + (fault >>> 4) * 0x200_0000) >>> 0)
  })

  it('a pass-through entry’s whole-space copy does not open the HyperTransport range', () => {
    const guest = guestWith()
    guest.device(0x20, 3, IR | IW)
    const port = new PortTlb(guest.unit, 0x20)
    expect(port.lookup(0, 0x1000, WRITE)).toBe(0)
    expect(port.lookup(0xfd, 0, WRITE)).toBe(0x68)
    expect(port.lookup(0x100, 0, WRITE)).toBe(0)
  })

  it('without a HyperTransport range those addresses are memory, and EFR2 says so', () => {
    const guest = guestWith({ htRange: false })
    guest.map(guest.top, 0xfd_0000_0000, 0x90_0000, 3)
    expect(guest.dma(DEVICE, 0xfd_0000_0000, WRITE)).toBe(0)
    expect(guest.output).toBe(0x90_0000)
    expect(guest.read(REG.EFR2)).toBe(0x800)
  })
})

describe('dma-remap', () => {
  it('on and off give opposite translations for the same programming, and the same answers to commands', () => {
    for (const dmaRemap of [true, false]) {
      const guest = guestWith({ dmaRemap })
      guest.submit([0x8000 | 1, 0x1000_0000, 5, 0])
      expect(guest.ram.read32(0x8000)).toBe(5)
      expect(guest.dma(DEVICE, 0x4_0000, WRITE)).toBe(0)
      expect([guest.output, guest.out.route]).toEqual(dmaRemap ? [0x80_0000, 'translated'] : [0x4_0000, 'bypass'])
      expect(guest.dma(DEVICE, 0x5_0000, READ)).toBe(dmaRemap ? 0x02 : 0)
      expect([guest.unit.translationEnabled, guest.unit.interruptRemappingEnabled]).toEqual([dmaRemap, true])
    }
  })
})
