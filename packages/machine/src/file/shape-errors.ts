import { DmascopeError, nearestName } from '@dmascope/layout'
import type { z } from 'zod'
import { MACHINE_FILE } from './schema.ts'
import type { SourceFile } from './source.ts'

type Issue = z.core.$ZodIssue

const KINDS: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping of keys to values',
  record: 'a mapping of keys to values',
}

const show = (value: unknown): string => (typeof value === 'string' ? `'${value}'` : String(value))

/** What was expected, in words. */
function expected(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${KINDS[issue.expected] ?? issue.expected}`
    case 'invalid_value':
      return `expected ${issue.values.map(show).join(' or ')}`
    case 'invalid_union': {
      const kinds = issue.errors.flatMap((branch) => branch.slice(0, 1).map(expected))
      return [...new Set(kinds)].join(' or ').replaceAll(' or expected ', ' or ')
    }
    case 'too_small':
      return `expected at least ${issue.minimum}`
    case 'too_big':
      return `expected at most ${issue.maximum}`
    case 'invalid_format':
      return 'expected letters, digits, - . _, starting with a letter'
    default:
      return issue.message
  }
}

/** The keys that a mapping at this path may have. */
function keysAt(path: readonly PropertyKey[]): readonly string[] {
  const devices = MACHINE_FILE.shape.devices.unwrap().element
  if (path.length === 0) return Object.keys(MACHINE_FILE.shape)
  return path.at(-1) === 'backend' ? Object.keys(devices.shape.backend.unwrap().shape) : []
}

const pathText = (path: readonly PropertyKey[]): string =>
  path
    .map((step, index) => (typeof step === 'number' ? `[${step}]` : `${index === 0 ? '' : '.'}${String(step)}`))
    .join('')

/** The first thing that is wrong with a file's shape, with its place, and what to write instead. */
export function shapeError(issue: Issue, source: SourceFile): DmascopeError {
  if (issue.code === 'unrecognized_keys') {
    const key = issue.keys[0]!
    const known = keysAt(issue.path)
    const nearest = nearestName(key, known)
    const hint = nearest === null ? `; known are ${known.join(', ')}` : `; did you mean '${nearest}'?`
    return new DmascopeError(
      'MACHINE_FILE_UNKNOWN_KEY',
      `${source.whereKey([...issue.path, key])}: unknown key '${key}'${known.length > 0 ? hint : ''}`,
      { key, nearest },
    )
  }
  const where = source.where(issue.path)
  const what = pathText(issue.path)
  const missing = issue.code === 'invalid_type' && issue.input === undefined && what !== ''
  const nested = issue.path.length === 3 && issue.path[0] === 'devices' && issue.path[2] === 'properties'
  if (nested) {
    return new DmascopeError(
      'MACHINE_FILE_UNKNOWN_KEY',
      `${source.whereKey(issue.path)}: unknown key 'properties'; a device's properties stand beside its model`,
      { key: 'properties' },
    )
  }
  return new DmascopeError(
    'MACHINE_FILE_VALUE',
    `${where}: ${what === '' ? 'the file' : what}: ${expected(issue)}${missing ? ', and it is missing or empty' : ''}`,
    { path: what },
  )
}
