import { type Bits, formatBits, formatWord } from './bits.ts'
import type { AnyField, ArrayField, BytesField, NestedField, QuadField, WordField } from './kinds.ts'
import { hexPair } from './kinds.ts'
import type { Registers } from './registers.ts'
import type { Struct } from './struct.ts'

/** One field of a structure as it stands in memory, for a person. */
export interface PrintedField {
  /** Dotted for nested structures, with an index for arrays. */
  readonly name: string
  readonly offset: number
  readonly size: number
  readonly text: string
}

const hexBytes = (data: Uint8Array): string => Array.from(data, (byte) => byte.toString(16).padStart(2, '0')).join(' ')

function* walk(name: string, any: AnyField, view: DataView, base: number): Generator<PrintedField> {
  const row = (text: string): PrintedField => ({ name, offset: any.offset, size: any.size, text })
  switch (any.kind) {
    case 'struct':
      for (const [inner, child] of Object.entries((any as NestedField<Record<string, AnyField>>).fields)) {
        yield* walk(`${name}.${inner}`, child, view, base)
      }
      break
    case 'array': {
      const list = any as ArrayField<AnyField>
      for (let index = 0; index < list.length; index++) yield* walk(`${name}[${index}]`, list.at(index), view, base)
      break
    }
    case 'bytes':
      yield row(hexBytes((any as BytesField).get(view, base)))
      break
    case 'le64':
    case 'be64': {
      const long = any as QuadField
      yield row(`0x${hexPair(long.hi.get(view, base), long.lo.get(view, base))}`)
      break
    }
    default: {
      const short = any as WordField
      yield row(
        `0x${short
          .get(view, base)
          .toString(16)
          .padStart(short.size * 2, '0')}`,
      )
    }
  }
}

/** Every field of the structure at `base`, nested ones flattened, in the order of memory. */
export function printStruct(of: Struct<object>, view: DataView, base = 0): PrintedField[] {
  return Object.entries(of.fields as Record<string, AnyField>).flatMap(([name, any]) => [
    ...walk(name, any, view, base),
  ])
}

/** `GSTS_REG 0x80000000: TES=1`. */
export const printWord = (word: Bits, lo: number, hi = 0): string =>
  `${word.name} ${formatWord(word, lo, hi)}: ${formatBits(word, lo, hi)}`

const bitRange = (high: number, low: number): string => (high === low ? String(high) : `${high}:${low}`)

/** A Markdown table of a word's fields, for the documentation. */
export function describeBits(word: Bits): string {
  const rows = Object.values(word.fields)
    .sort((a, b) => b.high - a.high)
    .map(({ name, high, low, access, values }) => {
      const named = Object.entries(values ?? {})
        .map(([value, label]) => `${value} ${label}`)
        .join(', ')
      return `| ${bitRange(high, low)} | ${name} | ${access ?? ''} | ${named} |`
    })
  return [
    `**${word.name}** (${word.source})`,
    '',
    '| Bits | Field | Access | Values |',
    '|---|---|---|---|',
    ...rows,
  ].join('\n')
}

/** A Markdown table of a register file. */
export function describeRegisters(file: Registers): string {
  const rows = Object.values(file.registers).map(
    ({ name, offset, width, access }) =>
      `| 0x${offset.toString(16).padStart(3, '0')} | ${name} | ${width} | ${access} |`,
  )
  return [
    `**${file.name}** (${file.source})`,
    '',
    '| Offset | Register | Bits | Access |',
    '|---|---|---|---|',
    ...rows,
  ].join('\n')
}

/** A Markdown table of a structure's fields. */
export function describeStruct(of: Struct<object>): string {
  const rows = Object.entries(of.fields as Record<string, AnyField>).map(
    ([name, any]) => `| ${any.offset} | ${any.size} | ${name} | ${any.kind} |`,
  )
  return [
    `**${of.name}** (${of.source}), ${of.size} bytes`,
    '',
    '| Offset | Size | Field | Kind |',
    '|---|---|---|---|',
    ...rows,
  ].join('\n')
}
