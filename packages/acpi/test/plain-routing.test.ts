import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { plainRoutes } from '../src/aml/plain-routing.ts'
import { aml, definitionBlock, findHostBridges, type HostBridge, interruptLink } from '../src/index.ts'

const numRuns = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)

/** A bridge with this `_PRT`: as it is written, or as what a method answers, which is evaluated. */
function bridgeWith(table: aml.Aml, as: 'literal' | 'method'): HostBridge {
  const routing = as === 'literal' ? aml.name('_PRT', table) : aml.method('_PRT', 0, aml.returns(table))
  const block = definitionBlock('DSDT', [
    aml.scope(
      '\\_SB',
      aml.device('PCI0', aml.name('_HID', aml.eisaId('PNP0A08')), routing),
      interruptLink('LNKA', 1, 20),
    ),
  ])
  return findHostBridges(block)[0]!
}

const integer = fc
  .oneof(fc.nat(3), fc.nat(0xff), fc.nat(0xffff), fc.nat(0xffff_ffff), fc.constant(0x1_0000_0000))
  .map(aml.integer)
const element = fc.oneof(
  { weight: 12, arbitrary: integer },
  { weight: 1, arbitrary: fc.constant(aml.nameString('LNKA')) },
  { weight: 1, arbitrary: fc.constant(aml.text('LNKA')) },
)
const plainEntry = fc
  .tuple(fc.nat(31), fc.nat(3), fc.nat(255))
  .map(([device, pin, gsi]) =>
    aml.pkg(aml.integer(device * 0x1_0000 + 0xffff), aml.integer(pin), aml.integer(0), aml.integer(gsi)),
  )
const anyEntry = fc.oneof(
  { weight: 8, arbitrary: plainEntry },
  { weight: 1, arbitrary: fc.array(element, { maxLength: 6 }).map((elements) => aml.pkg(...elements)) },
  { weight: 1, arbitrary: integer },
)

describe('a _PRT of plain integers', () => {
  test('is read as its bytes say: address over 0x10000 is the device, pin, zero, GSI', () => {
    const table = Uint8Array.of(0x12, 14, 1, 0x12, 11, 4, 0x0c, 0xff, 0xff, 0x02, 0x00, 0x01, 0x00, 0x0a, 21)
    // PkgLength counts itself: 14 bytes from it on.
    expect(plainRoutes(table, 0, table.length)).toEqual([{ device: 2, pin: 1, gsi: 21 }])
    expect(bridgeWith(table, 'literal').routing).toEqual([{ device: 2, pin: 1, gsi: 21 }])
  })

  test.each([
    ['a link', aml.pkg(aml.integer(0xffff), aml.integer(0), aml.nameString('LNKA'), aml.integer(0))],
    ['a source that is no zero', aml.pkg(aml.integer(0xffff), aml.integer(0), aml.integer(1), aml.integer(9))],
    ['an entry of three', aml.pkg(aml.integer(0xffff), aml.integer(0), aml.integer(0))],
    ['an integer of 64 bits', aml.pkg(aml.integer(0x1_0000_0000), aml.integer(0), aml.integer(0), aml.integer(9))],
    ['no package', aml.integer(7)],
  ])('is left to the interpreter with %s in it', (_, entry) => {
    const table = aml.pkg(entry)
    expect(plainRoutes(table, 0, table.length)).toBeNull()
  })

  test('says what evaluating it says, whatever is in it', () => {
    fc.assert(
      fc.property(fc.array(anyEntry, { maxLength: 20 }), (entries) => {
        const table = aml.pkg(...entries)
        const [literal, evaluated] = [bridgeWith(table, 'literal'), bridgeWith(table, 'method')]
        expect(literal.routing).toEqual(evaluated.routing)
        expect(literal.notes).toEqual(evaluated.notes)
      }),
      { numRuns },
    )
  })

  test('is read within its bytes, whatever they are', () => {
    fc.assert(
      fc.property(
        fc.array(plainEntry, { maxLength: 8 }),
        fc.nat(),
        fc.nat(255),
        fc.nat(60),
        (entries, at, byte, cut) => {
          const table = aml.pkg(...entries).slice()
          table[at % table.length] = byte
          const routes = plainRoutes(table, 0, Math.max(table.length - cut, 0))
          expect(routes === null || routes.length * 8 <= table.length).toBe(true)
        },
      ),
      { numRuns },
    )
  })
})
