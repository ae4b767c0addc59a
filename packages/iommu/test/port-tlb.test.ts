import { PortTlb, type Translation, type Translator, UNSUPPORTED_REQUEST } from '@dmascope/iommu'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { REG, TE, VtdGuest } from './vtd-guest.ts'

const RUNS = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const DEVICE = 0x0018
const OTHER = 0x0020

function twoDomains(): { guest: VtdGuest; tops: readonly [number, number] } {
  const guest = new VtdGuest()
  const tops = [guest.page(), guest.page()] as const
  guest.context(DEVICE, tops[0] | 1, 2 | (7 << 8))
  guest.context(OTHER, tops[1] | 1, 2 | (8 << 8))
  guest.map(tops[0], 0x4_0000, 0x80_0000, 3)
  guest.map(tops[1], 0x4_0000, 0x90_0000, 1)
  guest.map(tops[0], 0x4000_0000, 0x1_c000_0000, 3, 21)
  guest.enable()
  return { guest, tops }
}

/** A translator that counts how often it is asked. */
function counted(inner: Translator): Translator & { asked: number } {
  return {
    asked: 0,
    epochs: inner.epochs,
    translate(...request) {
      this.asked++
      return inner.translate(...request)
    },
    remapInterrupt: (...message) => inner.remapInterrupt(...message),
  }
}

describe('PortTlb', () => {
  it('asks once per page, and tells output, size, route and span', () => {
    const { guest } = twoDomains()
    const translator = counted(guest.unit)
    const port = new PortTlb(translator, DEVICE)
    for (const offset of [0, 0x123, 0xfff]) {
      expect(port.lookup(0, 0x4_0000 + offset, 2)).toBe(0)
      expect([port.hi, port.lo, port.log2Size, port.route]).toEqual([0, 0x80_0000 + offset, 12, 'translated'])
      expect(port.span).toBe(4096 - offset)
    }
    expect(translator.asked).toBe(1)
    expect(port.lookup(0, 0x400f_fffc, 1)).toBe(0)
    expect([port.hi, port.lo, port.log2Size, port.span]).toEqual([1, 0xc00f_fffc, 21, 0x10_0004])
  })

  it('a fault is the translator’s, each time', () => {
    const { guest } = twoDomains()
    const translator = counted(guest.unit)
    const port = new PortTlb(translator, OTHER)
    expect(port.lookup(0, 0x4_0000, 1)).toBe(0)
    expect(port.lookup(0, 0x4_0000, 2)).toBe(0x05)
    expect(port.lookup(0, 0x4_0000, 2)).toBe(0x05)
    expect(translator.asked).toBe(3)
    expect(guest.unit.faultCount).toBe(2)
  })

  it('copies end with an invalidation, of the page or of the contexts, and with another requester', () => {
    const { guest, tops } = twoDomains()
    const port = new PortTlb(guest.unit, DEVICE)
    const output = (): number => (port.lookup(0, 0x4_0000, 1) === 0 ? port.lo : -1)
    expect(output()).toBe(0x80_0000)
    guest.map(tops[0], 0x4_0000, 0xa0_0000, 3)
    expect(output()).toBe(0x80_0000)
    guest.write64(REG.IVA, 0, 0x4_0000)
    guest.write64(REG.IOTLB, 0xb000_0007, 0)
    expect(output()).toBe(0xa0_0000)
    guest.context(DEVICE, tops[1] | 1, 2 | (8 << 8))
    expect(output()).toBe(0xa0_0000)
    guest.write64(REG.CCMD, 0xa000_0000, 0)
    expect(output()).toBe(0x90_0000)
    port.requester = 0x0030
    expect(port.lookup(0, 0x4_0000, 1)).toBe(0x02)
  })

  it('asks a function for the requester at each miss', () => {
    const { guest } = twoDomains()
    let requester = DEVICE
    const port = new PortTlb(guest.unit, () => requester)
    expect(port.lookup(0, 0x4_0000, 1)).toBe(0)
    requester = OTHER
    expect(port.lookup(0, 0x5_0000, 1)).toBe(0x06)
    expect(port.lookup(0, 0x4_0000, 1)).toBe(0)
    expect([port.lo, port.requester]).toEqual([0x90_0000, OTHER])
  })

  it('keeps one copy for the whole space while translation is off, until it is turned on', () => {
    const { guest } = twoDomains()
    guest.command(TE, false)
    const translator = counted(guest.unit)
    const port = new PortTlb(translator, DEVICE)
    for (const hi of [0, 1, 0xffff_ffff]) {
      expect(port.lookup(hi, 0xffff_fff0, 3)).toBe(0)
      expect([port.hi, port.lo, port.route, port.log2Size]).toEqual([hi, 0xffff_fff0, 'bypass', 64])
    }
    expect(translator.asked).toBe(1)
    expect(port.span).toBe(2 ** 52)
    guest.command(TE)
    expect(port.lookup(0, 0x4_0001, 3)).toBe(0)
    expect([port.lo, port.route]).toEqual([0x80_0001, 'translated'])
  })

  it('pass-through is kept as far as the unit’s addresses reach', () => {
    const { guest } = twoDomains()
    guest.context(DEVICE, 9, 2 | (7 << 8))
    guest.invalidateAll()
    const port = new PortTlb(guest.unit, DEVICE)
    expect(port.lookup(0, 0x1234, 3)).toBe(0)
    expect(port.lookup(0xffff, 0x1234, 3)).toBe(0)
    expect([port.hi, port.lo, port.route]).toEqual([0xffff, 0x1234, 'bypass'])
    expect(port.lookup(0x1_0000, 0x1234, 3)).toBe(0x04)
  })

  it('does not keep what it must not: tag -1', () => {
    let asked = 0
    const port = new PortTlb(
      {
        epochs: new Uint32Array(1),
        translate(_requester, _pasid, _kind, hi, lo, _access, out: Translation) {
          Object.assign(out, { hi, lo: lo ^ 0x1000, log2Size: 12, rights: 3, tag: -1, route: 'translated' })
          return asked++ > 2 ? UNSUPPORTED_REQUEST : 0
        },
        remapInterrupt: () => 0,
      },
      DEVICE,
    )
    for (const expected of [0, 0, 0, UNSUPPORTED_REQUEST]) expect(port.lookup(0, 0x2000, 1)).toBe(expected)
    expect(port.lo).toBe(0x3000)
  })

  it('agrees with the translator, whatever is asked and invalidated in between', () => {
    const { guest, tops } = twoDomains()
    const pages = Array.from({ length: 40 }, (_, index) => 0x10_0000 + index * 0x1_1000)
    const port = new PortTlb(guest.unit, DEVICE)
    const step = fc.record({
      page: fc.nat(pages.length - 1),
      access: fc.constantFrom(1 as const, 2 as const),
      change: fc.constantFrom('none', 'none', 'map', 'page', 'all', 'context'),
      frame: fc.nat(1000),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 8 }), (steps) => {
        for (const { page, access, change, frame } of steps) {
          const iova = pages[page]!
          if (change === 'map') guest.map(tops[0], iova, 0x100_0000 + frame * 4096, frame % 4)
          if (change === 'page') {
            guest.write64(REG.IVA, 0, iova)
            guest.write64(REG.IOTLB, 0xb000_0007, 0)
          }
          if (change === 'all') guest.write64(REG.IOTLB, 0x9000_0000, 0)
          if (change === 'context') guest.write64(REG.CCMD, 0xa000_0000, 0)
          const fault = port.lookup(0, iova + 12, access)
          const output = fault === 0 ? port.lo : 0
          expect(guest.dma(DEVICE, iova + 12, access)).toBe(fault)
          if (fault === 0) expect(guest.out.lo).toBe(output)
        }
      }),
      { numRuns: RUNS },
    )
  })
})
