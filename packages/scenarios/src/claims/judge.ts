import { type BootedCell, type Cell, cellKey, type Observed } from '../cell/cell.ts'
import { bootCell } from '../cell/run-cell.ts'
import type {
  Claim,
  JudgedCase,
  JudgedClaim,
  JudgedPart,
  ObservedPart,
  Outcome,
  Part,
  Recorded,
  RecordedCase,
  RecordedPart,
  SeparationPart,
} from './claim.ts'
import type { RecordedBoot } from './recorded-boots.ts'
import { separate } from './separate.ts'

/** What boots cells for claims: boots each once, however many claims ask for it. */
export class CellBooter {
  readonly #booted = new Map<string, Observed | null>()

  /** Null where there is no such machine. */
  boot(cell: Cell): Observed | null {
    const key = cellKey(cell)
    let device = this.#booted.get(key)
    if (device === undefined) {
      const booted = bootCell(cell)
      device = typeof booted === 'string' ? null : observedOf(booted)
      this.#booted.set(key, device)
    }
    return device
  }
}

/** What a predicate may look at. */
function observedOf({ report, device }: BootedCell): Observed | null {
  if (device === null) return null
  const { status, verdict, dma, io, faults, strays } = device
  const asked = report.assignments?.find(({ devices }) => devices.includes(device.id))
  const used = asked?.used.find(({ id }) => id === device.id)
  const fared = used === undefined ? 'refused' : { io: used.io, dma: used.dma, reach: used.reach }
  const assigned = asked === undefined ? null : fared
  return { status, verdict, dma, io, faults, strays, assigned }
}

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

function judgePart(part: Part, booter: CellBooter): JudgedPart {
  const { says, otherwise } = part
  if (part.kind === 'observed') return { says, otherwise, cases: observedCases(part, booter) }
  if (part.kind === 'separation') return { says, otherwise, cases: separationCase(part) }
  const cases = casesSaid(part)
  const boots = [...new Set(cases.flatMap((one) => one.map(({ boot }) => boot)))]
  return { says, otherwise, cases: cases.map((one) => recordedCase(one, part)), recorded: boots.map(recordedText) }
}

const recordedOf = ({ device: { accessPlatform, domain, dma, works } }: RecordedCase): Recorded => ({
  accessPlatform,
  domain,
  dma,
  works,
})

const casesSaid = ({ cases, where = () => true }: RecordedPart): readonly (readonly RecordedCase[])[] =>
  cases.filter((one) => where(...one.map(recordedOf)))

function recordedCase(one: readonly RecordedCase[], { holds }: RecordedPart): JudgedCase {
  return {
    cells: one.map(({ boot, device }) => `recorded/${boot.name}/${device.id.replace(/^0000:/, '')}`),
    holds: holds(...one.map(recordedOf)),
    seen: one
      .map(({ device: { accessPlatform, domain, dma, works } }) => {
        const data = dma === null ? 'data not traced' : dma
        return `${accessPlatform ? 'bit 33' : 'no bit 33'}, domain ${domain}, ${data}, ${works ? 'works' : 'fails'}`
      })
      .join('; '),
  }
}

/** The machine, so that anybody can have it again. */
const recordedText = ({ name, kernel, qemu, machine, append }: RecordedBoot): string =>
  `${name}: Linux ${kernel} on QEMU ${qemu} ${machine}${append === '' ? '' : ` -append "${append}"`}`

function seenText({ status, verdict, assigned }: Observed): string {
  const kernel = `${verdict}, ${status === 'none' ? 'no DMA' : status}`
  if (assigned === null) return kernel
  if (assigned === 'refused') return `${kernel}; VFIO refuses to give it to a program`
  return `${kernel}; in a program’s hands it ${assigned.io.ok ? 'works' : 'fails'}, ${assigned.reach}`
}

function observedCases({ cases, holds }: ObservedPart, booter: CellBooter): JudgedCase[] {
  return cases.flatMap((cells) => {
    const devices = cells.map((cell) => booter.boot(cell))
    if (devices.some((device) => device === null)) return []
    const seen = devices as Observed[]
    return {
      cells: cells.map(cellKey),
      holds: holds(...seen),
      seen: seen.map(seenText).join('; '),
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
    return { cells, observed: devices as Observed[] }
  })
}
