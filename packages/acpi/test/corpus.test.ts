import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { buildTable, formatTable, parseDmar, parseIvrs, parseTable } from '../src/index.ts'

const corpus = process.env.DMASCOPE_CORPUS

/** Tables of real machines: `acpi/DMAR/*.dat` and the like in the folder that DMASCOPE_CORPUS names. */
const tables = (kind: string): { name: string; bytes: Uint8Array }[] => {
  if (corpus === undefined) return []
  const folder = join(corpus, 'acpi', kind)
  return readdirSync(folder)
    .filter((name) => name.endsWith('.dat'))
    .map((name) => ({ name, bytes: new Uint8Array(readFileSync(join(folder, name))) }))
}

describe.skipIf(corpus === undefined)('tables of real machines (skipped where DMASCOPE_CORPUS names no folder)', () => {
  test.each(['DMAR', 'MCFG', 'IVRS'])(
    'every %s parses, prints every byte once and rebuilds to the same bytes',
    (kind) => {
      const all = tables(kind)
      expect(all.length).toBeGreaterThan(0)
      for (const { name, bytes } of all) {
        const table = parseTable(bytes)
        expect(table.signature, name).toBe(kind)
        expect(buildTable(table), name).toEqual(bytes)
        let end = 0
        for (const line of formatTable(table).filter((one) => one.bytes !== '')) {
          expect(line.offset, `${name} ${line.field}`).toBe(end)
          expect(line.bytes, `${name} ${line.field}`).toBe(
            Buffer.from(bytes.subarray(end, end + line.size)).toString('hex'),
          )
          end += line.size
        }
        expect(end, name).toBe(bytes.length)
      }
    },
  )

  test('of the real DMARs one has a unit at address zero, and nothing else is wrong', () => {
    const found = new Map<string, number>()
    for (const { bytes } of tables('DMAR')) {
      for (const { code } of parseDmar(bytes).problems) found.set(code, (found.get(code) ?? 0) + 1)
    }
    expect(Object.fromEntries(found)).toEqual({ DMAR_DRHD_ADDRESS: 1 })
  })

  test('of the real IVRSs five have blocks of a type 51h, one has five IVMDs of one byte, and nothing else is wrong', () => {
    const found = new Map<string, number>()
    for (const { bytes } of tables('IVRS')) {
      for (const { code } of parseIvrs(bytes).problems) found.set(code, (found.get(code) ?? 0) + 1)
    }
    expect(Object.fromEntries(found)).toEqual({ ACPI_RECORD_UNKNOWN: 5, IVRS_IVMD_RANGE: 5 })
  })
})
