import { writeFileSync } from 'node:fs'
import { DmascopeError } from '@dmascope/layout'
import {
  CellBooter,
  CLAIMS,
  claimsDocument,
  compareExpectation,
  expectationOf,
  formatClaim,
  formatClaims,
  formatClaimsMarkdown,
  type JudgedClaim,
  judgeClaim,
  readExpectation,
} from '@dmascope/scenarios/claims'
import expected from '@dmascope/scenarios/claims.expected.json' with { type: 'json' }
import { DONE, FAILED_ON } from '../exit.ts'
import { styleFor } from '../output/colours.ts'
import { fileError } from '../output/failure.ts'
import { showProgress } from '../output/progress.ts'
import { isTerminal, print } from '../output/standard-output.ts'
import { readBytes } from '../sources/read-files.ts'

export interface ClaimsFlags {
  readonly format: 'text' | 'json' | 'markdown'
  readonly expect?: string
  readonly save?: string
}

/** `dmascope claims`. Answers the exit status. */
export async function claims(asked: string | undefined, flags: ClaimsFlags): Promise<number> {
  const chosen = asked === undefined ? CLAIMS : [claimOf(asked)]
  const expectation =
    flags.expect === undefined
      ? expected
      : readExpectation(new TextDecoder().decode(await readBytes(flags.expect)), flags.expect)
  const booter = new CellBooter()
  const progress = showProgress('claims', chosen.length)
  const judged: JudgedClaim[] = []
  for (const claim of chosen) {
    judged.push(judgeClaim(claim, booter))
    progress.advance()
  }
  progress.end()
  if (flags.save !== undefined) save(flags.save, judged)
  print(await view(judged, asked !== undefined, flags.format))
  if (flags.save !== undefined) return DONE
  const differences = compareExpectation(judged, readExpectation(JSON.stringify(expectation), 'expectation'))
  for (const line of differences) console.error(`dmascope: ${line}`)
  return differences.length === 0 ? DONE : FAILED_ON
}

async function view(judged: readonly JudgedClaim[], one: boolean, format: ClaimsFlags['format']): Promise<string> {
  if (format === 'json') return `${JSON.stringify(claimsDocument(judged), null, 2)}\n`
  if (format === 'markdown') return formatClaimsMarkdown(judged)
  const style = await styleFor(isTerminal(), process.env)
  return one ? judged.map((each) => formatClaim(each, style)).join('\n') : formatClaims(judged, style)
}

function claimOf(asked: string): (typeof CLAIMS)[number] {
  const number = Number(/^c?0*(\d+)$/i.exec(asked)?.[1])
  const found = CLAIMS.find((claim) => claim.number === number)
  if (found !== undefined) return found
  throw new DmascopeError(
    'CLI_NO_CLAIM',
    `no claim "${asked}": write one of ${CLAIMS.map((claim) => claim.number).join(', ')}`,
    { asked },
  )
}

function save(path: string, judged: readonly JudgedClaim[]): void {
  try {
    writeFileSync(path, `${JSON.stringify(expectationOf(judged), null, 2)}\n`)
  } catch (error) {
    throw fileError(error, path, 'write')
  }
}
