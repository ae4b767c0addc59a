import fc from 'fast-check'
import { describe, expect, expectTypeOf, it } from 'vitest'
import type { z } from 'zod'
import { joinReport, type Report } from '../src/index.ts'
import { reportJsonSchema, reportSchema } from '../src/schema.ts'
import { accounts, guestDevice, guestResult, observation, stray, vtd, withStrays } from './accounts.ts'
import { bootAccounts } from './arbitraries.ts'

const RUNS = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)

/** The type without `readonly`, at every depth. */
type Writable<T> = T extends readonly (infer Element)[]
  ? Writable<Element>[]
  : T extends object
    ? { -readonly [Key in keyof T]: Writable<T[Key]> }
    : T
/** Whether two types are the same: no caller could tell them apart. */
type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

const full: Report = joinReport(
  accounts(
    guestResult({
      booted: false,
      halted: 'no memory',
      iommus: [vtd()],
      devices: [guestDevice({ why: [{ fact: 'a', source: 'b', bytes: '00' }] })],
      timeline: ['began'],
    }),
    [
      observation({
        ...withStrays(stray({ kind: 'write', landed: 'ram', before: '00', after: 'ff' })),
        faults: [{ address: '0x1000', reason: 6, text: 'read: no', phase: 'probe' }],
        behindIommu: false,
      }),
      observation({ id: '0000:00:1f.0', model: 'ICH9-LPC' }),
    ],
    { ignored: ['-monitor none'] },
  ),
)

/** Every object in the report, by the path to it. */
function objectsIn(value: unknown, path: string, found: Map<string, object>): Map<string, object> {
  if (value === null || typeof value !== 'object') return found
  if (!Array.isArray(value)) found.set(path, value)
  for (const [key, inner] of Object.entries(value)) objectsIn(inner, `${path}/${key}`, found)
  return found
}

describe('reportSchema', () => {
  it('infers the type Report, in every part, but for readonly', () => {
    expectTypeOf<Equal<Writable<Report>, Writable<z.infer<typeof reportSchema>>>>().toEqualTypeOf<true>()
    // The test can tell: a type that differs deep inside is not equal.
    type Changed = Omit<Report, 'timeline'> & { readonly timeline: readonly { readonly step: string }[] }
    expectTypeOf<Equal<Writable<Report>, Writable<Changed>>>().toEqualTypeOf<false>()
    type Undefined = { readonly halted?: string | undefined }
    expectTypeOf<Equal<Writable<Pick<Report['guest'], 'halted'>>, Writable<Undefined>>>().toEqualTypeOf<false>()
  })

  it('accepts whatever joinReport makes, also after a round trip through JSON', () => {
    fc.assert(
      fc.property(bootAccounts, (made) => {
        const report = joinReport(made)
        expect(reportSchema.parse(report)).toEqual(report)
        expect(JSON.parse(JSON.stringify(report))).toEqual(report)
      }),
      { numRuns: RUNS },
    )
  })

  const objects = [...objectsIn(full, '', new Map()).keys()]
  it('has every kind of part to try it with', () => {
    expect(objects.length).toBeGreaterThan(20)
    expect(full).toMatchObject({ devices: [{ faults: [{}], strays: [{}], why: [{}, {}, {}, {}, {}] }], unseen: [{}] })
  })

  it.each(objects)('rejects a key that it does not know in %s', (path) => {
    const copy = structuredClone(full)
    const target = objectsIn(copy, '', new Map()).get(path) as Record<string, unknown>
    target.surplus = 1
    const { error } = reportSchema.safeParse(copy)
    expect(error?.issues.map((issue) => `/${issue.path.join('/')}`.replace(/^\/$/, ''))).toEqual([path])
  })

  it.each([
    ['a later version', (report: Report) => ({ ...report, schemaVersion: 2 })],
    [
      'an address in decimal',
      (report: Report) => ({ ...report, iommus: [{ ...report.iommus[0], base: '4275634176' }] }),
    ],
    [
      'a device without a function',
      (report: Report) => ({ ...report, devices: [{ ...report.devices[0], id: '00:03' }] }),
    ],
    ['an unknown verdict', (report: Report) => ({ ...report, devices: [{ ...report.devices[0], verdict: 'fine' }] })],
    [
      'undefined in place of nothing',
      (report: Report) => ({ ...report, guest: { ...report.guest, halted: undefined } }),
    ],
  ])('rejects %s', (_what, spoil) => {
    expect(reportSchema.safeParse(full).success).toBe(true)
    expect(reportSchema.safeParse(spoil(full)).success).toBe(false)
  })
})

describe('reportJsonSchema', () => {
  it('is a JSON Schema of draft 2020-12 that names every part and allows no other', () => {
    const schema = reportJsonSchema() as { $schema: string; required: string[]; additionalProperties: unknown }
    expect(schema.$schema).toBe('https://json-schema.org/draft/2020-12/schema')
    expect(schema.required.sort()).toEqual(Object.keys(full).sort())
    expect(schema.additionalProperties).toBe(false)
    expect(() => JSON.stringify(schema)).not.toThrow()
  })
})
