import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildDmar } from '@dmascope/acpi'
import { afterAll, describe, expect, it } from 'vitest'
import { loadSource } from '../src/sources/load-source.ts'

const folder = mkdtempSync(join(tmpdir(), 'dmascope-tables-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const header = { revision: 1, oemId: 'A', oemTableId: 'B', oemRevision: 1, creatorId: 'C', creatorRevision: 1 }
const table = buildDmar({ signature: 'DMAR', header, hostAddressWidth: 38, flags: 0, records: [] })
const machine = (file: string): string => {
  const path = join(folder, `${file}.yaml`)
  writeFileSync(path, `machine: q35\ndevices:\n  - model: intel-iommu\ntables:\n  - { table: DMAR, file: ${file} }\n`)
  return path
}
const load = (file: string) => loadSource(machine(file), null, undefined)

describe('a table from a file beside the machine file', () => {
  it('is the bytes in it', async () => {
    writeFileSync(join(folder, 'raw.dat'), table)
    expect((await load('raw.dat')).description.tables?.[0]?.replacement).toEqual(table)
  })

  it('or those of acpidump’s text', async () => {
    const lines = Array.from({ length: Math.ceil(table.length / 16) }, (_, line) => {
      const bytes = [...table.subarray(16 * line, 16 * line + 16)].map((byte) => byte.toString(16).padStart(2, '0'))
      return `    ${(16 * line).toString(16).padStart(4, '0')}: ${bytes.join(' ')}`
    })
    writeFileSync(join(folder, 'dump.txt'), `DMAR @ 0x0000000000000000\n${lines.join('\n')}\n\n`)
    expect((await load('dump.txt')).description.tables?.[0]?.replacement).toEqual(table)
  })

  it.each<[string, () => void, RegExp]>([
    ['missing.dat', () => {}, /missing\.dat\.yaml:5:20: cannot read .*missing\.dat: there is no such file/],
    [
      'other.dat',
      () => writeFileSync(join(folder, 'other.dat'), new Uint8Array(64)),
      /5:20: other\.dat: it is no table/,
    ],
    [
      'ivrs.dat',
      () =>
        writeFileSync(
          join(folder, 'ivrs.dat'),
          Uint8Array.from(table, (byte, at) => (at < 4 ? 'IVRS'.charCodeAt(at) : byte)),
        ),
      /5:20: ivrs\.dat has no DMAR; it has IVRS/,
    ],
  ])('%s is refused with its place', async (file, prepare, message) => {
    prepare()
    await expect(load(file)).rejects.toThrow(message)
  })
})
