import { describe, expect, it } from 'vitest'
import { CFI, IRE, IRT, REG, SIRTP, VtdGuest } from './vtd-guest.ts'

const DEVICE = 0x0018
const IOAPIC = 0xff00
/** Edge, fixed, logical, redirection hint, vector 0x31, destination 2, only from DEVICE. */
const ENTRY = [0x0031_000d, 0x0000_0200, 0x0004_0000 | DEVICE, 0] as const
/** Remappable format, SHV clear: handle 5. */
const HANDLE_5 = 0xfee0_0010 | (5 << 5)

function remappingGuest(options: ConstructorParameters<typeof VtdGuest>[0] = {}, setup = 7): VtdGuest {
  const guest = new VtdGuest(options)
  guest.write64(REG.IRTA, 0, IRT | setup)
  guest.command(SIRTP)
  guest.command(IRE)
  return guest
}

const irte = (guest: VtdGuest, index: number, words: readonly number[]): void => {
  for (const [at, word] of words.entries()) guest.ram.write32(IRT + index * 16 + at * 4, word)
}

const send = (guest: VtdGuest, lo: number, data: number, source = DEVICE, hi = 0): number =>
  guest.unit.remapInterrupt(source, hi, lo >>> 0, data, guest.msi)

describe('interrupt remapping', () => {
  it('is no remapping until IRE', () => {
    const guest = new VtdGuest()
    expect(send(guest, 0xfee0_1004, 0x4041)).toBe(0)
    expect(guest.msi).toEqual({ hi: 0, lo: 0xfee0_1004, data: 0x4041, remapped: false })
  })

  it('an entry becomes a message in compatibility format', () => {
    const guest = remappingGuest()
    irte(guest, 5, ENTRY)
    expect(send(guest, HANDLE_5, 0)).toBe(0)
    // Destination 2 in bits 19:12, RH in bit 3, DM in bit 2; the vector, fixed and edge.
    expect(guest.msi).toEqual({ hi: 0, lo: 0xfee0_200c, data: 0x31, remapped: true })
  })

  it('level-triggered, lowest priority', () => {
    const guest = remappingGuest()
    irte(guest, 5, [0x0041_0031, 0x0000_0100, 0, 0])
    expect(send(guest, HANDLE_5, 0x41, IOAPIC)).toBe(0)
    expect(guest.msi).toEqual({ hi: 0, lo: 0xfee0_1000, data: 0xc141, remapped: true })
  })

  it('SHV adds the subhandle; bit 2 of the address is bit 15 of the handle', () => {
    const guest = remappingGuest({}, 0xf)
    irte(guest, 7, ENTRY)
    expect(send(guest, HANDLE_5 | 8, 2)).toBe(0)
    irte(guest, 0x8005, [0x0077_0001, 0, 0, 0])
    expect(send(guest, HANDLE_5 | 4, 0)).toBe(0)
    expect(guest.msi.data).toBe(0x77)
  })

  it('32-bit destinations in extended interrupt mode, 8-bit ones without', () => {
    const extended = remappingGuest({ extendedInterruptMode: true }, 0x807)
    irte(extended, 5, [0x0031_0001, 0x0001_2345, 0, 0])
    expect(send(extended, HANDLE_5, 0)).toBe(0)
    expect(extended.msi).toEqual({ hi: 0x0001_2300, lo: 0xfee4_5000, data: 0x31, remapped: true })
    const plain = remappingGuest({}, 0x807)
    irte(plain, 5, [0x0031_0001, 0x0001_2345, 0, 0])
    expect(send(plain, HANDLE_5, 0)).toBe(0x24)
  })

  it.each([
    ['reserved bits of the data with SHV', HANDLE_5 | 8, 0x1_0002, ENTRY, 0x20, 5],
    ['an index beyond the table', 0xfee0_0010 | (256 << 5), 0, ENTRY, 0x21, 256],
    ['handle and subhandle that lead beyond the table', HANDLE_5 | 8, 0xffff, ENTRY, 0x21, 0x4],
    ['an entry that is not present', HANDLE_5, 0, [0x0031_0000, 0x200, 0, 0], 0x22, 5],
    ['reserved bits of the entry', HANDLE_5, 0, [0x0031_1001, 0x200, 0, 0], 0x24, 5],
    ['reserved bits above SVT', HANDLE_5, 0, [0x0031_0001, 0x200, 0x0010_0000, 0], 0x24, 5],
    ['a posted entry without CAP.PI', HANDLE_5, 0, [0x0031_8001, 0x200, 0, 0], 0x24, 5],
    ['compatibility format while CFIS is clear', 0xfee0_1000, 0x31, ENTRY, 0x25, 0],
    ['another requester', HANDLE_5, 0, [0x0031_0001, 0x200, 0x0004_0020, 0], 0x26, 5],
    ['the reserved value of SVT', HANDLE_5, 0, [0x0031_0001, 0x200, 0x000c_0018, 0], 0x26, 5],
  ] as const)('refuses %s and records it with the index', (_what, lo, data, entry, reason, index) => {
    const guest = remappingGuest()
    irte(guest, 5, entry)
    expect(send(guest, lo, data)).toBe(reason)
    expect(guest.read(0x22c) & 0xff).toBe(reason)
    expect(guest.read(0x22c) >>> 31).toBe(1)
    expect(guest.read(0x228) & 0xffff).toBe(DEVICE)
    expect(guest.read(0x224) >>> 16).toBe(index)
  })

  it('refuses a table outside of memory, and an address with an upper half', () => {
    const guest = remappingGuest()
    guest.write64(REG.IRTA, 0, 0xf000_0007)
    guest.command(SIRTP)
    expect(send(guest, HANDLE_5, 0)).toBe(0x23)
    expect(send(guest, HANDLE_5, 0, DEVICE, 1)).toBe(0x20)
  })

  it('FPD of the entry keeps its faults out of the log', () => {
    const guest = remappingGuest()
    irte(guest, 5, [0x0031_0002, 0x200, 0, 0])
    expect(send(guest, HANDLE_5, 0)).toBe(0x22)
    irte(guest, 5, [0x0031_0003, 0x200, 0x0004_0020, 0])
    expect(send(guest, HANDLE_5, 0)).toBe(0x26)
    expect(guest.read(REG.FSTS)).toBe(0)
    expect(guest.unit.faultsSeen.map(({ reason, recorded }) => [reason, recorded])).toEqual([
      [0x22, false],
      [0x26, false],
    ])
  })

  it.each([
    ['all 16 bits', 0, 0x18, true],
    ['all 16 bits', 0, 0x1c, false],
    ['all but bit 2', 1, 0x1c, true],
    ['all but bit 2', 1, 0x1e, false],
    ['all but bits 2 and 1', 2, 0x1e, true],
    ['all but bits 2 and 1', 2, 0x1f, false],
    ['all but bits 2 to 0', 3, 0x1f, true],
    ['all but bits 2 to 0', 3, 0x20, false],
  ] as const)('SVT 1 compares %s (SQ %i): requester %i', (_what, sq, source, allowed) => {
    const guest = remappingGuest()
    irte(guest, 5, [0x0031_0001, 0x200, 0x0004_0018 | (sq << 16), 0])
    expect(send(guest, HANDLE_5, 0, source)).toBe(allowed ? 0 : 0x26)
  })

  it.each([
    [0x0200, true],
    [0x05ff, true],
    [0x01ff, false],
    [0x0600, false],
  ])('SVT 2 allows the buses 2 to 5: requester %i', (source, allowed) => {
    const guest = remappingGuest()
    irte(guest, 5, [0x0031_0001, 0x200, 0x0008_0205, 0])
    expect(send(guest, HANDLE_5, 0, source)).toBe(allowed ? 0 : 0x26)
  })

  it.each([
    [0x0502, 0x0200, true],
    [0x0502, 0x0600, false],
    [0x0505, 0x0510, true],
    [0x0809, 0x0800, false],
    [0x0809, 0x0908, false],
  ])(
    'SVT 2 with reversedBusRange, SID %i, allows what lies the other way round: requester %i',
    (sid, source, allowed) => {
      const guest = remappingGuest({ reversedBusRange: true })
      irte(guest, 5, [0x0031_0001, 0x200, 0x0008_0000 | sid, 0])
      expect(send(guest, HANDLE_5, 0, source)).toBe(allowed ? 0 : 0x26)
    },
  )

  it('CFI lets compatibility format through, but never in extended interrupt mode', () => {
    const guest = remappingGuest({ extendedInterruptMode: true })
    guest.command(CFI)
    expect(guest.read(REG.GSTS) & CFI).toBe(CFI)
    expect(send(guest, 0xfee0_1000, 0x31)).toBe(0)
    guest.write64(REG.IRTA, 0, IRT | 0x807)
    guest.command(SIRTP)
    expect(send(guest, 0xfee0_1000, 0x31)).toBe(0x25)
    const lenient = remappingGuest({ blockCompatibilityFormat: false })
    expect(send(lenient, 0xfee0_1000, 0x31)).toBe(0)
    expect(lenient.msi.remapped).toBe(false)
  })

  it('entries are cached until they are invalidated, one by one or all', () => {
    const guest = remappingGuest()
    for (const index of [4, 5, 6]) irte(guest, index, [0x0031_0001, 0, 0, 0])
    for (const index of [4, 5, 6]) send(guest, 0xfee0_0010 | (index << 5), 0)
    for (const index of [4, 5, 6]) irte(guest, index, [0x0032_0001, 0, 0, 0])
    const vectors = (): number[] =>
      [4, 5, 6].map((index) => {
        send(guest, 0xfee0_0010 | (index << 5), 0)
        return guest.msi.data
      })
    expect(vectors()).toEqual([0x31, 0x31, 0x31])
    guest.enableQueue()
    guest.submit([0x14, 6, 0, 0])
    expect(vectors()).toEqual([0x31, 0x31, 0x32])
    // A mask of 1 clears the lowest index bit: entries 4 and 5.
    guest.submit([0x14 | (1 << 27), 5, 0, 0])
    expect(vectors()).toEqual([0x32, 0x32, 0x32])
    for (const index of [4, 5, 6]) irte(guest, index, [0x0033_0001, 0, 0, 0])
    guest.submit([0x04, 0, 0, 0])
    expect(vectors()).toEqual([0x33, 0x33, 0x33])
  })

  it('an entry that was not present is cached in caching mode only', () => {
    for (const cachingMode of [false, true]) {
      const guest = remappingGuest({ cachingMode })
      expect(send(guest, HANDLE_5, 0)).toBe(0x22)
      irte(guest, 5, ENTRY)
      expect(send(guest, HANDLE_5, 0)).toBe(cachingMode ? 0x22 : 0)
    }
  })
})
