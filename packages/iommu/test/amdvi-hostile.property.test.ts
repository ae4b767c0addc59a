import fc from 'fast-check'
import { expect, it } from 'vitest'
import { AmdViGuest, COMMANDS, DEVICE_TABLE, EVENTS, INTERRUPT_TABLE, REG } from './amdvi-guest.ts'

const RUNS = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const word = fc.integer({ min: 0, max: 0xffff_ffff })

/** Asks for everything that a device can ask for; whatever comes, it is a number and an answer within bounds. */
function poke(guest: AmdViGuest, requester: number, hi: number, lo: number): void {
  const { unit, out, msi } = guest
  for (const kind of ['untranslated', 'translated', 'translation-request'] as const) {
    const fault = unit.translate(requester, -1, kind, hi, lo, 3, out)
    expect(fault === 0 || (fault > 0 && fault <= 0x100)).toBe(true)
    if (fault !== 0) continue
    expect(out.tag).toBeLessThan(unit.epochs.length)
    expect(out.hi >= 0 && out.lo >= 0 && out.log2Size >= 12 && out.log2Size <= 64).toBe(true)
  }
  const fault = unit.remapInterrupt(requester, 0, (0xfee0_0000 | (lo & 0xf_ffff)) >>> 0, hi, msi)
  expect(fault >= 0 && fault <= 0xff).toBe(true)
}

it('random register writes neither throw nor hang', () => {
  const guest = new AmdViGuest({ deviceIotlb: true, npCache: true, cachesNotPresent: true })
  const interesting = fc.constantFrom(...Object.values(REG), REG.COMMAND_BASE + 4, REG.EVENT_BASE + 4)
  const write = fc.record({
    offset: fc.oneof(interesting, fc.nat(0x3fff)),
    width: fc.constantFrom(1 as const, 2 as const, 4 as const, 4 as const),
    value: fc.oneof(word, fc.constantFrom(0xffff_ffff, 0x101d, 0x2_101d, DEVICE_TABLE | 0x1ff, COMMANDS, EVENTS)),
  })
  fc.assert(
    fc.property(fc.array(write, { maxLength: 12 }), fc.nat(0xffff), word, word, (writes, requester, hi, lo) => {
      for (const { offset, width, value } of writes) {
        guest.unit.write(offset, width, value)
        const read = guest.unit.read(offset, width)
        expect(read).toBeGreaterThanOrEqual(0)
        expect(read).toBeLessThan(2 ** (width * 8))
      }
      expect(guest.read(REG.EFR)).toBe(0x8c1)
      poke(guest, requester, hi, lo)
    }),
    { numRuns: RUNS },
  )
})

it('random commands stop at an error or at the tail, within one turn of the buffer', () => {
  const guest = new AmdViGuest({ deviceIotlb: true })
  const plausible = fc.tuple(
    fc.oneof(fc.nat(0xffff), word),
    fc.tuple(fc.nat(9), fc.nat(0xffff)).map(([opcode, low]) => (opcode << 28) | low),
    fc.oneof(word, fc.constantFrom(0, 1, 0xffff_f003)),
    fc.constantFrom(0, 0, 0, 1, 0x7fff_ffff),
  )
  const command = fc.oneof(plausible, fc.tuple(word, word, word, word))
  fc.assert(
    fc.property(fc.array(command, { minLength: 1, maxLength: 12 }), fc.nat(255), (commands, tail) => {
      guest.unit.reset()
      for (const [index, words] of commands.entries()) {
        for (const [at, value] of words.entries()) guest.ram.write32(COMMANDS + index * 16 + at * 4, value >>> 0)
      }
      guest.enable()
      guest.write(REG.COMMAND_TAIL, tail * 16)
      const head = guest.read(REG.COMMAND_HEAD)
      expect(head % 16).toBe(0)
      expect(head).toBeLessThan(4096)
      // Either everything was fetched, or the buffer stopped and the log says why.
      const running = (guest.read(REG.STATUS) & 0x10) !== 0
      expect(running).toBe(head === tail * 16)
      const code = guest.event(guest.logged / 16 - 1)[1]! >>> 28
      if (!running) expect(code === 5 || code === 6).toBe(true)
    }),
    { numRuns: RUNS },
  )
})

it('random tables of every kind neither throw nor hang', () => {
  const guest = new AmdViGuest({ deviceIotlb: true })
  const entry = fc.oneof(fc.constantFrom(0, 1, 3, 0x601, 0x803, 0x40_0201, 0xe01, 0x6000_0000, 0xffff_ffff), word)
  const device = fc.tuple(entry, entry, entry, entry, entry, entry)
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(0x3fff), entry), { maxLength: 32 }),
      device,
      fc.constantFrom(0, 1),
      fc.nat(0xffff),
      word,
      word,
      (words, entryWords, wide, requester, hi, lo) => {
        guest.unit.reset()
        for (const [at, value] of words) guest.ram.write32(0x40_0000 + (at & ~3), value)
        for (const [at, value] of words) guest.ram.write32(INTERRUPT_TABLE + (at & ~3), value)
        guest.device(requester, ...entryWords)
        guest.enable(wide << 17)
        poke(guest, requester, hi, lo)
        poke(guest, requester, hi & 0xffff, lo)
        poke(guest, requester, 0xfd, lo)
        poke(guest, requester, 0, lo)
        guest.device(requester, 0x40_0000 | ((entryWords[0] & 7) << 9) | 3, 0x6000_0000)
        guest.invalidateDevice(requester)
        poke(guest, requester, hi, lo)
        poke(guest, requester, 0, lo)
        guest.device(requester)
      },
    ),
    { numRuns: RUNS },
  )
})
