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
  const bySource = new Map<string, AcpiItem[]>()
  for (const item of acpi) {
    const beside = bySource.get(item.source)
    if (beside === undefined) bySource.set(item.source, [item])
    else beside.push(item)
  }
  const madts = new Map([...bySource].map(([source, beside]) => [source, madtOf(beside)]))
  const ofAll = madtOf(acpi)
  return items.map((item) =>
    item.kind === 'acpi'
      ? lintTableItem(item, ofAll ?? madts.get(item.source), topology)
      : lintTreeItem(item, topology),
  )
}

/** The MADT among tables, where every signature but those of AML stands there once: then they are of one machine. */
function madtOf(items: readonly AcpiItem[]): Uint8Array | undefined {
  const signatures = items.map(({ signature }) => signature).filter((one) => one !== 'SSDT')
  if (new Set(signatures).size < signatures.length) return undefined
  return items.find(({ signature }) => signature === 'APIC')?.bytes
}

function lintTableItem(item: AcpiItem, madt: Uint8Array | undefined, topology: PciTopology | undefined): LintedTable {
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
    const { source, line } = error instanceof DmascopeError ? (error.context as { source?: string; line?: number }) : {}
    // In a file that it includes, the error itself names the place.
    if (source !== item.source) return [{ ...finding, message: (error as Error).message }]
    return [{ ...finding, line: line ?? null }]
  }
}
