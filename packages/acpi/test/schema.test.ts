import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type AcpiTable, buildMcfg, buildRsdp, buildTable, buildXsdt, parseTable, sdtHeader } from '../src/index.ts'
import { anyTableSchema, tableSchema } from '../src/schema/index.ts'
import { bytesOfPrinted } from './annotated-hex.ts'

const RUNS = { numRuns: Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300) }
const GOLDEN = new URL('./golden/', import.meta.url)
const goldens = readdirSync(GOLDEN)
  .filter((name) => name.endsWith('.txt'))
  .map((name) => ({ name, bytes: bytesOfPrinted(readFileSync(new URL(name, GOLDEN), 'utf8')) }))
const header = sdtHeader(1)
const made = [
  {
    name: 'RSDP',
    bytes: buildRsdp({ signature: 'RSD PTR ', oemId: 'A', revision: 2, rsdtAddress: 1, xsdtAddress: 2 }),
  },
  { name: 'XSDT', bytes: buildXsdt({ signature: 'XSDT', header, entries: [1, '0xffffffffffffffff'] }) },
  { name: 'SSDT', bytes: buildTable({ signature: 'SSDT', header, aml: 'a0b1' }) },
  { name: 'SRAT', bytes: buildTable({ signature: 'SRAT', header, data: '000102' }) },
]
const all = [...goldens, ...made]

/** What a table says, without what was found wrong with it, through JSON. */
function plain(bytes: Uint8Array): { signature: string } {
  const { problems: _, ...table } = parseTable(bytes)
  return JSON.parse(JSON.stringify(table))
}

describe('the schema of tables', () => {
  test.each(all)('$name: takes what is parsed, and gives it back as it is', ({ bytes }) => {
    const table = plain(bytes)
    expect(tableSchema(table.signature).parse(table)).toEqual(table)
    expect(anyTableSchema().safeParse(table).success).toBe(true)
  })

  test.each(all)('$name: knows no key besides, at any depth', ({ bytes }) => {
    const table = plain(bytes)
    const { signature } = table
    let places = 0
    const visit = (value: unknown, path: readonly PropertyKey[]): void => {
      if (typeof value !== 'object' || value === null) return
      if (!Array.isArray(value)) {
        places++
        const object = value as Record<string, unknown>
        object.flagz = 1
        const { error } = tableSchema(signature).safeParse(table)
        expect(error?.issues.map(({ code, path: at }) => [code, at])).toEqual([['unrecognized_keys', path]])
        delete object.flagz
      }
      for (const [key, inner] of Object.entries(value))
        visit(inner, [...path, Array.isArray(value) ? Number(key) : key])
    }
    visit(table, [])
    expect(places).toBeGreaterThan(0)
  })

  const mcfg = plain(
    buildMcfg({
      signature: 'MCFG',
      header,
      allocations: [{ baseAddress: 0xb0000000, pciSegmentGroupNumber: 0, startBusNumber: 0, endBusNumber: 255 }],
    }),
  ) as unknown as { header: Record<string, unknown>; allocations: Record<string, unknown>[] }

  test.each<[string, object, PropertyKey[]]>([
    [
      'a number that does not fit',
      { allocations: [{ ...mcfg.allocations[0], endBusNumber: 256 }] },
      ['allocations', 0, 'endBusNumber'],
    ],
    [
      'text for a number',
      { allocations: [{ ...mcfg.allocations[0], endBusNumber: '255' }] },
      ['allocations', 0, 'endBusNumber'],
    ],
    [
      'a fraction',
      { allocations: [{ ...mcfg.allocations[0], startBusNumber: 0.5 }] },
      ['allocations', 0, 'startBusNumber'],
    ],
    [
      'an inexact address',
      { allocations: [{ ...mcfg.allocations[0], baseAddress: 2 ** 60 }] },
      ['allocations', 0, 'baseAddress'],
    ],
    ['too long an ID', { header: { ...mcfg.header, oemId: 'SEVENTH' } }, ['header', 'oemId']],
    ['half a byte', { trailing: '123' }, ['trailing']],
    ['no list', { allocations: {} }, ['allocations']],
  ])('%s is told at its place', (_, change, path) => {
    const { error } = tableSchema('MCFG').safeParse({ ...mcfg, ...change })
    expect(error?.issues.map((issue) => issue.path)).toEqual([path])
  })

  test('every field that is required is missed', () => {
    const { error } = tableSchema('MCFG').safeParse({ signature: 'MCFG', header, allocations: [{}] })
    const names = ['baseAddress', 'pciSegmentGroupNumber', 'startBusNumber', 'endBusNumber']
    expect(error?.issues.map((issue) => issue.path.at(-1))).toEqual(names)
  })

  test('is a JSON Schema too', () => {
    const schema = JSON.stringify(z.toJSONSchema(anyTableSchema(), { target: 'draft-2020-12' }))
    for (const word of [
      '"DMAR"',
      '"IVHD-40h"',
      '"root-complex"',
      '"pci-range"',
      '"X_DSDT"',
      '"additionalProperties":false',
    ]) {
      expect(schema).toContain(word)
    }
  })

  test.each(all)('$name, damaged: what still parses has the form, and rebuilds to the same bytes', ({ bytes }) => {
    const change = fc.tuple(
      fc.oneof(fc.nat({ max: Math.min(bytes.length - 1, 60) }), fc.nat({ max: bytes.length - 1 })),
      fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), fc.nat(255)),
    )
    fc.assert(
      fc.property(fc.array(change, { maxLength: 4 }), fc.nat({ max: 12 }), (changes, more) => {
        const damaged = new Uint8Array(Math.max(4, bytes.length + (more > 8 ? 8 - more * 3 : more)))
        damaged.set(bytes.subarray(0, damaged.length))
        for (const [at, byte] of changes) if (at < damaged.length) damaged[at] = byte
        let table: { signature: string }
        try {
          table = plain(damaged)
        } catch {
          return true
        }
        const checked = tableSchema(table.signature).parse(table) as unknown as AcpiTable
        return Buffer.compare(buildTable(checked), damaged) === 0
      }),
      RUNS,
    )
  })
})

const corpus = process.env.DMASCOPE_CORPUS

describe.skipIf(corpus === undefined)('tables of real machines (skipped where DMASCOPE_CORPUS names no folder)', () => {
  test.each(['DMAR', 'MCFG', 'IVRS'])('every %s has the form, and rebuilds from its JSON to the same bytes', (kind) => {
    const folder = join(corpus ?? '', 'acpi', kind)
    const files = readdirSync(folder).filter((name) => name.endsWith('.dat'))
    expect(files.length).toBeGreaterThan(0)
    for (const file of files) {
      const bytes = new Uint8Array(readFileSync(join(folder, file)))
      const table = tableSchema(kind).parse(plain(bytes)) as unknown as AcpiTable
      expect(Buffer.compare(buildTable(table), bytes), file).toBe(0)
    }
  })
})
