import { describe, expect, it } from 'vitest'
import { ACPI_LINT_RULES, lintTable, lintText } from '../../src/lint/index.ts'
import { LINT_CASES } from './all-cases.ts'

describe('rules', () => {
  it('have stable IDs, each once', () => {
    const ids = ACPI_LINT_RULES.map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
    for (const id of ids) expect(id).toMatch(/^(ACPI|DMAR|IVRS|IORT|VIOT|MCFG|MADT)-\d{4}$/)
  })

  it('have a table each that trips them', () => {
    const tried = new Set(LINT_CASES.map(({ rule }) => rule))
    // ACPI-0006 is about text: below.
    expect(ACPI_LINT_RULES.map(({ id }) => id).filter((id) => !tried.has(id))).toEqual(['ACPI-0006'])
  })

  it('quote the kernel where it has words, in sentences that end', () => {
    for (const { id, why, kernel, title, fix } of ACPI_LINT_RULES) {
      expect(`${id} ${why}`).toMatch(/[.”]$/)
      expect(`${id} ${kernel}`).toMatch(/[.”]$/)
      expect(`${id} ${title}`).not.toMatch(/\.$/)
      expect(`${id} ${fix}`).not.toMatch(/\.$/)
    }
  })
})

describe('a table that trips a rule, and one that does not', () => {
  it.each(LINT_CASES.map((one, index) => [`${one.rule} (${index})`, one] as const))('%s', (_name, one) => {
    const { rule, trips, at, clean, context = {} } = one
    const found = lintTable(trips, context).filter((finding) => finding.rule.id === rule)
    expect(found.map(({ offset }) => offset)).toEqual([at])
    for (const { offset, length, message } of lintTable(trips, context)) {
      expect(offset + length).toBeLessThanOrEqual(trips.length)
      expect(message).not.toBe('')
    }
    expect(lintTable(clean, context).filter((finding) => finding.rule.id === rule)).toEqual([])
  })
})

it('tells the gravest first, then by byte', () => {
  const rank = { error: 0, warning: 1, note: 2 }
  for (const { trips, context } of LINT_CASES) {
    const order = lintTable(trips, context).map(({ rule, offset }) => rank[rule.level] * 0x1_0000 + offset)
    expect(order).toEqual([...order].sort((a, b) => a - b))
  }
})

it('ACPI-0006: tells of the text that a table was read from, by its line', () => {
  expect(lintText([{ line: 7, message: 'a row is missing' }])).toMatchObject([
    { rule: { id: 'ACPI-0006', level: 'warning' }, line: 7, offset: null, message: 'a row is missing' },
  ])
})
