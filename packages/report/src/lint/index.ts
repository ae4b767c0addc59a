export { reportTopology } from '../topology.ts'
export {
  kernelText,
  type LintedTable,
  type LinterFinding,
  type LintReport,
  type LintReportFinding,
  type LintRuleText,
  lintReport,
  reportFinding,
} from './lint-report.ts'
export { formatLintText } from './lint-text.ts'
