import type { AnnotatedLine, AnyField, BitField, Bits, NestedField, Struct } from '@dmascope/layout'
import { formatBits, hexPair } from '@dmascope/layout'
import { toHex, toText } from './hex.ts'

/** What a field's value says in words; `base` is where its structure starts. */
type Explain = (lo: number, hi: number, view: DataView, base: number) => string

/** What a field's values mean: flags, names of values, or words made from the value. */
type Meaning = Bits | Readonly<Record<number, string>> | Explain | 'text'

/** A structure and what its fields mean. */
export interface Form {
  readonly of: Struct<object>
  readonly meaning?: Readonly<Record<string, Meaning>>
  /** What a record in [base, end) says as a whole, for the line that opens it. */
  readonly summary?: (view: DataView, base: number, end: number) => string
}

/** Words that are not written as a capital and small letters. */
const WORDS: Readonly<Record<string, string>> = {
  Acpi: 'ACPI',
  Apic: 'APIC',
  Ats: 'ATS',
  Bdf: 'BDF',
  Dte: 'DTE',
  Efr: 'EFR',
  Efr2: 'EFR2',
  Gerr: 'GERR',
  Gic: 'GIC',
  Gsiv: 'GSIV',
  Hpet: 'HPET',
  Id: 'ID',
  Ids: 'IDs',
  Io: 'I/O',
  Iommu: 'IOMMU',
  Its: 'ITS',
  Itss: 'ITSs',
  Iwb: 'IWB',
  Msi: 'MSI',
  Oem: 'OEM',
  Ospm: 'OSPM',
  Pasid: 'PASID',
  Pci: 'PCI',
  Pmu: 'PMU',
  Pri: 'PRI',
  Spi: 'SPI',
  Uid: 'UID',
  Vatos: 'VATOS',
  X2apic: 'x2APIC',
}

/** `registerBaseAddress` as `Register Base Address`; names that the specification writes as one word stay. */
export function fieldLabel(name: string): string {
  if (/^reserved(?:_\d+)?$/.test(name)) return 'Reserved'
  if (/^[A-Z0-9]/.test(name) || name.includes('_')) return name
  const words = name.replace(/([A-Z])/g, ' $1').split(' ')
  return words
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .map((word) => WORDS[word] ?? word)
    .join(' ')
}

const isBits = (meaning: Meaning): meaning is Bits => typeof meaning === 'object' && 'fields' in meaning

function meaningOf(meaning: Meaning | undefined, lo: number, hi: number, view: DataView, base: number): string {
  if (meaning === undefined || meaning === 'text') return ''
  if (typeof meaning === 'function') return meaning(lo, hi, view, base)
  if (!isBits(meaning)) return (meaning as Readonly<Record<number, string>>)[lo] ?? (lo === 0 ? '' : 'unknown')
  const words = Object.values(meaning.fields as Record<string, BitField>)
  const shown = lo === 0 && hi === 0 ? [] : [formatBits(meaning, lo, hi)]
  const known = words.reduce((mask, word) => mask | word.loMask, 0)
  const rest = (lo & ~known) >>> 0
  if (rest !== 0) shown.push(`reserved=0x${rest.toString(16)}`)
  return shown.filter((text) => text !== '0').join(' ')
}

/** The lines of a structure's fields that lie within `limit` bytes of `base`. */
export function annotate(
  form: Form,
  view: DataView,
  base: number,
  depth: number,
  limit = form.of.size,
): AnnotatedLine[] {
  const lines: AnnotatedLine[] = []
  const visit = (fields: Record<string, AnyField>, prefix: string, meanings: Form['meaning']): void => {
    for (const [name, one] of Object.entries(fields)) {
      if (one.offset + one.size > limit) return
      const meaning = meanings?.[name]
      if (one.kind === 'struct') {
        const inner = (one as NestedField<Record<string, AnyField>>).fields
        visit(inner, `${prefix}${fieldLabel(name)}.`, meanings)
        continue
      }
      const data = new Uint8Array(view.buffer, view.byteOffset + base + one.offset, one.size)
      const line = {
        offset: base + one.offset,
        size: one.size,
        bytes: toHex(data),
        field: prefix + fieldLabel(name),
        depth,
      }
      if (one.kind === 'bytes') {
        const value = meaning === 'text' ? JSON.stringify(toText(data)).replaceAll('\\u0000', '\\0') : toHex(data)
        lines.push({ ...line, value, meaning: '' })
      } else if (one.kind === 'le64') {
        const lo = view.getUint32(base + one.offset, true)
        const hi = view.getUint32(base + one.offset + 4, true)
        lines.push({ ...line, value: `0x${hexPair(hi, lo)}`, meaning: meaningOf(meaning, lo, hi, view, base) })
      } else {
        const value = (one as { get(view: DataView, base: number): number }).get(view, base)
        const text = `0x${value.toString(16).padStart(one.size * 2, '0')}`
        lines.push({ ...line, value: text, meaning: meaningOf(meaning, value, 0, view, base) })
      }
    }
  }
  visit(form.of.fields as Record<string, AnyField>, '', form.meaning)
  return lines
}

/** Raw bytes, sixteen a line. */
export function annotateRaw(field: string, view: DataView, start: number, end: number, depth: number): AnnotatedLine[] {
  const lines: AnnotatedLine[] = []
  for (let offset = start; offset < end; offset += 16) {
    const size = Math.min(16, end - offset)
    const data = new Uint8Array(view.buffer, view.byteOffset + offset, size)
    const value = toText(data).replace(/[^\x20-\x7e]/g, '.')
    lines.push({ offset, size, bytes: toHex(data), field, value, meaning: '', depth })
  }
  return lines
}

const spaced = (digits: string): string => digits.replace(/../g, '$& ').trimEnd()

/**
 * Lines as text, in columns: offset, bytes, field, value, meaning. Fields of more than sixteen bytes go on in lines of
 * bytes alone, so that nothing is left out. `address` is added to every offset.
 */
export function printLines(lines: readonly AnnotatedLine[], address = 0): string {
  const digits = Math.max(3, (address + (lines.at(-1)?.offset ?? 0)).toString(16).length)
  const bytesWidth = Math.min(47, Math.max(0, ...lines.map((line) => spaced(line.bytes).length)))
  const fieldWidth = Math.max(0, ...lines.map((line) => line.field.length + line.depth * 2))
  const row = (offset: number, bytes: string): string =>
    `${(address + offset).toString(16).padStart(digits, '0')}  ${spaced(bytes).padEnd(bytesWidth)}`
  return lines
    .flatMap(({ offset, bytes, field, value, meaning, depth }) => {
      const label = `${'  '.repeat(depth)}${field}`.padEnd(fieldWidth)
      const first = `${row(offset, bytes.slice(0, 32))}  ${label}  ${value}${meaning && `  ${meaning}`}`.trimEnd()
      const more = [first]
      for (let at = 32; at < bytes.length; at += 32) more.push(row(offset + at / 2, bytes.slice(at, at + 32)).trimEnd())
      return more
    })
    .join('\n')
}
