import { DMAR_CASES, GENERAL_CASES } from './dmar-cases.ts'
import { IORT_CASES } from './iort-cases.ts'
import { IVRS_CASES } from './ivrs-cases.ts'
import type { LintCase } from './lint-case.ts'
import { SMALL_CASES } from './small-cases.ts'

/** A table for each rule, sometimes several. */
export const LINT_CASES: readonly LintCase[] = [
  ...GENERAL_CASES,
  ...DMAR_CASES,
  ...IVRS_CASES,
  ...IORT_CASES,
  ...SMALL_CASES,
]
