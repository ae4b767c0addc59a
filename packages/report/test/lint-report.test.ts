import { describe, expect, it } from 'vitest'
import { formatLintText, type LintedTable, type LinterFinding, lintReport, reportFinding } from '../src/lint/index.ts'

const RULE = {
  id: 'DMAR-0009',
  level: 'error',
  title: 'A unit has its registers at address zero',
  why: 'No IOMMU is there.',
  kernel: 'Linux disables the IOMMU: “Your BIOS is broken; DMAR reported at address 0!”',
  fix: 'write the base',
} as const
const NOTE = { ...RULE, id: 'DT-0015', level: 'note', kernel: '“no iommu-map translation for id …”.' } as const
const BYTES = Uint8Array.from({ length: 40 }, (_, index) => index)

const table = (findings: readonly LinterFinding[], more: Partial<LintedTable> = {}): LintedTable => ({
  source: 'DMAR.dat',
  name: 'DMAR',
  form: 'raw',
  line: null,
  length: BYTES.length,
  findings: findings.map((one) => reportFinding(one, BYTES)),
  ...more,
})
const found = (offset: number, length: number, message: string): LinterFinding => ({
  rule: RULE,
  offset,
  length,
  message,
})

describe('reportFinding', () => {
  it('has the bytes that it is about, the words of the rule with the kernel’s version, and the page', () => {
    expect(reportFinding(found(8, 3, 'the DRHD is at 0x0'), BYTES)).toEqual({
      id: 'DMAR-0009',
      level: 'error',
      title: RULE.title,
      offset: 8,
      length: 3,
      bytes: '08090a',
      node: null,
      property: null,
      line: null,
      message: 'the DRHD is at 0x0',
      kernel: 'Linux 6.12 disables the IOMMU: “Your BIOS is broken; DMAR reported at address 0!”',
      fix: 'write the base',
      help: 'https://github.com/dmascope/dmascope/blob/main/docs/findings/DMAR-0009.md',
    })
    expect(reportFinding({ ...found(0, 40, 'x'), rule: NOTE }, BYTES)).toMatchObject({
      kernel: 'Linux 6.12: “no iommu-map translation for id …”.',
      bytes: Buffer.from(BYTES.subarray(0, 24)).toString('hex'),
    })
  })
})

describe('formatLintText', () => {
  it('tells by table, then by rule: every place with its bytes, once what Linux does and what to write', () => {
    const report = lintReport([table([found(8, 2, 'the first'), found(16, 12, 'the second')])], null, '1.0.0')
    expect(formatLintText(report)).toBe(`DMAR.dat: DMAR, 40 bytes: 2 findings
  DMAR-0009 error: A unit has its registers at address zero
    0x0008  08 09  the first
    0x0010  10 11 12 13 14 15 16 17 …  the second
    Linux 6.12 disables the IOMMU: “Your BIOS is broken; DMAR reported at address 0!”
    Fix: write the base

2 errors, 0 warnings, 0 notes in 1 table.
`)
  })

  it('tells of trees by node and property, of texts by line, and what it was held against', () => {
    const node = { rule: NOTE, offset: 4, length: 4, message: 'no entry', node: '/pcie@1', property: 'iommu-map' }
    const text = { rule: NOTE, offset: null, length: 0, message: 'an odd row', line: 7 }
    const tables = [
      table([node], { source: 'board.dtb', name: 'device tree', form: 'dtb' }),
      table([text], { source: 'dump.txt', form: 'acpidump', line: 3 }),
      table([], { source: 'MCFG', name: 'MCFG' }),
    ]
    const report = lintReport(tables, { source: 'lspci.txt', functions: 1 }, '1.0.0')
    expect(formatLintText(report)).toBe(`board.dtb: device tree, 40 bytes: 1 finding
  DT-0015 note: A unit has its registers at address zero
    /pcie@1 iommu-map, 0x0004
      no entry
    Linux 6.12: “no iommu-map translation for id …”.
    Fix: write the base

dump.txt:3: DMAR, 40 bytes: 1 finding
  DT-0015 note: A unit has its registers at address zero
    dump.txt:7
      an odd row
    Linux 6.12: “no iommu-map translation for id …”.
    Fix: write the base

MCFG: MCFG, 40 bytes: nothing found
0 errors, 0 warnings, 2 notes in 3 tables, held against 1 function of lspci.txt.
`)
  })

  it('keeps to 100 columns, whatever is to be said', () => {
    const long = 'a word '.repeat(60)
    const rule = { ...RULE, title: long, kernel: `Linux says ${long}`, fix: long }
    const report = lintReport(
      [
        table(
          [
            { ...found(8, 20, long), rule },
            { ...found(8, 20, long), rule: { ...rule, id: 'DT-0001' }, node: `/${'x'.repeat(200)}` },
          ],
          { source: 'x'.repeat(150) },
        ),
      ],
      null,
      '1.0.0',
    )
    expect(
      Math.max(
        ...formatLintText(report)
          .split('\n')
          .map((line) => [...line].length),
      ),
    ).toBeLessThanOrEqual(100)
  })

  it('paints levels, and nothing without a style', () => {
    const report = lintReport([table([found(8, 2, 'the first')])], null, '1.0.0')
    const mark = (name: string) => (text: string) => `<${name}>${text}</${name}>`
    const style = { bold: mark('b'), dim: mark('d'), good: mark('g'), warn: mark('w'), bad: mark('r') }
    const painted = formatLintText(report, style)
    expect(painted).toContain('<r>DMAR-0009 error: </r>')
    expect(painted.replace(/<\/?[a-z]>/g, '')).toBe(formatLintText(report))
  })
})
