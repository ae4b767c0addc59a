import type { Dmar } from '../dmar.ts'
import type { Iort } from '../iort.ts'
import type { Ivrs } from '../ivrs.ts'
import type { Madt } from '../madt.ts'
import { recordAt } from '../records.ts'
import { HEADER_SIZE } from '../sdt-header.ts'
import { DEVICE_SCOPE, DMAR, DMAR_FLAGS } from '../spec/dmar.ts'
import { IORT_ITS_GROUP } from '../spec/iort.ts'
import { IVHD_10H } from '../spec/ivrs.ts'
import { DMAR_SCOPE_RULES } from './dmar-scope-rules.ts'
import { IORT_RULES } from './iort-rules.ts'
import { IVRS_RULES } from './ivrs-rules.ts'
import { usedIvhds } from './lint-ivrs.ts'
import { inField, type LintFinding } from './rule.ts'

/** The I/O APICs of a MADT that Linux takes. */
const apicsOf = (madt: Madt): Set<number> =>
  new Set(madt.records.flatMap((one) => (one.kind === 'io-apic' && one.ioApicAddress !== 0 ? [one.ioApicId] : [])))

/** I/O APICs that the MADT has and the DMAR does not, and the other way round. */
export function* lintDmarWithMadt(table: Dmar, madt: Madt): Generator<LintFinding> {
  if (DMAR_FLAGS.fields.INTR_REMAP.get(table.flags) === 0) return
  const apics = apicsOf(madt)
  const scopes = table.records
    .flatMap((one) => (one.kind === 'DRHD' ? one.scopes : []))
    .filter(({ kind }) => kind === 'ioapic')
  const named = new Set(scopes.flatMap((scope) => ('enumerationId' in scope ? [scope.enumerationId] : [])))
  for (const id of apics) {
    // Without any, one finding says it.
    if (named.has(id) || named.size === 0) continue
    const message = `the MADT has an I/O APIC ${id}, and no DRHD has a scope for it`
    yield inField(DMAR_SCOPE_RULES.ioapicNotInDmar, HEADER_SIZE, DMAR.fields.flags, message)
  }
  for (const scope of scopes) {
    if (!('enumerationId' in scope) || apics.has(scope.enumerationId)) continue
    const message = `the scope is for an I/O APIC ${scope.enumerationId}; the MADT has ${[...apics].join(', ') || 'none'}`
    yield inField(DMAR_SCOPE_RULES.ioapicNotInMadt, scope.offset ?? 0, DEVICE_SCOPE.fields.enumerationId, message)
  }
}

export function* lintIvrsWithMadt(table: Ivrs, madt: Madt): Generator<LintFinding> {
  const used = usedIvhds(table)
  const [first] = used
  if (first === undefined) return
  const named = new Set(
    used.flatMap(({ entries }) =>
      entries.flatMap((entry) => (entry.kind === 'special' && entry.variety === 1 ? [entry.handle] : [])),
    ),
  )
  for (const id of apicsOf(madt)) {
    if (named.has(id)) continue
    const message = `the MADT has an I/O APIC ${id}; the IVRS names ${[...named].join(', ') || 'none'}`
    yield { rule: IVRS_RULES.ioapicNotInIvrs, offset: first.offset ?? 0, length: IVHD_10H.size, message }
  }
}

export function* lintIortWithMadt(table: Iort, madt: Madt): Generator<LintFinding> {
  const itss = new Set(madt.records.flatMap((one) => (one.kind === 'gic-its' ? [one.gicItsId] : [])))
  for (const node of table.nodes) {
    if (node.kind !== 'its-group') continue
    for (const [index, id] of node.gicItsIdentifiers.entries()) {
      if (itss.has(id)) continue
      const offset = (node.offset ?? 0) + IORT_ITS_GROUP.size + 4 * index
      const message = `the ${recordAt(node)} lists ITS ${id}; the MADT has ${[...itss].join(', ') || 'none'}`
      yield { rule: IORT_RULES.itsNotInMadt, offset, length: 4, message }
    }
  }
}
