import fc from 'fast-check'
import { expect, it } from 'vitest'
import { IRT, QUEUE, REG, ROOT, VtdGuest } from './vtd-guest.ts'

const RUNS = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const word = fc.integer({ min: 0, max: 0xffff_ffff })

/** Asks for everything that a device can ask for; whatever comes, it is a number and an answer within bounds. */
function poke(guest: VtdGuest, requester: number, hi: number, lo: number): void {
  const { unit, out, msi } = guest
  for (const kind of ['untranslated', 'translated', 'translation-request'] as const) {
    const fault = unit.translate(requester, -1, kind, hi, lo, 3, out)
    expect(fault === 0 || (fault > 0 && fault <= 0x100)).toBe(true)
    if (fault === 0) expect(out.tag).toBeLessThan(unit.epochs.length)
  }
  expect(unit.remapInterrupt(requester, 0, (0xfee0_0000 | (lo & 0xf_ffff)) >>> 0, hi, msi)).toBeLessThan(0x27)
}

it('random register writes neither throw nor hang', () => {
  const guest = new VtdGuest({ deviceIotlb: true, cachingMode: true, faultRecords: 3 })
  const interesting = fc.constantFrom(
    REG.GCMD,
    REG.RTADDR,
    REG.CCMD + 4,
    REG.FSTS,
    REG.IQT,
    REG.IQA,
    REG.IRTA,
    REG.IOTLB + 4,
    REG.FECTL,
    REG.IECTL,
    0x22c,
  )
  const write = fc.record({
    offset: fc.oneof(interesting, fc.nat(0x260)),
    width: fc.constantFrom(1 as const, 2 as const, 4 as const, 4 as const),
    value: fc.oneof(word, fc.constantFrom(0xffff_ffff, 0x8000_0000, 0xff80_0000, ROOT, QUEUE, IRT)),
  })
  fc.assert(
    fc.property(fc.array(write, { maxLength: 12 }), fc.nat(0xffff), word, word, (writes, requester, hi, lo) => {
      for (const { offset, width, value } of writes) {
        guest.unit.write(offset, width, value)
        const read = guest.unit.read(offset, width)
        expect(read).toBeGreaterThanOrEqual(0)
        expect(read).toBeLessThan(2 ** (width * 8))
      }
      // Read-only registers stay what they are.
      expect([guest.read(0x00), guest.read(0x08) & 0x1f00, guest.read(0x10) & 0xe]).toEqual([0x10, 0x600, 0xe])
      poke(guest, requester, hi, lo)
    }),
    { numRuns: RUNS },
  )
})

it('random queue contents stop at an error or at the tail, within one turn of the queue', () => {
  const guest = new VtdGuest({ deviceIotlb: true })
  const plausible = fc.tuple(
    fc
      .tuple(fc.nat(15), fc.nat(3), word)
      .map(([type, granularity, rest]) => (rest & 0xffff_0000) | (granularity << 4) | type),
    word,
    fc.oneof(word, fc.constantFrom(0, QUEUE, 0x8000)),
    fc.constantFrom(0, 0, 0, 1, 0xffff_ffff),
  )
  const descriptor = fc.oneof(plausible, fc.tuple(word, word, word, word))
  fc.assert(
    fc.property(fc.array(descriptor, { minLength: 1, maxLength: 12 }), fc.nat(255), (descriptors, tail) => {
      guest.unit.reset()
      for (const [index, words] of descriptors.entries()) {
        for (const [at, value] of words.entries()) guest.ram.write32(QUEUE + index * 16 + at * 4, value >>> 0)
      }
      guest.write64(REG.IQA, 0, QUEUE)
      guest.write(REG.GCMD, 0x0400_0000)
      guest.write(REG.IQT, tail * 16)
      const head = guest.read(REG.IQH)
      expect(head % 16).toBe(0)
      expect(head).toBeLessThan(4096)
      // Either everything was fetched, or an error bit says why not.
      expect(head === tail * 16 || (guest.read(REG.FSTS) & 0x50) !== 0).toBe(true)
      if ((guest.read(REG.FSTS) & 0x10) !== 0) expect(guest.read(REG.IQERCD) & 0xf).toBeGreaterThan(0)
    }),
    { numRuns: RUNS },
  )
})

it('random tables of every kind neither throw nor hang', () => {
  const guest = new VtdGuest({ deviceIotlb: true, extendedInterruptMode: true })
  const entry = fc.oneof(fc.constantFrom(0, 1, 3, 0x83, ROOT | 1, ROOT | 3, 0x10_0001, 0x10_0003, 0xffff_ffff), word)
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(0x3fff), entry), { maxLength: 32 }),
      fc.nat(0xffff),
      word,
      word,
      (words, requester, hi, lo) => {
        guest.unit.reset()
        for (const [at, value] of words) guest.ram.write32(ROOT + (at & ~3), value)
        for (const at of [0, 8]) guest.ram.write32(ROOT + (requester >>> 8) * 16 + at, at === 0 ? ROOT | 1 : 0)
        guest.write64(REG.RTADDR, 0, ROOT)
        guest.write64(REG.IRTA, 0, ROOT | 0x80f)
        guest.write(REG.GCMD, 0x4100_0000)
        guest.write(REG.GCMD, 0x8200_0000)
        poke(guest, requester, hi, lo)
        poke(guest, requester, hi & 0xffff, lo)
        poke(guest, requester, 0, lo)
      },
    ),
    { numRuns: RUNS },
  )
})
