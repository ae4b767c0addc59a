import type { PropertyValue } from '@dmascope/machine'
import { type Place, refusal } from './refusal.ts'

/** An option's `key=value` pairs; a key that stands twice has its last value. */
export type Pairs = ReadonlyMap<string, PropertyValue>

export interface KeyValueSyntax {
  /** The key of a first value that stands without one: `driver` in `-device e1000e,id=n`. */
  readonly implied?: string
  /** `keyval` refuses a key without a value; `opts`, the older syntax, reads `foo` as foo=on and `nofoo` as foo=off. */
  readonly style: 'opts' | 'keyval'
  /** Whether the option also takes a JSON object. */
  readonly json?: boolean
}

/** `a,b=c,,d` is `a` and `b=c,d`: a comma in a value is doubled. */
export function splitAtCommas(text: string): string[] {
  const parts: string[] = []
  let part = ''
  for (let index = 0; index < text.length; index++) {
    if (text[index] !== ',') part += text[index]
    else if (text[index + 1] === ',') {
      part += ','
      index++
    } else {
      parts.push(part)
      part = ''
    }
  }
  // A comma at the end is allowed, and ends nothing.
  if (part !== '' || parts.length === 0) parts.push(part)
  return parts
}

/**
 * Reads an option's argument.
 *
 * @throws DmascopeError QEMU_SYNTAX
 */
export function parseKeyValue(text: string, syntax: KeyValueSyntax, place: Place): Pairs {
  if (syntax.json && text.trimStart().startsWith('{')) return parseJson(text, place)
  const pairs = new Map<string, PropertyValue>()
  for (const [index, part] of splitAtCommas(text).entries()) {
    const equals = part.indexOf('=')
    if (equals > 0) {
      pairs.set(part.slice(0, equals), part.slice(equals + 1))
    } else if (index === 0 && syntax.implied !== undefined && equals < 0) {
      // An empty first value means that the implied key is not given: `-device ,id=x`.
      if (part !== '') pairs.set(syntax.implied, part)
    } else if (syntax.style === 'keyval' || equals === 0 || part === '') {
      throw refusal(
        'QEMU_SYNTAX',
        place,
        equals === 0 || part === '' ? `Invalid parameter '${part}'` : `Expected '=' after parameter '${part}'`,
        {
          part,
        },
      )
    } else if (part.startsWith('no') && part.length > 2) {
      pairs.set(part.slice(2), 'off')
    } else {
      pairs.set(part, 'on')
    }
  }
  return pairs
}

const MAX_DEPTH = 16

function flatten(prefix: string, value: unknown, into: Map<string, PropertyValue>, place: Place, depth: number): void {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
    into.set(prefix, value)
  } else if (typeof value === 'object' && value !== null && depth < MAX_DEPTH) {
    for (const [key, inner] of Object.entries(value)) {
      flatten(prefix === '' ? key : `${prefix}.${key}`, inner, into, place, depth + 1)
    }
  } else if (value !== null) {
    throw refusal('QEMU_SYNTAX', place, `the value of '${prefix}' is nested too deeply`)
  }
}

/** A JSON object; nested members become dotted keys, as in the other syntax. Null members are as if not given. */
function parseJson(text: string, place: Place): Pairs {
  let read: unknown
  try {
    read = JSON.parse(text)
  } catch (error) {
    throw refusal('QEMU_SYNTAX', place, `invalid JSON: ${(error as Error).message}`)
  }
  const pairs = new Map<string, PropertyValue>()
  flatten('', read, pairs, place, 0)
  return pairs
}

/** A value as text; null where the key is not given. */
export function textOf(pairs: Pairs, key: string): string | null {
  const value = pairs.get(key)
  return value === undefined ? null : String(value)
}

/** The first of several spellings that is given, as text. */
export function firstOf(pairs: Pairs, ...keys: readonly string[]): string | null {
  for (const key of keys) {
    const value = textOf(pairs, key)
    if (value !== null) return value
  }
  return null
}

const TRUE = ['on', 'yes', 'true', 'y']
const FALSE = ['off', 'no', 'false', 'n']

/** A switch. @throws DmascopeError QEMU_VALUE */
export function switchOf(pairs: Pairs, key: string, otherwise: boolean, place: Place): boolean {
  const value = pairs.get(key)
  if (value === undefined) return otherwise
  if (typeof value === 'boolean') return value
  if (TRUE.includes(String(value))) return true
  if (FALSE.includes(String(value))) return false
  throw refusal('QEMU_VALUE', place, `Parameter '${key}' expects 'on' or 'off', got '${value}'`, { key, value })
}
