import type { DeviceScopeRecord, Dmar, Drhd } from '../dmar.ts'
import { hex } from '../problem.ts'
import { recordAt } from '../records.ts'
import { HEADER_SIZE } from '../sdt-header.ts'
import { ATSR, DEVICE_SCOPE, DEVICE_SCOPE_PATH, DMAR, DMAR_FLAGS, DRHD, RMRR, SATC, SIDP } from '../spec/dmar.ts'
import { DMAR_RULES } from './dmar-rules.ts'
import { DMAR_SCOPE_RULES } from './dmar-scope-rules.ts'
import { inField, type LintFinding } from './rule.ts'
import { functionName } from './topology.ts'

/** Bytes of the fields before the scopes. */
const SCOPES_START = { DRHD: DRHD.size, RMRR: RMRR.size, ATSR: ATSR.size, SATC: SATC.size, SIDP: SIDP.size } as const
const SMALLEST = DEVICE_SCOPE.size + DEVICE_SCOPE_PATH.size

/** `00:1d.0`, or `00:1c.0 > 00.0` for a path through bridges. */
export function pathName(segment: number, { startBusNumber, path }: DeviceScopeRecord): string {
  const [first, ...rest] = path
  if (first === undefined) return `bus ${hex(startBusNumber, 2)}`
  const start = functionName(segment, startBusNumber, first.device, first.function)
  return [start, ...rest.map((step) => `${step.device.toString(16).padStart(2, '0')}.${step.function}`)].join(' > ')
}

/** What is wrong with the device scopes of a DMAR: their form, as Linux walks it, and what they say. */
export function* lintDmarScopes(
  bytes: Uint8Array,
  table: Dmar,
  extents: readonly { readonly start: number; readonly end: number }[],
): Generator<LintFinding> {
  for (const [index, record] of table.records.entries()) {
    if (!('scopes' in record)) continue
    const end = extents[index]!.end
    yield* lintForm(bytes, (record.offset ?? 0) + SCOPES_START[record.kind], end, recordAt(record))
    for (const scope of record.scopes) {
      if (scope.kind === 'unknown') continue
      const offset = scope.offset ?? 0
      const wrong = scope.path.findIndex((step) => step.device > 31 || step.function > 7)
      if (wrong >= 0) {
        const { device, function: fn } = scope.path[wrong]!
        const message = `a scope of the ${recordAt(record)} leads to device ${hex(device, 2)}, function ${hex(fn, 2)}`
        yield { rule: DMAR_SCOPE_RULES.scopePath, offset: offset + DEVICE_SCOPE.size + 2 * wrong, length: 2, message }
      }
      if (record.kind === 'ATSR' && scope.kind === 'endpoint') {
        const message = `the ${recordAt(record)} names ${pathName(record.segmentNumber, scope)} as an endpoint`
        yield inField(DMAR_RULES.atsrNotBridge, offset, DEVICE_SCOPE.fields.type, message)
      }
    }
  }
  const units = table.records.filter((record) => record.kind === 'DRHD')
  yield* lintOwners(units)
  const remaps = DMAR_FLAGS.fields.INTR_REMAP.get(table.flags) !== 0
  if (remaps && units.length > 0 && !units.some(({ scopes }) => scopes.some(({ kind }) => kind === 'ioapic'))) {
    const message = 'INTR_REMAP is set, and no DRHD has a scope of type 3'
    yield inField(DMAR_SCOPE_RULES.noIoapic, HEADER_SIZE, DMAR.fields.flags, message)
  }
}

function* lintForm(bytes: Uint8Array, start: number, end: number, owner: string): Generator<LintFinding> {
  for (let at = start; at < end; ) {
    const type = bytes[at]!
    const length = bytes[at + 1] ?? 0
    const shown = Math.min(SMALLEST, end - at)
    if (length === 0) {
      const message = `a scope of the ${owner} (type ${type}) has length 0, and ${end - at} bytes of the structure are left`
      yield { rule: DMAR_SCOPE_RULES.scopeLength, offset: at, length: shown, message }
      return
    }
    if (type === 0 || type > 5) {
      const message = `a scope of the ${owner} is of type ${type}`
      yield { rule: DMAR_SCOPE_RULES.scopeType, offset: at, length: 1, message }
    } else if (length < SMALLEST) {
      const message = `a scope of the ${owner} is ${length} bytes long`
      yield { rule: DMAR_SCOPE_RULES.scopeShort, offset: at, length: Math.min(length, shown), message }
    }
    if (at + length > end) {
      const message = `a scope of the ${owner} is ${length} bytes long, and ${end - at} bytes of the structure are left`
      yield { rule: DMAR_SCOPE_RULES.scopePastEnd, offset: at, length: shown, message }
    }
    at += length
  }
}

/** Devices and I/O APICs that two units have. */
function* lintOwners(units: readonly Drhd[]): Generator<LintFinding> {
  const owners = new Map<string, Drhd>()
  for (const unit of units) {
    for (const scope of unit.scopes) {
      if (scope.kind === 'unknown' || scope.kind === 'namespace' || scope.kind === 'hpet') continue
      const isIoapic = scope.kind === 'ioapic'
      const name = isIoapic ? `I/O APIC ${scope.enumerationId}` : pathName(unit.segmentNumber, scope)
      const owner = owners.get(name)
      if (owner === undefined) owners.set(name, unit)
      else if (owner !== unit) {
        const rule = isIoapic ? DMAR_SCOPE_RULES.ioapicTwice : DMAR_SCOPE_RULES.deviceTwice
        const message = `${name} is in a scope of the ${recordAt(owner)} and of the ${recordAt(unit)}`
        yield { rule, offset: scope.offset ?? 0, length: SMALLEST, message }
      }
    }
  }
}
