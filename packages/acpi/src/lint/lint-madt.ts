import type { Madt } from '../madt.ts'
import { hex, type Problem } from '../problem.ts'
import { MADT_GIC_ITS, MADT_HEAD, MADT_IO_APIC } from '../spec/madt.ts'
import { extentsOf, formFindings } from './form.ts'
import { MADT_RULES } from './madt-rules.ts'
import { inField, type LintFinding } from './rule.ts'

/** What is wrong with a MADT where IOMMUs need it. */
export function* lintMadt(bytes: Uint8Array, table: Madt & { problems: readonly Problem[] }): Generator<LintFinding> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const extents = extentsOf(table.records, (offset) => MADT_HEAD.fields.length.get(view, offset))
  yield* formFindings(bytes, table.problems, extents, {
    outer: {
      ACPI_RECORD_LENGTH: MADT_RULES.recordLength,
      ACPI_RECORD_PAST_END: MADT_RULES.recordLength,
      ACPI_RECORD_SHORT: null,
      ACPI_RECORD_UNKNOWN: null,
    },
    // What later revisions appended to known structures.
    inner: { ACPI_TRAILING: null },
  })
  const apics = new Map<number, number>()
  const interrupts = new Map<number, number>()
  const itss = new Map<number, number>()
  for (const record of table.records) {
    const offset = record.offset ?? 0
    if (record.kind === 'io-apic') {
      const { ioApicId, ioApicAddress, globalSystemInterruptBase } = MADT_IO_APIC.fields
      const name = `the I/O APIC ${record.ioApicId} at ${hex(offset)}`
      if (record.ioApicAddress === 0) {
        yield inField(MADT_RULES.ioapicAtZero, offset, ioApicAddress, `${name} is at address 0x0`)
        continue
      }
      const before = apics.get(record.ioApicId)
      const sharing = interrupts.get(record.globalSystemInterruptBase)
      if (before !== undefined) {
        yield inField(MADT_RULES.ioapicTwice, offset, ioApicId, `${name} has the ID of the one at ${hex(before)}`)
      }
      if (sharing !== undefined) {
        const message = `${name} starts at interrupt ${record.globalSystemInterruptBase}, as the one at ${hex(sharing)}`
        yield inField(MADT_RULES.gsiTwice, offset, globalSystemInterruptBase, message)
      }
      apics.set(record.ioApicId, before ?? offset)
      interrupts.set(record.globalSystemInterruptBase, sharing ?? offset)
    }
    if (record.kind === 'gic-its') {
      const before = itss.get(record.gicItsId)
      if (before !== undefined) {
        const message = `the ITS at ${hex(offset)} has the ID ${record.gicItsId} of the one at ${hex(before)}`
        yield inField(MADT_RULES.itsTwice, offset, MADT_GIC_ITS.fields.gicItsId, message)
      }
      itss.set(record.gicItsId, before ?? offset)
    }
  }
}
