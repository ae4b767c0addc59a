import { DmascopeError } from '@dmascope/layout'
import type { JudgedClaim, Outcome } from './claim.ts'

/** Outcomes that are expected, by claim: `{"C07": "upheld"}`. Recorded from a run, and changed on purpose only. */
export type Expectation = Readonly<Record<string, Outcome>>

const OUTCOMES: readonly Outcome[] = ['upheld', 'qualified', 'refuted', 'answered']

export const expectationOf = (judged: readonly JudgedClaim[]): Expectation =>
  Object.fromEntries(judged.map(({ id, outcome }) => [id, outcome]))

/** @throws DmascopeError CLAIMS_EXPECTATION naming what is wrong with it */
export function readExpectation(text: string, name: string): Expectation {
  const refuse = (what: string): DmascopeError =>
    new DmascopeError(
      'CLAIMS_EXPECTATION',
      `${name}: ${what}; write {"C07": "upheld", ...}, as dmascope claims --save does`,
      {
        name,
      },
    )
  let content: unknown
  try {
    content = JSON.parse(text)
  } catch (error) {
    throw refuse(`no JSON: ${(error as Error).message}`)
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content)) throw refuse('no object')
  for (const [id, outcome] of Object.entries(content)) {
    if (!/^C\d+$/.test(id)) throw refuse(`"${id}" is no claim`)
    if (!OUTCOMES.some((one) => one === outcome))
      throw refuse(`${id} is ${JSON.stringify(outcome)}, none of ${OUTCOMES.join(', ')}`)
  }
  return content as Expectation
}

/** Claims whose outcome is another than expected, or that nothing is expected of. One line each. */
export function compareExpectation(judged: readonly JudgedClaim[], expected: Expectation): string[] {
  return judged.flatMap(({ id, outcome }) => {
    const before = expected[id]
    if (before === outcome) return []
    return `${id} is ${outcome}; ${before === undefined ? 'nothing is recorded of it' : `expected was ${before}`}`
  })
}
