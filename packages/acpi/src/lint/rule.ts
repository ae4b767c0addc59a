/**
 * `error`: Linux rejects the table, or a part of it, or DMA or interrupts cannot be right. `warning`: Linux complains and
 * goes on, or the specification is violated. `note`: worth knowing.
 */
export type LintLevel = 'error' | 'warning' | 'note'

/** Something that can be wrong with a table. IDs are stable and never reused; each has a page under docs/findings. */
export interface LintRule {
  readonly id: string
  readonly level: LintLevel
  /** What is wrong, in one line. */
  readonly title: string
  /** Why it matters. */
  readonly why: string
  /** What Linux 6.12 does with it, in its own words where it has some. */
  readonly kernel: string
  /** How to mend it. */
  readonly fix: string
}

/** A rule that a table trips, and where. */
export interface LintFinding {
  readonly rule: LintRule
  /** Byte in the table. */
  readonly offset: number
  /** How many bytes it is about. */
  readonly length: number
  /** What is wrong, with the values at hand. */
  readonly message: string
}

interface RuleText extends Omit<LintRule, 'id'> {
  readonly number: number
}

/** The rules of a family, by names for the code that checks them. */
export function defineRules<Name extends string>(
  family: string,
  rules: Record<Name, RuleText>,
): Readonly<Record<Name, LintRule>> {
  const made = {} as Record<Name, LintRule>
  for (const name in rules) {
    const { number, ...text } = rules[name]
    made[name] = { id: `${family}-${String(number).padStart(4, '0')}`, ...text }
  }
  return made
}

/** A field as the layouts have it. */
interface FieldPlace {
  readonly offset: number
  readonly size: number
}

/** A finding about one field of the structure at `base`. */
export const inField = (rule: LintRule, base: number, field: FieldPlace, message: string): LintFinding => ({
  rule,
  offset: base + field.offset,
  length: field.size,
  message,
})

/** A list for people: `a, b and 3 more`. */
export function listSome(names: readonly string[], most = 8): string {
  if (names.length <= most + 1) return names.join(', ')
  return `${names.slice(0, most).join(', ')} and ${names.length - most} more`
}
