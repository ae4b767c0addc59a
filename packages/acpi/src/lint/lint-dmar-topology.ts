import type { DeviceScopeRecord, Dmar, Drhd } from '../dmar.ts'
import { recordAt } from '../records.ts'
import { HEADER_SIZE } from '../sdt-header.ts'
import { DEVICE_SCOPE, DMAR, DRHD_FLAGS } from '../spec/dmar.ts'
import { DMAR_SCOPE_RULES } from './dmar-scope-rules.ts'
import { pathName } from './lint-dmar-scopes.ts'
import { inField, type LintFinding, listSome } from './rule.ts'
import { nameOf, requesterId, type TopologyFunction, type TopologyIndex } from './topology.ts'

const BRIDGE_CLASS = 0x06

/** What a scope names on a machine, as Linux matches it (dmar_match_pci_path). Undefined: nobody can say. */
interface Match {
  readonly found: TopologyFunction | null
  readonly isFallback: boolean
  readonly missing: string
}

function match(topology: TopologyIndex, segment: number, scope: DeviceScopeRecord): Match | 'virtual' | undefined {
  const { startBusNumber, path } = scope
  if (path.length === 0) return { found: null, isFallback: false, missing: '' }
  const end = topology.follow(segment, startBusNumber, path)
  if (end.kind === 'unknown') return undefined
  // The kernel looks at no virtual function when it matches scopes: one that names a place for such, as QEMU's do, says nothing.
  const last = path[0]!
  const id = (startBusNumber << 8) | (last.device << 3) | last.function
  if (path.length === 1 && topology.physicalAt(segment, id) !== undefined) return 'virtual'
  if (end.kind === 'nothing') return { found: null, isFallback: false, missing: end.address }
  if (topology.isRootBus(segment, startBusNumber) === true) return { found: end.at, isFallback: false, missing: '' }
  if (topology.isRootBus(segment, startBusNumber) === undefined) return undefined
  // Not from a root bus: Linux takes the start bus for the device's own, where the path has one step.
  return path.length === 1
    ? { found: end.at, isFallback: true, missing: '' }
    : { found: null, isFallback: false, missing: pathName(segment, scope) }
}

/** What is wrong with a DMAR on a machine. */
export function* lintDmarTopology(table: Dmar, topology: TopologyIndex): Generator<LintFinding> {
  for (const record of table.records) {
    if (!('scopes' in record)) continue
    for (const scope of record.scopes) {
      if (scope.kind !== 'endpoint' && scope.kind !== 'bridge') continue
      const offset = scope.offset ?? 0
      const length = DEVICE_SCOPE.size + 2 * scope.path.length
      const name = pathName(record.segmentNumber, scope)
      const matched = match(topology, record.segmentNumber, scope)
      if (matched === undefined || matched === 'virtual') continue
      const { found, isFallback, missing } = matched
      if (found === null) {
        const rule = record.kind === 'RMRR' ? DMAR_SCOPE_RULES.rmrrNothing : DMAR_SCOPE_RULES.scopeNothing
        const where = missing === name || missing === '' ? '' : `: there is nothing at ${missing}`
        const message = `the ${recordAt(record)} names ${name}, which the machine does not have${where}`
        yield { rule, offset, length, message }
        continue
      }
      if (isFallback) {
        const message = `the ${recordAt(record)} names ${name}, and bus ${found.bus.toString(16)} is behind a bridge`
        yield inField(DMAR_SCOPE_RULES.notFromRoot, offset, DEVICE_SCOPE.fields.startBusNumber, message)
      }
      if (isMismatch(scope, found)) {
        const message = `the ${recordAt(record)} names ${name} with scope type ${scope.kind === 'bridge' ? 2 : 1}, and its header is of type ${found.headerType}`
        yield inField(DMAR_SCOPE_RULES.scopeTypeMismatch, offset, DEVICE_SCOPE.fields.type, message)
      }
    }
  }
  yield* lintCoverage(table, topology)
}

/** As in dmar_insert_dev_scope. */
function isMismatch({ kind }: DeviceScopeRecord, { headerType, classCode }: TopologyFunction): boolean {
  if (headerType === null) return false
  if (kind === 'endpoint') return headerType !== 0
  return headerType === 0 && classCode !== null && classCode >> 8 !== BRIDGE_CLASS
}

function* lintCoverage(table: Dmar, topology: TopologyIndex): Generator<LintFinding> {
  const units = table.records.filter((record): record is Drhd => record.kind === 'DRHD')
  if (units.length === 0) return
  const takers = new Set(
    units.filter(({ flags }) => DRHD_FLAGS.fields.INCLUDE_PCI_ALL.get(flags) !== 0).map((unit) => unit.segmentNumber),
  )
  const named = new Set<TopologyFunction>()
  for (const unit of units) {
    for (const scope of unit.scopes) {
      if (scope.kind !== 'endpoint' && scope.kind !== 'bridge') continue
      const matched = match(topology, unit.segmentNumber, scope)
      // A scope that cannot be followed may cover anything.
      if (matched === undefined) return
      if (matched !== 'virtual' && matched.found !== null) named.add(matched.found)
    }
  }
  const bare = topology.functions.filter((one) => !takers.has(one.segment) && isBare(one, named, topology))
  if (bare.length === 0) return
  const message = `no DRHD has ${listSome(bare.map(nameOf))}`
  yield { rule: DMAR_SCOPE_RULES.notCovered, offset: HEADER_SIZE + DMAR.size, length: 0, message }
}

/** Whether neither the function, for a virtual one its physical function, nor a bridge above it is named. */
function isBare(one: TopologyFunction, named: ReadonlySet<TopologyFunction>, topology: TopologyIndex): boolean {
  const seen = new Set<TopologyFunction>()
  let at: TopologyFunction | null | undefined = topology.physicalAt(one.segment, requesterId(one)) ?? one
  while (at !== null && at !== undefined && !seen.has(at)) {
    if (named.has(at)) return false
    seen.add(at)
    at = topology.bridgeAbove(at)
  }
  return at === null
}
