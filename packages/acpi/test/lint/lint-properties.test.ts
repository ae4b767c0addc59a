import fc from 'fast-check'
import { expect, it } from 'vitest'
import { lintTable } from '../../src/lint/index.ts'
import { LINT_CASES } from './all-cases.ts'
import { madt, pci } from './lint-case.ts'

const RUNS = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const SIGNATURES = ['DMAR', 'IVRS', 'IORT', 'VIOT', 'MCFG', 'APIC', 'XSDT', 'FACS', 'RSD ']
const context = {
  madt: madt([0], [0]),
  topology: { functions: [pci('00:02.0'), pci('00:1c.0', { secondaryBus: 1 }), pci('01:00.0')] },
}

/** Whatever is wrong, each finding points into the bytes, and says something. */
function check(bytes: Uint8Array): void {
  const before = bytes.slice()
  for (const { rule, offset, length, message } of lintTable(bytes, context)) {
    expect(rule.id).toMatch(/^[A-Z]{4}-\d{4}$/)
    expect(offset).toBeGreaterThanOrEqual(0)
    expect(length).toBeGreaterThanOrEqual(0)
    expect(offset + length, `${rule.id} ${message}`).toBeLessThanOrEqual(bytes.length)
  }
  expect(bytes).toEqual(before)
}

it('random bytes behind a signature never throw', () => {
  const table = fc.tuple(fc.constantFrom(...SIGNATURES), fc.uint8Array({ maxLength: 200 }), fc.boolean())
  fc.assert(
    fc.property(table, ([signature, rest, isSized]) => {
      const bytes = Uint8Array.of(...[...signature].map((one) => one.charCodeAt(0)), ...rest)
      // Half of them with a length that lets the parser look further.
      if (isSized && bytes.length >= 8) new DataView(bytes.buffer).setUint32(4, bytes.length, true)
      check(bytes)
    }),
    { numRuns: RUNS },
  )
})

it('a table with any bytes changed, or cut anywhere, never throws', () => {
  const damage = fc.array(fc.tuple(fc.nat(255), fc.nat(255)), { maxLength: 4 })
  fc.assert(
    fc.property(fc.nat(LINT_CASES.length - 1), damage, fc.nat(255), (index, changes, cut) => {
      const bytes = LINT_CASES[index]!.clean.slice(0, cut < 60 ? cut : undefined)
      for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value
      check(bytes)
    }),
    { numRuns: RUNS },
  )
})

it('many small records cost no more than their number', () => {
  const bytes = new Uint8Array(0x4_0000)
  bytes.set([0x44, 0x4d, 0x41, 0x52])
  const view = new DataView(bytes.buffer)
  view.setUint32(4, bytes.length, true)
  bytes[36] = 47
  // DRHDs of 16 bytes, all at one address.
  for (let at = 48; at + 16 <= bytes.length; at += 16) {
    view.setUint16(at + 2, 16, true)
    view.setUint32(at + 8, 0xfed9_0000, true)
  }
  const start = performance.now()
  const found = lintTable(bytes)
  expect(found.length).toBeGreaterThan(16_000)
  expect(performance.now() - start).toBeLessThan(5_000)
})
