import type { Problem, ProblemCode } from '../problem.ts'
import { ACPI_RULES } from './general-rules.ts'
import type { LintFinding, LintRule } from './rule.ts'

/** Which rules a table's parser's problems trip; null where they are looked at otherwise. */
export interface FormRules {
  /** Of the table and its records. */
  readonly outer: Partial<Record<ProblemCode, LintRule | null>>
  /** Of what records contain. */
  readonly inner?: Partial<Record<ProblemCode, LintRule | null>>
  /** Of a wrong checksum, where the kernel does more than warn. */
  readonly checksum?: LintRule
}

/** A part of the table: [start, end). */
interface Extent {
  readonly start: number
  readonly end: number
}

/** Where parsed records lie, in their order. `lengthAt` tells the length of the one at an offset. */
export function extentsOf(
  records: readonly { readonly offset?: number }[],
  lengthAt: (offset: number) => number,
): Extent[] {
  return records.map(({ offset = 0 }) => ({ start: offset, end: offset + lengthAt(offset) }))
}

/** The one that has the offset; undefined where none has. */
function holding(extents: readonly Extent[], offset: number): Extent | undefined {
  let low = 0
  let high = extents.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (extents[middle]!.start <= offset) low = middle + 1
    else high = middle
  }
  const found = extents[low - 1]
  return found !== undefined && offset < found.end ? found : undefined
}

/** Bytes shown of a structure that cannot be read. */
const MOST_SHOWN = 16

/** What the parser found wrong with the table's form, as findings. */
export function* formFindings(
  bytes: Uint8Array,
  problems: readonly Problem[],
  extents: readonly Extent[],
  rules: FormRules,
): Generator<LintFinding> {
  let isCut = false
  for (const { code, offset, message } of problems) {
    const room = Math.max(0, Math.min(MOST_SHOWN, bytes.length - offset))
    if (code === 'ACPI_LENGTH') {
      const stored = new DataView(bytes.buffer, bytes.byteOffset).getUint32(offset, true)
      isCut = stored > bytes.length
      yield { rule: isCut ? ACPI_RULES.tooLong : ACPI_RULES.beyond, offset, length: 4, message }
    } else if (code === 'ACPI_CHECKSUM') {
      // The sum of a table that was cut says nothing.
      if (!isCut) yield { rule: rules.checksum ?? ACPI_RULES.checksum, offset, length: 1, message }
    } else {
      const within = holding(extents, offset)
      const isInner = within !== undefined && offset > within.start
      const rule = (isInner ? rules.inner : rules.outer)?.[code]
      if (rule === null) continue
      const length = Math.min(room, (within?.end ?? bytes.length) - offset)
      if (rule !== undefined) yield { rule, offset, length, message }
      else if (code === 'ACPI_TRAILING') yield { rule: ACPI_RULES.unowned, offset, length, message }
    }
  }
}
