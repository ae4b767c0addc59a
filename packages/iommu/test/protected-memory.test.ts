import { NO_PASID, PortTlb, UNSUPPORTED_REQUEST } from '@dmascope/iommu'
import { describe, expect, it } from 'vitest'
import { REG, VtdGuest } from './vtd-guest.ts'

// VT-d 4.1, register descriptions: written out once more.
const PMEN = 0x64
const PLMBASE = 0x68
const PLMLIMIT = 0x6c
const PHMBASE = 0x70
const PHMLIMIT = 0x78
const EPM = 0x8000_0000
const PRS = 1
const DEVICE = 0x0018

/** Closes [2 MiB, 6 MiB) and [4 GiB, 4 GiB + 2 MiB), in the order in which a launch does it. */
function protect(guest: VtdGuest): void {
  guest.write(PLMBASE, 0x20_0000)
  guest.write(PLMLIMIT, 0x40_0000)
  guest.write64(PHMBASE, 1, 0)
  guest.write64(PHMLIMIT, 1, 0)
  guest.write(PMEN, EPM)
}

const ask = (guest: VtdGuest, hi: number, lo: number, kind: 'untranslated' | 'translated' = 'untranslated'): number =>
  guest.unit.translate(DEVICE, NO_PASID, kind, hi, lo, 2, guest.out)

describe('without CAP.PLMR and CAP.PHMR', () => {
  it('the registers are read-only, and nothing is closed', () => {
    const guest = new VtdGuest()
    expect(guest.read(0x08) & 0x60).toBe(0)
    protect(guest)
    expect(guest.read(PMEN) & PRS).toBe(0)
    for (const offset of [PLMBASE, PLMLIMIT, PHMBASE, PHMLIMIT]) expect(guest.read(offset)).toBe(0)
    expect(ask(guest, 0, 0x20_0000)).toBe(0)
  })
})

describe('with them', () => {
  it('CAP says so; bases and limits count 2 MiB; PRS follows EPM', () => {
    const guest = new VtdGuest({ protectedMemory: true })
    expect(guest.read(0x08) & 0x60).toBe(0x60)
    guest.write(PLMBASE, 0xffff_ffff)
    guest.write64(PHMLIMIT, 0xffff_ffff, 0xffff_ffff)
    expect(guest.read(PLMBASE)).toBe(0xffe0_0000)
    expect([guest.read(PHMLIMIT + 4), guest.read(PHMLIMIT)]).toEqual([0xffff_ffff, 0xffe0_0000])
    guest.write(PMEN, EPM)
    expect(guest.read(PMEN)).toBe((EPM | PRS) >>> 0)
    guest.write(PMEN, 0)
    expect(guest.read(PMEN)).toBe(0)
  })

  it('with translation off, requests into the regions are refused, and no fault is recorded', () => {
    const guest = new VtdGuest({ protectedMemory: true })
    protect(guest)
    const open = [
      [0, 0x1f_fff8],
      [0, 0x60_0000],
      [0, 0xffff_fff8],
      [1, 0x20_0000],
    ] as const
    for (const [hi, lo] of open) {
      expect(ask(guest, hi, lo), `0x${hi.toString(16)}_${lo.toString(16)}`).toBe(0)
      expect(guest.out).toMatchObject({ hi, lo, route: 'bypass', log2Size: 21 })
    }
    for (const [hi, lo] of [
      [0, 0x20_0000],
      [0, 0x5f_fff8],
      [1, 0],
      [1, 0x1f_fff8],
    ] as const) {
      expect(ask(guest, hi, lo)).toBe(UNSUPPORTED_REQUEST)
    }
    expect(guest.read(REG.FSTS)).toBe(0)
    expect(guest.unit.faultsSeen).toHaveLength(4)
    expect(guest.unit.faultsSeen[0]).toMatchObject({ recorded: false, requester: DEVICE, lo: 0x20_0000 })
  })

  it('a limit below its base closes nothing, address 0 neither', () => {
    const guest = new VtdGuest({ protectedMemory: true })
    guest.write(PLMBASE, 0x20_0000)
    guest.write(PLMLIMIT, 0)
    guest.write64(PHMBASE, 0, 0x20_0000)
    guest.write64(PHMLIMIT, 0, 0)
    guest.write(PMEN, EPM)
    for (const lo of [0, 0x20_0000, 0x40_0000]) expect(ask(guest, 0, lo)).toBe(0)
  })

  it('with translation on, what tables translate goes where they say, and what passes through does not get in', () => {
    const guest = new VtdGuest({ protectedMemory: true })
    // Requester 00:03.0: second-stage tables that map 0x1000 to 0x20_0000; 00:04.0 passes through.
    const top = guest.page()
    guest.map(top, 0x1000, 0x20_0000, 3)
    guest.context(DEVICE, top | 1, (7 << 8) | 2)
    guest.context(0x0020, (2 << 2) | 1, (1 << 8) | 2)
    guest.enable()
    protect(guest)
    expect(ask(guest, 0, 0x1000)).toBe(0)
    expect(guest.out).toMatchObject({ hi: 0, lo: 0x20_0000, route: 'translated' })
    const through = (lo: number): number => guest.unit.translate(0x0020, NO_PASID, 'untranslated', 0, lo, 1, guest.out)
    expect(through(0x20_0000)).toBe(UNSUPPORTED_REQUEST)
    expect(through(0x60_0000)).toBe(0)
    expect(guest.read(REG.FSTS)).toBe(0)
    guest.write(PMEN, 0)
    expect(through(0x20_0000)).toBe(0)
  })

  it('copies that ports hold end when the regions change', () => {
    const guest = new VtdGuest({ protectedMemory: true })
    const port = new PortTlb(guest.unit, DEVICE)
    expect(port.lookup(0, 0x20_0000, 2)).toBe(0)
    protect(guest)
    expect(port.lookup(0, 0x20_0000, 2)).toBe(UNSUPPORTED_REQUEST)
    expect(port.lookup(0, 0x60_0000, 2)).toBe(0)
    guest.write(PLMLIMIT, 0x60_0000)
    expect(port.lookup(0, 0x60_0000, 2)).toBe(UNSUPPORTED_REQUEST)
    guest.write(PMEN, 0)
    expect(port.lookup(0, 0x60_0000, 2)).toBe(0)
    guest.write(PMEN, EPM)
    guest.unit.reset()
    expect(port.lookup(0, 0x20_0000, 2)).toBe(0)
  })
})
