import { ACPI_LINT_RULES, lintTable, lintText, type PciTopology } from '@dmascope/acpi/lint'
import { DT_LINT_RULES, lintDtb, lintTree, unreadable } from '@dmascope/devicetree/lint'
import { DmascopeError } from '@dmascope/layout'
import { type LintedTable, type LinterFinding, type LintRuleText, reportFinding } from '@dmascope/report/lint'
import type { AcpiItem, FirmwareItem, TreeItem } from '../sources/firmware-input.ts'
import { parseSource } from '../sources/source-tree.ts'

/** Every rule, for SARIF. */
export const LINT_RULES: readonly LintRuleText[] = [...ACPI_LINT_RULES, ...DT_LINT_RULES]

/**
 * What is wrong with tables and trees. Tables are held against the MADT that stands beside them: in the same text of
 * acpidump, or, where no table is given twice, among all.
 */
export function lintItems(items: readonly FirmwareItem[], topology: PciTopology | undefined): LintedTable[] {
  const acpi = items.filter((item) => item.kind === 'acpi')
  const isOneMachine = isUnique(acpi)
  return items.map((item) => {
    if (item.kind !== 'acpi') return lintTreeItem(item, topology)
    const beside = isOneMachine ? acpi : acpi.filter(({ source }) => source === item.source)
    return lintTableItem(item, isUnique(beside) ? beside : [], topology)
  })
}

/** Whether every signature but those of AML stands there once. */
function isUnique(items: readonly AcpiItem[]): boolean {
  const signatures = items.map(({ signature }) => signature).filter((one) => one !== 'SSDT')
  return new Set(signatures).size === signatures.length
}

function lintTableItem(item: AcpiItem, beside: readonly AcpiItem[], topology: PciTopology | undefined): LintedTable {
  const madt = beside.find(({ signature }) => signature === 'APIC')?.bytes
  const context = { ...(topology !== undefined && { topology }), ...(madt !== undefined && { madt }) }
  const found: LinterFinding[] = [...lintText(item.problems), ...lintTable(item.bytes, context)]
  return {
    source: item.source,
    name: item.signature.trim(),
    form: item.form,
    line: item.line ?? null,
    length: item.bytes.length,
    findings: found.map((one) => reportFinding(one, item.bytes)),
  }
}

function lintTreeItem(item: TreeItem, topology: PciTopology | undefined): LintedTable {
  const context = topology === undefined ? {} : { topology }
  const found = item.kind === 'dtb' ? lintDtb(item.bytes, context) : lintSource(item, context)
  return {
    source: item.source,
    name: item.kind === 'dtb' ? 'device tree' : 'device tree source',
    form: item.kind,
    line: null,
    length: item.bytes.length,
    findings: found.map((one) => reportFinding(one, item.bytes)),
  }
}

function lintSource(item: TreeItem, context: Parameters<typeof lintTree>[1]): LinterFinding[] {
  try {
    return lintTree(parseSource(item), context)
  } catch (error) {
    const finding = unreadable(error)
    const { line } = error instanceof DmascopeError ? (error.context as { line?: number }) : {}
    return [{ ...finding, line: line ?? null }]
  }
}
