export { ACPI_LINT_RULES, type LintContext, lintTable } from './lint-table.ts'
export type { LintFinding, LintLevel, LintRule } from './rule.ts'
export type { PciTopology, TopologyFunction } from './topology.ts'
