import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { lintTable } from '../../src/lint/index.ts'
import { bytesOfPrinted } from '../annotated-hex.ts'

const golden = new URL('../golden/', import.meta.url)
const tables = readdirSync(golden).filter((name) => /\.(dmar|ivrs|iort|viot|mcfg|apic)\.txt$/.test(name))

/** QEMU 7.2 writes how many IDs where one less is wanted: bus 0's last and bus 1's first ID are the same. */
const KNOWN: Readonly<Record<string, readonly string[]>> = { 'qemu-7.2-virt-smmu.iort.txt': ['IORT-0016'] }

describe('tables that QEMU makes', () => {
  it('are here', () => expect(tables.length).toBeGreaterThanOrEqual(9))

  it.each(tables)('%s: Linux takes it, and so there is no error, and no warning but those that are known', (name) => {
    const bytes = bytesOfPrinted(readFileSync(new URL(name, golden), 'utf8'))
    const found = lintTable(bytes).filter(({ rule }) => rule.level !== 'note')
    expect(found.map(({ rule }) => rule.id)).toEqual(KNOWN[name] ?? [])
    expect(found.some(({ rule }) => rule.level === 'error')).toBe(false)
  })
})

const corpus = process.env.DMASCOPE_CORPUS

describe.skipIf(corpus === undefined)('tables of real machines (skipped where DMASCOPE_CORPUS names no folder)', () => {
  it.each(['DMAR', 'IVRS', 'MCFG'])('%s: what is broken is found, and nothing else', (kind) => {
    const folder = join(corpus ?? '', 'acpi', kind)
    const found = new Map<string, number>()
    for (const name of readdirSync(folder).filter((one) => one.endsWith('.dat'))) {
      const bytes = new Uint8Array(readFileSync(join(folder, name)))
      for (const { rule } of lintTable(bytes)) found.set(rule.id, (found.get(rule.id) ?? 0) + 1)
    }
    // One unit at address zero, and one reserved region; five definitions of one byte for all devices; a table that
    // names no I/O APIC; 256 buses at 0xf8000000.
    const expected: Record<string, Record<string, number>> = {
      DMAR: { 'DMAR-0009': 1, 'DMAR-0018': 1 },
      IVRS: { 'IVRS-0006': 5, 'IVRS-0013': 65, 'IVRS-0021': 5, 'IVRS-0028': 1 },
      MCFG: { 'MCFG-0008': 1, 'MCFG-0009': 1 },
    }
    expect(Object.fromEntries([...found].sort())).toEqual(expected[kind])
  })
})
