import { PLAIN, type Style, wrap } from '@dmascope/report'
import type { JudgedClaim, JudgedPart, Outcome, Said } from './claim.ts'

const WIDTH = 100
const INDENT = 4
/** Cases that a claim's explanation shows of a part where all are alike. */
const SHOWN_ALIKE = 4

const paint = (style: Style, outcome: Outcome): ((text: string) => string) =>
  ({ upheld: style.good, answered: style.good, qualified: style.warn, refuted: style.bad })[outcome]

const saidText = ({ who, when }: Said): string => `${who}, ${when}`

const indented = (text: string, by = INDENT): string[] => wrap(text, WIDTH - by, 0).map((line) => ' '.repeat(by) + line)

/** The list, a claim in a few lines. */
export function formatClaims(judged: readonly JudgedClaim[], style: Style = PLAIN): string {
  const lines = judged.flatMap((one) => [
    `${style.bold(one.id)}  ${paint(style, one.outcome)(one.outcome)}  ${style.dim(saidText(one.said))}`,
    ...indented(one.claim),
    ...indented(`${one.why}.${one.leftOpen === null ? '' : ` ${one.leftOpen}`}`, INDENT + 2).map(style.dim),
    '',
  ])
  return `${[...lines, countLine(judged)].join('\n')}\n`
}

const countLine = (judged: readonly JudgedClaim[]): string => {
  const counts = (['upheld', 'qualified', 'refuted', 'answered'] as const)
    .map((outcome) => [judged.filter((one) => one.outcome === outcome).length, outcome] as const)
    .filter(([count]) => count > 0)
  return `${judged.length} claims: ${counts.map(([count, outcome]) => `${count} ${outcome}`).join(', ')}.   One of them: dmascope claims N`
}

/** One claim, with every case that was run. */
export function formatClaim(one: JudgedClaim, style: Style = PLAIN): string {
  const lines = [
    `${style.bold(one.id)}  ${paint(style, one.outcome)(one.outcome)}`,
    `${saidText(one.said)}, in “${one.said.in}”; in our words:`,
    ...indented(one.claim),
    '',
    ...wrap(`${one.why}.`, WIDTH, 0),
    ...(one.leftOpen === null ? [] : wrap(`Left open: ${one.leftOpen}`, WIDTH, 0)),
    ...one.parts.flatMap((part) => ['', ...partLines(part, style)]),
    '',
    ...recordedLines(one, style),
    ...(one.parts.some(({ recorded }) => recorded === undefined)
      ? ['One of these cells with all its reasons: dmascope boot CELL --why asked']
      : ['Nothing was booted for it: it is about what these did.']),
  ]
  return `${lines.join('\n')}\n`
}

/** The real machines that were looked at, each once. */
function recordedLines({ parts }: JudgedClaim, style: Style): string[] {
  const machines = [...new Set(parts.flatMap(({ recorded = [] }) => recorded))]
  if (machines.length === 0) return []
  return ['Recorded of real machines:', ...machines.flatMap((line) => indented(line).map(style.dim)), '']
}

function partLines({ says, cases }: JudgedPart, style: Style): string[] {
  const held = cases.filter(({ holds }) => holds).length
  const shown = held === cases.length ? cases.slice(0, SHOWN_ALIKE) : cases
  return [
    ...wrap(`${says}: ${held} of ${cases.length}`, WIDTH, 2),
    ...shown.map(
      ({ cells, holds, seen }) => `  ${holds ? style.good('yes') : style.bad('no ')}  ${cells.join(' and ')}: ${seen}`,
    ),
    ...(shown.length < cases.length ? [`  … and ${cases.length - shown.length} more alike`] : []),
  ]
}

/** A table for a page. */
export function formatClaimsMarkdown(judged: readonly JudgedClaim[]): string {
  const cell = (text: string): string => text.replaceAll('|', '\\|')
  const rows = judged.map(
    ({ id, said, claim, outcome, why }) =>
      `| ${id} | ${saidText(said)} | ${cell(claim)} | **${outcome}** | ${cell(why)} |`,
  )
  return `${['| Claim | Said by | In our words | Outcome | Why |', '| --- | --- | --- | --- | --- |', ...rows].join('\n')}\n`
}

/** What `--format json` prints. */
export const claimsDocument = (judged: readonly JudgedClaim[]) => ({
  schemaVersion: 1 as const,
  claims: judged.map(({ id, said, claim, outcome, why, parts, leftOpen }) => ({
    id,
    said: `${saidText(said)}, in “${said.in}”`,
    claim,
    outcome,
    scenarios: [...new Set(parts.flatMap(({ cases }) => cases.flatMap(({ cells }) => cells)))],
    why,
    ...(leftOpen !== null && { leftOpen }),
    parts,
  })),
})
