import { describe, expect, expectTypeOf, it } from 'vitest'
import type { z } from 'zod'
import { type LintReport, lintReport, reportFinding } from '../src/lint/index.ts'
import { lintReportJsonSchema, lintReportSchema } from '../src/lint/lint-schema.ts'

type Writable<T> = T extends readonly (infer Element)[]
  ? Writable<Element>[]
  : T extends object
    ? { -readonly [Key in keyof T]: Writable<T[Key]> }
    : T
type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

const rule = { id: 'DT-0001', level: 'error', title: 'a', why: 'b', kernel: 'Linux c', fix: 'd' } as const
const found = { rule, offset: 4, length: 2, message: 'e', node: '/f', property: 'g', line: 3 }
const table = { source: 'x', name: 'device tree', form: 'dtb', line: null, length: 8 }
const report: LintReport = lintReport(
  [{ ...table, findings: [reportFinding(found, new Uint8Array(8))] }],
  { source: 'lspci.txt', functions: 2 },
  '1.0.0',
)

describe('lintReportSchema', () => {
  it('infers the type LintReport, in every part, but for readonly', () => {
    expectTypeOf<Equal<Writable<LintReport>, Writable<z.infer<typeof lintReportSchema>>>>().toEqualTypeOf<true>()
    type Changed = Omit<LintReport, 'summary'> & { readonly summary: { readonly errors: string } }
    expectTypeOf<Equal<Writable<Changed>, Writable<z.infer<typeof lintReportSchema>>>>().toEqualTypeOf<false>()
  })

  it('accepts what lintReport makes, also after a round trip through JSON', () => {
    expect(lintReportSchema.parse(JSON.parse(JSON.stringify(report)))).toEqual(report)
    expect(lintReportSchema.parse(lintReport([{ ...table, findings: [] }], null, '1.0.0'))).toBeDefined()
  })

  it.each<[string, (one: LintReport) => unknown]>([
    ['a key that it does not know', (one) => ({ ...one, surplus: 1 })],
    ['a later version', (one) => ({ ...one, schemaVersion: 2 })],
    [
      'an ID of no family',
      (one) => ({ ...one, tables: [{ ...table, findings: [{ ...one.tables[0]!.findings[0], id: 'DMA-0001' }] }] }),
    ],
    [
      'half a byte',
      (one) => ({ ...one, tables: [{ ...table, findings: [{ ...one.tables[0]!.findings[0], bytes: 'abc' }] }] }),
    ],
  ])('rejects %s', (_what, spoil) => {
    expect(lintReportSchema.safeParse(report).success).toBe(true)
    expect(lintReportSchema.safeParse(spoil(report)).success).toBe(false)
  })

  it('is a JSON Schema that allows no other part', () => {
    const schema = lintReportJsonSchema() as { $schema: string; required: string[]; additionalProperties: unknown }
    expect(schema.$schema).toBe('https://json-schema.org/draft/2020-12/schema')
    expect(schema.required.sort()).toEqual(Object.keys(report).sort())
    expect(schema.additionalProperties).toBe(false)
  })
})
