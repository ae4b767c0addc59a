import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { buildTable, parseTable, viotNodeOffsets } from '../src/index.ts'
import { findTables } from '../src/text/index.ts'
import { goldenTable } from './golden-table.ts'
import { disassemble, hasIasl } from './iasl.ts'
import { compareFields } from './iasl-fields.ts'
import { GICC, header, MADE, viotNodes } from './made-tables.ts'

const corpus = process.env.DMASCOPE_CORPUS

describe.skipIf(!hasIasl || corpus === undefined)(
  'real MCFGs (skipped where iasl is not installed or DMASCOPE_CORPUS not set)',
  () => {
    const folder = join(corpus ?? '', 'acpi', 'MCFG')
    const files = corpus === undefined ? [] : readdirSync(folder).filter((name) => name.endsWith('.dat'))
    const tables = Object.fromEntries(
      files.map((name) => [name.replace('.dat', ''), new Uint8Array(readFileSync(join(folder, name)))]),
    )

    test('every field is what iasl says it is', () => {
      expect(files.length).toBeGreaterThan(0)
      const { texts } = disassemble(tables)
      for (const [name, bytes] of Object.entries(tables)) {
        expect(compareFields('MCFG', bytes, texts[name] ?? ''), name).toEqual({
          differences: [],
          covered: bytes.length,
        })
      }
    })
  },
)

describe.skipIf(!hasIasl || corpus === undefined)(
  'the raw data in the text of iasl (skipped where iasl is not installed or DMASCOPE_CORPUS not set)',
  () => {
    test.each(['DMAR', 'IVRS', 'MCFG'])('of every real %s is its bytes', (kind) => {
      const folder = join(corpus ?? '', 'acpi', kind)
      const files = readdirSync(folder).filter((name) => name.endsWith('.dat'))
      const tables = Object.fromEntries(
        files.map((name) => [name.replace('.dat', ''), new Uint8Array(readFileSync(join(folder, name)))]),
      )
      const { texts } = disassemble(tables)
      for (const [name, bytes] of Object.entries(tables)) {
        const found = findTables(new TextEncoder().encode(texts[name]))
        expect(
          found.map(({ form, problems }) => ({ form, problems })),
          name,
        ).toEqual([{ form: 'iasl', problems: [] }])
        expect(Buffer.compare(found[0]!.bytes, bytes), name).toBe(0)
      }
    })
  },
)

describe.skipIf(!hasIasl)('every kind of table (skipped where iasl is not installed)', () => {
  const goldens = readdirSync(new URL('./golden/', import.meta.url))
    .filter((name) => /\.(?:apic|facp|facs|hpet|mcfg|waet|viot|gtdt|pptt|spcr|dbg2)\.txt$/.test(name))
    .map((name): [string, Uint8Array] => [name, goldenTable(name)])

  test('what QEMU and we build has the fields and values that iasl prints', () => {
    const tables = Object.fromEntries([...goldens, ...Object.entries(MADE)])
    const { texts } = disassemble(tables)
    for (const [name, bytes] of Object.entries(tables)) {
      const { signature } = parseTable(bytes)
      const { differences, covered } = compareFields(signature, bytes, texts[name] ?? '')
      expect(differences, name).toEqual([])
      // The last 24 bytes of a FACS are reserved: iasl leaves them out.
      const known = signature === 'FACS' ? 40 : bytes.length
      const isUnknown = /Unknown ACPI table signature/.test(texts[name] ?? '')
      expect(covered, name).toBe(isUnknown ? 36 : known)
      expect(isUnknown && signature !== 'VIOT', name).toBe(false)
    }
  })

  test('a GIC CPU interface has the lengths of the revisions of ACPI', () => {
    const { records } = parseTable(MADE.APIC!) as unknown as { records: { kind: string; offset: number }[] }
    const starts = records.map(({ offset }) => offset)
    const gicc = records.findIndex(({ kind }) => kind === 'gicc')
    expect(starts[gicc + 1]! - starts[gicc]!).toBe(80)
    expect(starts[gicc + 2]! - starts[gicc + 1]!).toBe(76)
    const last = buildTable({
      signature: 'APIC',
      header,
      localInterruptControllerAddress: 0,
      flags: 0,
      records: [{ ...GICC, processorPowerEfficiencyClass: 0, speOverflowInterrupt: 0, trbeInterrupt: 22 }],
    })
    expect(last.length - 44).toBe(82)
    expect(parseTable(last).problems).toEqual([])
    expect(buildTable(parseTable(last))).toEqual(last)
  })

  test('the nodes of a VIOT stand where references say', () => {
    expect(viotNodeOffsets({ nodes: viotNodes.map((node) => ({ ...node })) })).toEqual([0x30, 0x40])
  })
})
