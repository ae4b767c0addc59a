import { smmuv3OptionsFor } from '@dmascope/iommu/smmuv3'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { COMMANDS, REG, SmmuV3Guest, STREAMS } from './smmuv3-guest.ts'

const RUNS = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const word = fc.integer({ min: 0, max: 0xffff_ffff })

/** Asks for everything that a device can ask for; whatever comes, it is a number and an answer within bounds. */
function poke(guest: SmmuV3Guest, requester: number, hi: number, lo: number): void {
  const { unit, out } = guest
  for (const kind of ['untranslated', 'translated', 'translation-request'] as const) {
    for (const pasid of [-1, 5]) {
      const fault = unit.translate(requester, pasid, kind, hi, lo, 3, out)
      expect(fault >= 0 && fault <= 0x100).toBe(true)
      if (fault === 0) expect(out.tag).toBeLessThan(unit.epochs.length)
      if (fault === 0 && out.route === 'translated') expect(out.hi).toBeLessThan(0x1_0000)
    }
  }
}

it('random register writes neither throw nor hang', () => {
  const guest = new SmmuV3Guest(smmuv3OptionsFor('11.1'))
  const { CR0, GBPA, GERRORN, STRTAB_BASE, STRTAB_BASE_CFG, CMDQ_BASE, CMDQ_PROD, CMDQ_CONS } = REG
  const interesting = fc.constantFrom(
    ...[CR0, GBPA, GERRORN, STRTAB_BASE, STRTAB_BASE_CFG, CMDQ_BASE, CMDQ_PROD, CMDQ_CONS],
    ...[REG.IRQ_CTRL, REG.EVENTQ_BASE, REG.EVENTQ_PROD, REG.EVENTQ_CONS],
  )
  const write = fc.record({
    offset: fc.oneof(interesting, fc.nat(0x1_ffff)),
    width: fc.constantFrom(1 as const, 2 as const, 4 as const, 4 as const),
    value: fc.oneof(word, fc.constantFrom(0xffff_ffff, 0xd, 0x1_0210, 9, STREAMS, COMMANDS | 8, 0x40, 0x8000_0000)),
  })
  fc.assert(
    fc.property(fc.array(write, { maxLength: 12 }), fc.nat(0xffff), word, word, (writes, requester, hi, lo) => {
      for (const { offset, width, value } of writes) {
        guest.unit.write(offset, width, value)
        const read = guest.unit.read(offset, width)
        expect(read).toBeGreaterThanOrEqual(0)
        expect(read).toBeLessThan(2 ** (width * 8))
      }
      // Read-only registers stay what they are, and acknowledgements follow.
      expect([guest.read(REG.IDR0), guest.read(REG.IDR5)]).toEqual([0x0d44_101b, 0x74])
      expect(guest.read(REG.CR0ACK)).toBe(guest.read(CR0))
      poke(guest, requester, hi, lo)
    }),
    { numRuns: RUNS },
  )
})

it('random commands stop at an error or at the end', () => {
  const guest = new SmmuV3Guest({ stage2: true })
  const opcodes = [0x01, 0x03, 0x04, 0x05, 0x06, 0x10, 0x11, 0x12, 0x13, 0x28, 0x2a, 0x30, 0x46]
  const plausible = fc.tuple(
    fc.tuple(fc.constantFrom(...opcodes), word).map(([opcode, rest]) => (rest & 0xffff_f000) | opcode),
    word,
    word,
    fc.constantFrom(0, 0, 1, 0xffff_ffff),
  )
  const command = fc.oneof(plausible, plausible, fc.tuple(word, word, word, word))
  fc.assert(
    fc.property(fc.array(command, { minLength: 1, maxLength: 12 }), fc.integer({ min: 1, max: 255 }), (list, prod) => {
      guest.unit.reset()
      for (let at = 0; at < 256; at++) guest.words(COMMANDS + at * 16, 0x46, 0, 0, 0)
      for (const [index, words] of list.entries()) guest.words(COMMANDS + index * 16, ...words)
      guest.write64(REG.CMDQ_BASE, 0, COMMANDS | 8)
      guest.write(REG.CR0, 8)
      guest.write(REG.CMDQ_PROD, prod)
      const cons = guest.read(REG.CMDQ_CONS)
      const stopped = (guest.read(REG.GERROR) & 1) !== 0
      expect(stopped ? cons >>> 24 : cons).toBe(stopped ? 1 : prod)
      expect(cons & 0xff).toBeLessThanOrEqual(prod)
    }),
    { numRuns: RUNS },
  )
})

it('random tables of every kind neither throw nor hang', () => {
  const guests = [new SmmuV3Guest({ stage2: true }), new SmmuV3Guest(smmuv3OptionsFor('7.2'))]
  const base = 0x30_0000
  const lead = fc.constantFrom(base, base | 0x1000, base | 0x2000, 0x8000_0000)
  const low = fc.oneof(
    fc.tuple(lead, fc.constantFrom(1, 3, 9, 0xb, 0xd, 0xf, 0x4c1, 0xc43)).map(([to, flags]) => (to | flags) >>> 0),
    fc.constantFrom(0, 0xc000_0010, 0x8090_4010, 0xffff_ffff),
    word,
  )
  const high = fc.oneof(fc.constantFrom(0, 0, 0x6205, 0x0408_0158, 0xffff_ffff), word)
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(0x5ff), low, high), { maxLength: 32 }),
      fc.nat(0x1ff),
      fc.constantFrom(9, 0x1_0209, 0x1_0289, 0x1_0189, 0x2_0009, 0x3f),
      word,
      word,
      (entries, requester, format, hi, lo) => {
        for (const guest of guests) {
          guest.unit.reset()
          for (const [at, lower, upper] of entries) guest.entry(base, at, upper, lower)
          guest.enable()
          guest.write64(REG.STRTAB_BASE, 0, base)
          guest.write(REG.STRTAB_BASE_CFG, format)
          poke(guest, requester, hi, lo)
          poke(guest, requester, hi & 0xffff, lo)
          poke(guest, requester, 0, lo & 0xf_ffff)
        }
      },
    ),
    { numRuns: RUNS },
  )
})
