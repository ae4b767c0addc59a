import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { recognise } from '../src/sources/firmware-input.ts'
import { readItems } from '../src/sources/read-files.ts'
import { bytesOf, dmar, dumped, mcfg, refused, SOURCE, tree } from './tables.ts'

const folder = mkdtempSync(join(tmpdir(), 'dmascope-tables-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('an input is told by its content', () => {
  it.each<[string, Uint8Array, string[]]>([
    ['a table', dmar, ['acpi DMAR raw']],
    [
      'text of acpidump',
      bytesOf(dumped('DMAR', dmar) + dumped('MCFG', mcfg)),
      ['acpi DMAR acpidump', 'acpi MCFG acpidump'],
    ],
    [
      'text of iasl',
      bytesOf(dumped('', dmar).replace(/^.*\n/, 'Raw Table Data: Length 80 (0x50)\n\n')),
      ['acpi DMAR iasl'],
    ],
    ['a blob', tree, ['dtb']],
    ['a source', bytesOf(SOURCE), ['dts']],
    ['a source behind comments and line markers', bytesOf(`# 1 "x.dts"\n/* a */ // b\n${SOURCE}`), ['dts']],
  ])('%s', (_, bytes, expected) => {
    const found = recognise(bytes, 'x').map((item) =>
      item.kind === 'acpi' ? `acpi ${item.signature} ${item.form}` : item.kind,
    )
    expect(found).toEqual(expected)
  })

  it.each<[string, Uint8Array, RegExp]>([
    ['nothing', new Uint8Array(0), /^INPUT_EMPTY x: it is empty/],
    ['gzip', Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0), /^INPUT_UNKNOWN .*1f 8b 08 00 00 00 \(gzip: unpack it first\)/],
    ['another text', bytesOf('hello\n'), /^INPUT_UNKNOWN .*starts with "hello\\n"; give an ACPI table/],
    ['JSON', bytesOf(' {"a": 1}'), /^INPUT_UNKNOWN .*dmascope build takes that/],
    ['iasl without bytes', bytesOf('[000h 0000   4]   Signature : "DMAR"\n'), /^INPUT_NO_RAW_DATA .*iasl x$/],
    ['ASL', bytesOf('DefinitionBlock ("", "DSDT", 2, "A", "B", 1)\n{\n}\n'), /^INPUT_NO_RAW_DATA/],
  ])('%s is refused, and what is taken is told', (_, bytes, message) => {
    expect(refused(() => recognise(bytes, 'x'))).toMatch(message)
  })

  it('a long text that is none is told in a time that grows with its length alone', () => {
    expect(refused(() => recognise(bytesOf('\n'.repeat(3_000_000)), 'x'))).toMatch(/^INPUT_UNKNOWN/)
    expect(refused(() => recognise(bytesOf('[0'.repeat(1_500_000)), 'x'))).toMatch(/^INPUT_UNKNOWN/)
  })

  it('a folder stands for its files, and what is none of these is left out', async () => {
    const tables = join(folder, 'tables')
    mkdirSync(join(tables, 'dynamic'), { recursive: true })
    writeFileSync(join(tables, 'DMAR'), dmar)
    writeFileSync(join(tables, 'dynamic', 'a.dts'), SOURCE)
    const all = (await readItems([tables])).map(({ kind }) => kind)
    expect(all).toEqual(['acpi', 'dts'])
    const empty = join(folder, 'empty')
    mkdirSync(empty)
    await expect(readItems([empty])).rejects.toThrow(/no file in it is a table or tree$/)
    mkdirSync(join(folder, 'device-tree'))
    writeFileSync(join(folder, 'device-tree', '#address-cells'), Uint8Array.of(0, 0, 0, 2))
    await expect(readItems([join(folder, 'device-tree')])).rejects.toThrow(/\/sys\/firmware\/fdt is the device tree$/)
    await expect(readItems([join(folder, 'none')])).rejects.toThrow(/there is no such file or folder/)
  })
})
