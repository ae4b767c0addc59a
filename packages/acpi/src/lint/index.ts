export { ACPI_LINT_RULES, type LintContext, lintTable, lintText, type TextFinding } from './lint-table.ts'
export type { LintFinding, LintLevel, LintRule } from './rule.ts'
export type { PciTopology, TopologyFunction } from './topology.ts'
