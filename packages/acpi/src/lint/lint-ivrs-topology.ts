import { type Ivhd, type IvhdEntry, type Ivmd, type Ivrs, isIvmd } from '../ivrs.ts'
import { recordAt } from '../records.ts'
import { HEADER_SIZE } from '../sdt-header.ts'
import { IVHD_10H, IVMD, IVRS } from '../spec/ivrs.ts'
import { IVRS_RULES } from './ivrs-rules.ts'
import { usedIvhds } from './lint-ivrs.ts'
import { inField, type LintFinding, listSome } from './rule.ts'
import { idName, nameOf, requesterId, SegmentIds, type TopologyIndex } from './topology.ts'

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
  // Of segments that the machine has: a table may name any. `starts`: at each ID, ranges that start less those that end.
  const segments = new Map(
    [...topology.bySegment()].map(([segment, functions]) => [
      segment,
      { functions, ids: new SegmentIds(functions), starts: new Int32Array(0x1_0001) },
    ]),
  )
  for (const unit of used) {
    const { pciSegmentGroup, deviceId } = unit
    if (topology.byId(pciSegmentGroup, deviceId) === undefined) {
      const message = `the ${recordAt(unit)} is at ${idName(pciSegmentGroup, deviceId)}, where the machine has nothing`
      yield inField(IVRS_RULES.iommuNothing, unit.offset ?? 0, IVHD_10H.fields.deviceId, message)
    }
    const segment = segments.get(pciSegmentGroup)
    const cover = (first: number, last: number): void => {
      if (segment === undefined || last < first) return
      segment.starts[first]!++
      segment.starts[last + 1]!--
    }
    cover(deviceId, deviceId)
    for (const { first, last, entry } of namedBy(unit)) {
      cover(first, last)
      const isHidden = 'sourceDeviceId' in entry || entry.kind === 'acpi-hid'
      if (isHidden || segment?.ids.hasAny(first, last) === true) continue
      // A virtual function may come there.
      if (first === last && topology.physicalAt(pciSegmentGroup, first) !== undefined) continue
      const message = `the ${recordAt(unit)} names ${rangeName(pciSegmentGroup, first, last)}, where the machine has nothing`
      yield { rule: IVRS_RULES.entryNothing, offset: entry.offset ?? 0, length: 4, message }
    }
  }
  const bare = [...segments.values()].flatMap(({ functions, starts }) => {
    const ranges = starts.slice()
    for (let id = 1; id < ranges.length; id++) ranges[id]! += ranges[id - 1]!
    return functions.filter((one) => ranges[requesterId(one)] === 0)
  })
  if (bare.length > 0) {
    const message = `no IVHD that Linux takes has ${listSome(bare.map(nameOf))}`
    yield { rule: IVRS_RULES.notCovered, offset: HEADER_SIZE + IVRS.size, length: 0, message }
  }
  for (const block of table.blocks) {
    if (isIvmd(block)) yield* lintMemory(block, segments.get(block.pciSegmentGroup)?.ids)
  }
}

const rangeName = (segment: number, first: number, last: number): string =>
  first === last ? idName(segment, first) : `${idName(segment, first)} to ${idName(segment, last)}`

function* lintMemory(block: Ivmd, ids: SegmentIds | undefined): Generator<LintFinding> {
  if (block.kind === 'IVMD-20h') return
  const first = block.deviceId
  const last = block.kind === 'IVMD-22h' ? block.auxiliaryData : first
  if (last < first || ids?.hasAny(first, last) === true) return
  const names = rangeName(block.pciSegmentGroup, first, last)
  const message = `the ${recordAt(block)} is for ${names}, where the machine has nothing`
  yield inField(IVRS_RULES.ivmdNothing, block.offset ?? 0, IVMD.fields.deviceId, message)
}
