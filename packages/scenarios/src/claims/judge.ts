import type { ReportDevice } from '@dmascope/report'
import { type Cell, cellKey, type Observed } from '../cell/cell.ts'
import { bootCell } from '../cell/run-cell.ts'
import type {
  Claim,
  JudgedCase,
  JudgedClaim,
  JudgedPart,
  ObservedPart,
  Outcome,
  Part,
  SeparationPart,
} from './claim.ts'
import { separate } from './separate.ts'

/** What boots cells for claims: boots each once, however many claims ask for it. */
export class CellBooter {
  readonly #booted = new Map<string, ReportDevice | null>()

  /** Null where there is no such machine. */
  boot(cell: Cell): ReportDevice | null {
    const key = cellKey(cell)
    let device = this.#booted.get(key)
    if (device === undefined) {
      const booted = bootCell(cell)
      device = typeof booted === 'string' ? null : booted.device
      this.#booted.set(key, device)
    }
    return device
  }
}

/** What a predicate may look at. */
const observedOf = ({ status, verdict, dma, io, faults, strays }: ReportDevice): Observed => ({
  status,
  verdict,
  dma,
  io,
  faults,
  strays,
})

/** Runs a claim's boots and judges it. */
export function judgeClaim(claim: Claim, booter: CellBooter = new CellBooter()): JudgedClaim {
  const parts = claim.parts.map((part) => judgePart(part, booter))
  const outcome = claim.answer === undefined ? outcomeOf(parts) : 'answered'
  return {
    id: `C${String(claim.number).padStart(2, '0')}`,
    number: claim.number,
    said: claim.said,
    claim: claim.claim,
    outcome,
    why: claim.answer === undefined ? whyOf(outcome, parts) : claim.answer(answerCases(claim.parts, booter)),
    parts,
    leftOpen: claim.leftOpen ?? null,
  }
}

/** Upheld where every case is as claimed, refuted where none is, and else it holds with a qualification. */
function outcomeOf(parts: readonly JudgedPart[]): Outcome {
  const cases = parts.flatMap((part) => part.cases)
  if (cases.every(({ holds }) => holds) && parts.every((part) => part.cases.length > 0)) return 'upheld'
  return cases.some(({ holds }) => holds) ? 'qualified' : 'refuted'
}

function whyOf(outcome: Outcome, parts: readonly JudgedPart[]): string {
  if (outcome === 'upheld') {
    const boots = parts.reduce((sum, part) => sum + part.cases.length, 0)
    return `${parts.map(({ says }) => says).join('; ')}: so in all of ${boots} ${boots === 1 ? 'case' : 'cases'}`
  }
  return parts
    .filter((part) => part.cases.length === 0 || part.cases.some(({ holds }) => !holds))
    .map((part) => {
      const [first] = part.cases.filter(({ holds }) => !holds)
      if (first === undefined) return `no machine could be made of which “${part.says}” could be seen`
      const against = part.cases.filter(({ holds }) => !holds).length
      return `${part.otherwise} (${against} of ${part.cases.length} cases; ${first.cells.join(' and ')}: ${first.seen})`
    })
    .join('; ')
}

const judgePart = (part: Part, booter: CellBooter): JudgedPart => ({
  says: part.says,
  otherwise: part.otherwise,
  cases: part.kind === 'observed' ? observedCases(part, booter) : [separationCase(part)].flatMap((one) => one ?? []),
})

function observedCases({ cases, holds }: ObservedPart, booter: CellBooter): JudgedCase[] {
  return cases.flatMap((cells) => {
    const devices = cells.map((cell) => booter.boot(cell))
    if (devices.some((device) => device === null)) return []
    const seen = (devices as ReportDevice[]).map(observedOf)
    return {
      cells: cells.map(cellKey),
      holds: holds(...seen),
      seen: seen.map(({ status, verdict }) => `${verdict}, ${status === 'none' ? 'no DMA' : status}`).join('; '),
    }
  })
}

/**
 * Inseparable: no kernel could know which machine it is on before it decided, and none works on both. Served: some
 * kernel works on both.
 */
function separationCase({ machines: [one, other], guests, claims }: SeparationPart): JudgedCase[] {
  const fared = guests.flatMap((guest) => {
    const result = separate({ ...one, guest }, { ...other, guest })
    return result === null ? [] : { guest, ...result }
  })
  if (fared.length === 0) return []
  const cells = [one, other].map((machine) => cellKey({ ...machine, guest: '*' }))
  const both = fared.filter(({ works }) => works[0] && works[1])
  const toldApart = fared.filter(({ alike }) => !alike)
  if (claims === 'served') {
    return [
      { cells, holds: both.length > 0, seen: `works on both: ${both.map(({ guest }) => guest).join(', ') || 'none'}` },
    ]
  }
  return [
    {
      cells,
      holds: both.length === 0 && toldApart.length === 0,
      seen: `${fared.length} kernels; works on both: ${both.length}; could have told them apart: ${toldApart.length}`,
    },
  ]
}

function answerCases(parts: readonly Part[], booter: CellBooter) {
  const [first] = parts
  if (first?.kind !== 'observed') return []
  return first.cases.flatMap((cells) => {
    const devices = cells.map((cell) => booter.boot(cell))
    if (devices.some((device) => device === null)) return []
    return { cells, observed: (devices as ReportDevice[]).map(observedOf) }
  })
}
