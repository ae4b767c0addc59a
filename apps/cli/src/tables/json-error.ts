import { DmascopeError, nearestName } from '@dmascope/layout'
import { z } from 'zod'

type Issue = z.core.$ZodIssue
type Path = readonly PropertyKey[]

const KINDS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  array: 'a list',
  object: 'an object',
  nonoptional: 'an object',
}

/** `tables[0].table.header.oemId`. */
export const pathText = (path: Path): string =>
  path
    .map((step, index) => (typeof step === 'number' ? `[${step}]` : `${index === 0 ? '' : '.'}${String(step)}`))
    .join('')

const shown = (value: unknown): string => {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length > 60 ? `${text.slice(0, 60)}...` : text
}

function expected(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${KINDS[issue.expected] ?? issue.expected}`
    case 'invalid_value':
      return `expected ${issue.values.map(shown).join(' or ')}`
    case 'too_small':
      return `expected at least ${issue.minimum}`
    case 'too_big':
      if (issue.maximum === Number.MAX_SAFE_INTEGER) {
        return `expected at most 2^53 - 1, or a text of "0x" and up to 16 hexadecimal digits`
      }
      return `expected at most ${issue.maximum}`
    default:
      return issue.message
  }
}

const valueAt = (data: unknown, path: Path): unknown =>
  path.reduce<unknown>((at, step) => (at as Record<PropertyKey, unknown> | undefined)?.[step], data)

/** The schema of what stands at a path; of several, the one that the data there has chosen. */
function schemaAt(schema: z.ZodType, data: unknown, path: Path): z.ZodType | undefined {
  let at: z.ZodType | undefined = schema
  let value = data
  for (let index = 0; ; index++) {
    at = at && chosen(at, value)
    if (at === undefined || index === path.length) return at
    const step = path[index]!
    value = (value as Record<PropertyKey, unknown> | undefined)?.[step]
    if (at instanceof z.ZodArray) at = at.element as z.ZodType
    else at = at instanceof z.ZodObject ? (at.shape[String(step)] as z.ZodType | undefined) : undefined
  }
}

/** What an optional one wraps; of alternatives, the one whose literals the data has. */
function chosen(schema: z.ZodType, value: unknown): z.ZodType | undefined {
  if (schema instanceof z.ZodOptional) return chosen(schema.unwrap() as z.ZodType, value)
  if (!(schema instanceof z.ZodDiscriminatedUnion)) return schema
  const { discriminator } = schema.def
  const tag = (value as Record<string, unknown> | undefined)?.[discriminator]
  return (schema.options as z.ZodObject[]).find((one) => tagsOf(one, discriminator).includes(tag as string))
}

const tagsOf = (option: z.ZodObject, discriminator: string): string[] => [
  ...((option.shape[discriminator] as z.ZodLiteral<string>).values as Set<string>),
]

const listed = (names: readonly string[]): string => names.map((name) => JSON.stringify(name)).join(', ')

/**
 * The first thing that is wrong with plain data: its place in the document, what stands there, and what to write.
 *
 * @param data - what was held against `schema`; it stands at `at` of the document
 */
export function jsonError(issue: Issue, schema: z.ZodType, data: unknown, file: string, at: Path): DmascopeError {
  const path = [...at, ...issue.path]
  const where = pathText(path)
  const before = where === '' ? file : `${file}: ${where}`
  const there = schemaAt(schema, data, issue.path)
  if (issue.code === 'unrecognized_keys') {
    const key = issue.keys[0]!
    const known = there instanceof z.ZodObject ? Object.keys(there.shape) : []
    const nearest = nearestName(key, known)
    const hint = nearest === null ? `known are ${known.join(', ')}` : `did you mean ${JSON.stringify(nearest)}?`
    const message = `${before}: unknown key ${JSON.stringify(key)}; ${hint}`
    return new DmascopeError('BUILD_UNKNOWN_KEY', message, { file, path: pathText([...path, key]), key, nearest })
  }
  const value = valueAt(data, issue.path)
  const context = { file, path: where }
  const parent = schemaAt(schema, data, issue.path.slice(0, -1))
  if (issue.code === 'invalid_union' && 'discriminator' in issue)
    return unknownKind(issue, schema, data, before, context)
  if (value === undefined && parent instanceof z.ZodObject) {
    return new DmascopeError('BUILD_MISSING', `${before} is missing: ${expected(issue)}`, context)
  }
  return new DmascopeError('BUILD_VALUE', `${before}: ${expected(issue)}, not ${shown(value)}`, context)
}

/** A record whose `kind`, or an item whose `format`, is none of those that there are. */
function unknownKind(issue: Issue, schema: z.ZodType, data: unknown, before: string, context: object): DmascopeError {
  const union = schemaBefore(schema, data, issue.path.slice(0, -1))
  const tag = String(issue.path.at(-1))
  const options = union instanceof z.ZodDiscriminatedUnion ? (union.options as z.ZodObject[]) : []
  const known = options.flatMap((one) => tagsOf(one, tag))
  const value = valueAt(data, issue.path)
  const nearest = typeof value === 'string' ? nearestName(value, known) : null
  const hint = nearest === null ? `expected one of ${listed(known)}` : `did you mean ${JSON.stringify(nearest)}?`
  const what = value === undefined ? ' is missing' : `: ${shown(value)} is none that is known`
  return new DmascopeError('BUILD_VALUE', `${before}${what}; ${hint}`, { ...context, nearest })
}

/** The alternatives at a path, before the data chose. */
function schemaBefore(schema: z.ZodType, data: unknown, path: Path): z.ZodType | undefined {
  if (path.length === 0) return schema
  const above = schemaAt(schema, data, path.slice(0, -1))
  const step = path.at(-1)!
  const inner =
    above instanceof z.ZodArray ? above.element : above instanceof z.ZodObject ? above.shape[String(step)] : undefined
  return inner instanceof z.ZodOptional ? (inner.unwrap() as z.ZodType) : (inner as z.ZodType | undefined)
}

/** Where JSON.parse stopped, as line and column. */
export function syntaxError(error: unknown, text: string, file: string): DmascopeError {
  const { message } = error as Error
  const position = /at position (\d+)/.exec(message)
  const offset = position === null ? text.length : Number(position[1])
  const lines = text.slice(0, offset).split('\n')
  const where = `${file}:${lines.length}:${(lines.at(-1)?.length ?? 0) + 1}`
  const what = message.replace(/ (?:in JSON )?at position \d+.*$/, '').replace(/^JSON\.parse: /, '')
  return new DmascopeError(
    'BUILD_SYNTAX',
    `${where}: it is no JSON: ${what}; make some with: dmascope decode --format json FILE`,
    { file, offset },
  )
}
