import { describe, expect, it } from 'vitest'
import { AmdViGuest, GA_EN, INTERRUPT_TABLE, IR, IW, REG } from './amdvi-guest.ts'

const DEVICE = 0x0018
const REMAP = 0x2000_0000
const FORWARD = 0x1000_0000
/** IV and 2^9 entries at INTERRUPT_TABLE. */
const TABLE = INTERRUPT_TABLE | (9 << 1) | 1
const MESSAGE = 0xfee0_1004

/** A guest whose device has this upper word in bits 191:128 of its entry. */
function remappingGuest(
  control = REMAP,
  options: ConstructorParameters<typeof AmdViGuest>[0] = {},
  gaEn = 0,
): AmdViGuest {
  const guest = new AmdViGuest(options)
  guest.device(DEVICE, 3, IR | IW, 7, 0, TABLE, control)
  guest.enable(gaEn)
  return guest
}

const send = (guest: AmdViGuest, data: number, lo = MESSAGE, hi = 0, source = DEVICE): number =>
  guest.unit.remapInterrupt(source, hi, lo, data, guest.msi)

describe('interrupt remapping, §2.2.5', () => {
  it('is no remapping while the unit is off, or for an entry without IV, with V or without', () => {
    const off = new AmdViGuest()
    expect(send(off, 0x4041)).toBe(0)
    expect(off.msi).toEqual({ hi: 0, lo: MESSAGE, data: 0x4041, remapped: false })
    const guest = remappingGuest()
    guest.device(0x20, 3, IR | IW)
    expect([send(guest, 0x41, MESSAGE, 0, 0x20), guest.msi.remapped]).toEqual([0, false])
    expect([send(guest, 0x41, MESSAGE, 0, 0x28), guest.msi.remapped]).toEqual([0, false])
  })

  it('§2.2.5.1 an entry of 32 bits becomes a message', () => {
    const guest = remappingGuest()
    // Vector 0x31, destination 2, logical, arbitrated, enabled.
    guest.ram.write32(INTERRUPT_TABLE + 5 * 4, 0x0031_0245)
    expect(send(guest, 5)).toBe(0)
    expect(guest.msi).toEqual({ hi: 0, lo: 0xfee0_2004, data: 0x131, remapped: true })
  })

  it('an entry whose page tables are illegal stops interrupts where it is judged as a whole', () => {
    // Three levels of page tables on a unit with HATS = 3, as of `dma-translation=off`.
    for (const judgesWholeEntry of [true, false]) {
      const guest = new AmdViGuest({ dmaTranslation: false, judgesWholeEntry })
      guest.device(DEVICE, 0x40_0000 | (3 << 9) | 3, IR | IW, 7, 0, TABLE, REMAP)
      guest.ram.write32(INTERRUPT_TABLE + 5 * 4, 0x0031_0245)
      guest.enable()
      expect(send(guest, 5)).toBe(judgesWholeEntry ? 0x11 : 0)
      expect(guest.dma(DEVICE, 0x1000, 1)).toBe(0x11)
    }
  })

  it('the index is the message’s data, across type fixed and arbitrated; trigger and level stay', () => {
    const guest = remappingGuest()
    guest.ram.write32(INTERRUPT_TABLE + 0x1ff * 4, 0x0042_0001)
    expect(send(guest, 0xc1ff)).toBe(0)
    expect(guest.msi).toEqual({ hi: 0, lo: 0xfee0_0000, data: 0xc042, remapped: true })
  })

  it('§2.2.5.2 an entry of 128 bits, with GAEn; its vector stands in the second half', () => {
    const guest = remappingGuest(REMAP, {}, GA_EN)
    const at = INTERRUPT_TABLE + 5 * 16
    for (const [word, value] of [0x0000_ff41, 0, 0x55, 0].entries()) guest.ram.write32(at + word * 4, value)
    expect(send(guest, 5)).toBe(0)
    expect(guest.msi).toEqual({ hi: 0, lo: 0xfeef_f004, data: 0x55, remapped: true })
    const basic = remappingGuest(REMAP, { guestApic: false }, GA_EN)
    basic.ram.write32(INTERRUPT_TABLE + 5 * 4, 0x0031_0001)
    expect([send(basic, 5), basic.msi.data]).toEqual([0, 0x31])
  })

  it('§2.2.5.2 destinations of 32 bits, with XTEn, on a unit that has them', () => {
    for (const x2apic of [true, false]) {
      const guest = remappingGuest(REMAP, { x2apic }, GA_EN)
      // XTEn is bit 50 of Control.
      guest.write(REG.CONTROL + 4, 1 << 18)
      const at = INTERRUPT_TABLE + 5 * 16
      for (const [word, value] of [0x3456_7801, 0, 0x55, 0x1200_0000].entries()) guest.ram.write32(at + word * 4, value)
      expect(send(guest, 5)).toBe(0)
      expect(guest.msi).toEqual({ hi: x2apic ? 0x1234_5600 : 0, lo: 0xfee7_8000, data: 0x55, remapped: true })
      // As it was cached.
      expect([send(guest, 5), guest.msi.hi]).toEqual([0, x2apic ? 0x1234_5600 : 0])
    }
  })

  it('entries are cached until INVALIDATE_INTERRUPT_TABLE names the device', () => {
    const guest = remappingGuest()
    guest.ram.write32(INTERRUPT_TABLE + 5 * 4, 0x0031_0001)
    send(guest, 5)
    guest.ram.write32(INTERRUPT_TABLE + 5 * 4, 0x0077_0001)
    expect([send(guest, 5), guest.msi.data]).toEqual([0, 0x31])
    guest.submit([DEVICE + 8, 0x5000_0000, 0, 0])
    expect([send(guest, 5), guest.msi.data]).toEqual([0, 0x31])
    guest.submit([DEVICE, 0x5000_0000, 0, 0])
    expect([send(guest, 5), guest.msi.data]).toEqual([0, 0x77])
  })

  it('an entry that is not enabled is not cached', () => {
    const guest = remappingGuest()
    expect(send(guest, 5)).toBe(0x72)
    guest.ram.write32(INTERRUPT_TABLE + 5 * 4, 0x0031_0001)
    expect(send(guest, 5)).toBe(0)
  })

  it('IntCtl 01 forwards as it is', () => {
    const guest = remappingGuest(FORWARD)
    expect(send(guest, 5)).toBe(0)
    expect(guest.msi).toEqual({ hi: 0, lo: MESSAGE, data: 5, remapped: false })
  })

  it.each([
    ['SMI', 0x200, 0, 0],
    ['NMI without NMIPass', 0x400, 0, 0xa2],
    ['NMI with NMIPass', 0x400, 1 << 26, 0],
    ['INIT without INITPass', 0x500, 0, 0xa2],
    ['INIT with INITPass', 0x500, 1 << 24, 0],
    ['ExtINT without EIntPass', 0x700, 0, 0xa2],
    ['ExtINT with EIntPass', 0x700, 1 << 25, 0],
    ['a reserved type', 0x300, 0, 0xa2],
  ])('%s is not for the table', (_what, data, pass, fault) => {
    const guest = remappingGuest(REMAP | pass)
    expect(send(guest, data)).toBe(fault)
    if (fault === 0) expect(guest.msi).toEqual({ hi: 0, lo: MESSAGE, data, remapped: false })
  })

  it.each([
    ['IntCtl 00', 0, 5, 0xa2, 0x2008_0007],
    ['IntCtl 11', 0x3000_0000, 5, 0x21, 0x1088_0000],
    ['reserved bits of the entry', REMAP | 0x0010_0000, 5, 0x01, 0x1088_0000],
    ['an interrupt entry that is not enabled', REMAP, 5, 0x72, 0x2008_0007],
    ['GuestMode', REMAP, 6, 0x92, 0x2098_0007],
    ['a reserved interrupt type', REMAP, 7, 0x92, 0x2098_0007],
    ['reserved bits of the interrupt entry', REMAP, 8, 0x92, 0x2098_0007],
  ] as const)('refuses %s, and logs it as an interrupt', (_what, control, data, fault, eventHi) => {
    const guest = remappingGuest(control)
    for (const [index, entry] of [
      [6, 0x81],
      [7, 0x9],
      [8, 0x0100_0001],
    ] as const) {
      guest.ram.write32(INTERRUPT_TABLE + index * 4, entry)
    }
    expect(send(guest, data)).toBe(fault)
    expect(guest.event(0)).toEqual([DEVICE, eventHi, MESSAGE, 0])
  })

  it('refuses an index beyond the table, a table that is too long, and one outside of memory', () => {
    const guest = remappingGuest()
    guest.device(DEVICE, 3, IR | IW, 7, 0, INTERRUPT_TABLE | (2 << 1) | 1, REMAP)
    expect(send(guest, 4)).toBe(0x82)
    guest.device(0x20, 3, IR | IW, 7, 0, INTERRUPT_TABLE | (12 << 1) | 1, REMAP)
    expect(send(guest, 4, MESSAGE, 0, 0x20)).toBe(0x31)
    guest.device(0x28, 3, IR | IW, 7, 0, 0xf000_0000 | (9 << 1) | 1, REMAP | 2)
    expect(send(guest, 4, MESSAGE, 0, 0x28)).toBe(0x14)
    expect(guest.event(2)).toEqual([0x28, 0x4208_0000, 0xf000_0010, 2])
  })

  it('IG and SupIOPF keep what is not enabled out of the log', () => {
    const guest = remappingGuest()
    guest.device(DEVICE, 3, IR | IW, 7, 0, TABLE | 0x20, REMAP)
    expect([send(guest, 5), guest.logged]).toEqual([0x72, 0])
    const other = remappingGuest()
    other.ram.write32(INTERRUPT_TABLE + 5 * 4, 0x2)
    expect([send(other, 5), other.logged]).toEqual([0x72, 0])
    const quiet = remappingGuest(REMAP, { logInterruptFaults: false })
    expect([send(quiet, 5), quiet.logged, quiet.unit.faultsSeen[0]?.recorded]).toEqual([0x72, 0, false])
  })

  it('refuses messages to elsewhere, and all of them without interrupt remapping', () => {
    const guest = remappingGuest()
    expect(send(guest, 5, 0xfed0_0000)).toBe(0xb2)
    expect(send(guest, 5, MESSAGE, 1)).toBe(0xb2)
    const unable = remappingGuest(REMAP, { interruptRemapping: false })
    unable.ram.write32(INTERRUPT_TABLE + 5 * 4, 0x0031_0001)
    expect(send(unable, 5)).toBe(0x82)
  })
})
