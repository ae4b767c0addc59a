import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { tableSignature } from '../../../packages/acpi/src/index.ts'
import { ACPI_LINT_RULES, lintTable, lintText } from '../../../packages/acpi/src/lint/index.ts'
import { LINT_CASES } from '../../../packages/acpi/test/lint/all-cases.ts'
import { buildDtb, DeviceTree, node, parseDtb, parseDts } from '../../../packages/devicetree/src/index.ts'
import { DT_LINT_RULES, lintDtb, lintTree } from '../../../packages/devicetree/src/lint/index.ts'
import { LINT_CASES as TREE_CASES } from '../../../packages/devicetree/test/lint-cases.ts'
import {
  formatLintText,
  kernelText,
  type LinterFinding,
  type LintRuleText,
  lintReport,
  reportFinding,
} from '../../../packages/report/src/lint/index.ts'

const PAGES = new URL('../../../docs/findings/', import.meta.url)
const RULES: readonly LintRuleText[] = [...ACPI_LINT_RULES, ...DT_LINT_RULES]

/** What lint prints of one rule, without the closing line. */
function printed(
  rule: string,
  source: string,
  name: string,
  found: readonly LinterFinding[],
  bytes: Uint8Array,
): string {
  const findings = found.filter((one) => one.rule.id === rule).map((one) => reportFinding(one, bytes))
  expect(findings.length, rule).toBeGreaterThan(0)
  const table = { source, name, form: 'raw', line: null, length: bytes.length, findings }
  return formatLintText(lintReport([table], null, '')).split('\n\n')[0]!
}

const hex = (value: number, digits: number): string => value.toString(16).toUpperCase().padStart(digits, '0')

/** As acpidump prints it: lint reads it so. */
function dumped(bytes: Uint8Array): string {
  const rows: string[] = [`${tableSignature(bytes)} @ 0x0000000000000000`]
  for (let at = 0; at < bytes.length; at += 16) {
    const part = bytes.subarray(at, at + 16)
    const text = [...part].map((byte) => (byte > 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('')
    rows.push(
      `    ${hex(at, 4)}: ${[...part]
        .map((byte) => hex(byte, 2))
        .join(' ')
        .padEnd(47)}  ${text}`,
    )
  }
  return rows.join('\n')
}

const block = (language: string, text: string): string => `\`\`\`${language}\n${text.trimEnd()}\n\`\`\``

/** Blobs and texts that no case has: they are tried by their bytes in the packages' tests. */
const OTHERS: Readonly<Record<string, () => string>> = {
  'ACPI-0006': () => {
    const found = lintText([{ line: 7, message: 'the row has no bytes; the rest is left out' }])
    return block('text', printed('ACPI-0006', 'dump.txt', 'DMAR', found, new Uint8Array(64)))
  },
  'DT-0001': () => {
    const bytes = new Uint8Array(40)
    bytes.set([0xd0, 0x0d, 0xfe, 0xed, 0, 0, 1, 0])
    return block('text', printed('DT-0001', 'board.dtb', 'device tree', lintDtb(bytes), bytes))
  },
  'DT-0002': () => {
    const bytes = buildDtb(new DeviceTree(node('', { b: Uint8Array.of(1) })))
    bytes[parseDtb(bytes).root.property('b')!.start + 1] = 0x6c
    return block('text', printed('DT-0002', 'board.dtb', 'device tree', lintDtb(bytes), bytes))
  },
  'DT-0003': () => {
    const bytes = buildDtb(new DeviceTree(node('', { 'dma-coherent': true }, [node('x')])))
    // The property's twelve bytes change places with the subnode's.
    const start = new DataView(bytes.buffer).getUint32(8) + 8
    const both = [...bytes.slice(start + 12, start + 24), ...bytes.slice(start, start + 12)]
    bytes.set(both, start)
    return block('text', printed('DT-0003', 'board.dtb', 'device tree', lintDtb(bytes), bytes))
  },
}

function exampleOf(rule: string): string | null {
  const made = OTHERS[rule]
  if (made !== undefined) return made()
  const one = LINT_CASES.find((each) => each.rule === rule)
  if (one !== undefined) {
    const name = tableSignature(one.trips)
    const output = printed(rule, `${name}.dat`, name, lintTable(one.trips, one.context), one.trips)
    const functions = one.context?.topology?.functions
      .filter(({ segment }) => segment === 0)
      .map(({ bus, device, function: fn }) => `${hex(bus, 2)}:${hex(device, 2)}.${fn}`.toLowerCase())
    const machine = functions === undefined ? '' : `On a machine with the functions ${functions.join(', ')}:\n\n`
    const madt =
      one.context?.madt === undefined
        ? ''
        : `Beside the MADT\n\n${block('text', dumped(one.context.madt))}\n\nthis table:\n\n`
    return `${machine}${madt}${block('text', dumped(one.trips))}\n\n${block('text', output)}`
  }
  const tree = TREE_CASES.find((each) => each.rule === rule)
  if (tree === undefined) return null
  const found = lintTree(parseDts(tree.trips), tree.context)
  const source = new TextEncoder().encode(tree.trips)
  return `${block('dts', tree.trips)}\n\n${block('text', printed(rule, 'board.dts', 'device tree source', found, source))}`
}

function pageText(rule: LintRuleText): string {
  const { id, level, title, why, kernel, fix } = rule
  const parts = [
    `# ${id}: ${title}`,
    `Level: ${level}`,
    '## What it means',
    why,
    '## What Linux does',
    kernelText(kernel),
    '## What to do',
    `${fix[0]!.toUpperCase()}${fix.slice(1)}.`,
  ]
  const example = exampleOf(id)
  if (example !== null) parts.push('## Example', example)
  return `${parts.join('\n\n')}\n`
}

describe('docs/findings', () => {
  it.each(RULES.map((rule) => [rule.id, rule] as const))(
    '%s has its page, with an example as lint prints it',
    async (id, rule) => {
      await expect(pageText(rule)).toMatchFileSnapshot(new URL(`${id}.md`, PAGES).pathname)
    },
  )

  it('lists every page with its level and title', () => {
    const rows = new Set(
      readFileSync(new URL('README.md', PAGES), 'utf8')
        .split('\n')
        .map((line) => line.replace(/\s+/g, ' ')),
    )
    for (const { id, level, title } of RULES) expect(rows).toContain(`| [${id}](${id}.md) | ${level} | ${title} |`)
  })

  it('has no page of a lint rule that is gone', () => {
    const ids = new Set(RULES.map(({ id }) => id))
    const pages = readdirSync(PAGES).map((name) => name.replace(/\.md$/, ''))
    expect(
      pages.filter((name) => /^(ACPI|DMAR|IVRS|IORT|VIOT|MCFG|MADT|DT)-\d{4}$/.test(name) && !ids.has(name)),
    ).toEqual([])
  })
})
