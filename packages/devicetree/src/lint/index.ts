export type { PciTopology, TopologyFunction } from './lint-topology.ts'
export { type LintContext, lintDtb, lintTree, unreadable } from './lint-tree.ts'
export type { LintFinding, LintLevel, LintRule } from './rule.ts'
export { DT_LINT_RULES } from './rules.ts'
