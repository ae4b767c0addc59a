import { type Ivhd, type IvhdEntry, type Ivmd, type Ivrs, isIvmd } from '../ivrs.ts'
import { recordAt } from '../records.ts'
import { HEADER_SIZE } from '../sdt-header.ts'
import { IVHD_10H, IVMD, IVRS } from '../spec/ivrs.ts'
import { IVRS_RULES } from './ivrs-rules.ts'
import { usedIvhds } from './lint-ivrs.ts'
import { inField, type LintFinding, listSome } from './rule.ts'
import { idName, nameOf, requesterId, type TopologyIndex } from './topology.ts'

/** Device IDs, first and last, with the entry that names them. */
interface Named {
  readonly first: number
  readonly last: number
  readonly entry: IvhdEntry
}

/** The devices of an IVHD as Linux takes them; ranges without start are taken from device 0. */
function namedBy({ entries }: Ivhd): Named[] {
  const named: Named[] = []
  let start = 0
  for (const entry of entries) {
    if (!('deviceId' in entry)) continue
    if (entry.kind === 'all') named.push({ first: 0, last: 0xffff, entry })
    else if (entry.kind.endsWith('range-start')) start = entry.deviceId
    else if (entry.kind === 'range-end') named.push({ first: start, last: entry.deviceId, entry })
    else if (entry.kind.endsWith('select')) named.push({ first: entry.deviceId, last: entry.deviceId, entry })
    // An alias is what requests bear: its device table entry is set as well.
    if ('sourceDeviceId' in entry) named.push({ first: entry.sourceDeviceId, last: entry.sourceDeviceId, entry })
  }
  return named
}

/** What is wrong with an IVRS on a machine. */
export function* lintIvrsTopology(table: Ivrs, topology: TopologyIndex): Generator<LintFinding> {
  const used = usedIvhds(table)
  if (used.length === 0) return
  const covered = new Map<number, Uint8Array>()
  for (const unit of used) {
    const segment = unit.pciSegmentGroup
    if (topology.byId(segment, unit.deviceId) === undefined) {
      const message = `the ${recordAt(unit)} is at ${idName(segment, unit.deviceId)}, where the machine has nothing`
      yield inField(IVRS_RULES.iommuNothing, unit.offset ?? 0, IVHD_10H.fields.deviceId, message)
    }
    const map = covered.get(segment) ?? new Uint8Array(0x1_0000)
    covered.set(segment, map)
    const present = topology.inSegment(segment).map(requesterId)
    for (const { first, last, entry } of namedBy(unit)) {
      if (last >= first) map.fill(1, first, last + 1)
      const isHidden = 'sourceDeviceId' in entry || entry.kind === 'acpi-hid'
      if (isHidden || present.some((id) => id >= first && id <= last)) continue
      const names = first === last ? idName(segment, first) : `${idName(segment, first)} to ${idName(segment, last)}`
      const message = `the ${recordAt(unit)} names ${names}, where the machine has nothing`
      yield { rule: IVRS_RULES.entryNothing, offset: entry.offset ?? 0, length: 4, message }
    }
  }
  const own = new Set(used.map((unit) => idName(unit.pciSegmentGroup, unit.deviceId)))
  const bare = topology.functions.filter(
    (one) => covered.get(one.segment)?.[requesterId(one)] !== 1 && !own.has(nameOf(one)),
  )
  if (bare.length > 0) {
    const message = `no IVHD that Linux takes has ${listSome(bare.map(nameOf))}`
    yield { rule: IVRS_RULES.notCovered, offset: HEADER_SIZE + IVRS.size, length: 0, message }
  }
  for (const block of table.blocks) if (isIvmd(block)) yield* lintMemory(block, topology)
}

function* lintMemory(block: Ivmd, topology: TopologyIndex): Generator<LintFinding> {
  if (block.kind === 'IVMD-20h') return
  const first = block.deviceId
  const last = block.kind === 'IVMD-22h' ? block.auxiliaryData : first
  const segment = block.pciSegmentGroup
  if (
    last < first ||
    topology.inSegment(segment).some((one) => requesterId(one) >= first && requesterId(one) <= last)
  ) {
    return
  }
  const names = first === last ? idName(segment, first) : `${idName(segment, first)} to ${idName(segment, last)}`
  const message = `the ${recordAt(block)} is for ${names}, where the machine has nothing`
  yield inField(IVRS_RULES.ivmdNothing, block.offset ?? 0, IVMD.fields.deviceId, message)
}
