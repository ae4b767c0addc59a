import { bytesFromCells, bytesFromStrings, textFromBytes, type U64, u64FromPair } from './values.ts'

/** What a property can be made of: nothing, text, texts, a cell, cells, or bytes. */
export type PropertyInput = true | string | readonly string[] | number | readonly number[] | Uint8Array

/**
 * A property: a name, and bytes that say nothing of their type; the accessors read them as what the binding says.
 *
 * The value lies at `start` in `data`, which it may share with a whole blob: reading a tree copies no value.
 */
export class DtProperty {
  /** One character a byte. */
  readonly name: string
  /** The memory that holds the value, and perhaps much else. */
  readonly data: Uint8Array
  readonly start: number
  /** Bytes. */
  readonly length: number
  /** Where the strings block of the blob that it was read from has its name; -1 where it was made otherwise. */
  readonly nameOffset: number
  /** Of a source text. */
  readonly labels: readonly string[]

  /** @throws RangeError where the value does not lie within `data`, or the name is empty, or not of bytes */
  constructor(
    name: string,
    data: Uint8Array,
    start = 0,
    length = data.length - start,
    nameOffset = -1,
    labels: readonly string[] = NO_LABELS,
  ) {
    if (start < 0 || length < 0 || start + length > data.length) {
      throw new RangeError(`${name}: [${start}, ${start + length}) does not lie within ${data.length} bytes`)
    }
    this.name = name
    this.data = data
    this.start = start
    this.length = length
    this.nameOffset = nameOffset
    this.labels = labels
  }

  /** A view of the value, not a copy. */
  get value(): Uint8Array {
    return this.data.subarray(this.start, this.start + this.length)
  }

  /** Whole cells; bytes behind the last are left out. */
  get cellCount(): number {
    return this.length >>> 2
  }

  /** The big-endian word at `index`; undefined past the end. */
  cell(index: number): number | undefined {
    if (!(index >= 0 && index < this.length >>> 2)) return undefined
    const at = this.start + index * 4
    const { data } = this
    return ((data[at]! << 24) | (data[at + 1]! << 16) | (data[at + 2]! << 8) | data[at + 3]!) >>> 0
  }

  /** All whole cells. */
  cells(): number[] {
    const cells: number[] = []
    for (let index = 0; index < this.length >>> 2; index++) cells.push(this.cell(index)!)
    return cells
  }

  /** Two cells from `index` on, the higher first; undefined past the end. */
  u64(index = 0): U64 | undefined {
    const lo = this.cell(index + 1)
    return lo === undefined ? undefined : u64FromPair(this.cell(index)!, lo)
  }

  /** The texts, from UTF-8; a last one without its NUL counts too. */
  strings(): string[] {
    const strings: string[] = []
    const end = this.start + this.length
    for (let at = this.start; at < end; ) {
      const stop = this.data.indexOf(0, at)
      const last = stop === -1 || stop > end ? end : stop
      strings.push(textFromBytes(this.data, at, last))
      at = last + 1
    }
    return strings
  }

  /** The first text; undefined where the value is empty. */
  string(): string | undefined {
    if (this.length === 0) return undefined
    const stop = this.data.indexOf(0, this.start)
    const end = this.start + this.length
    return textFromBytes(this.data, this.start, stop === -1 || stop > end ? end : stop)
  }

  /** Whether name and value are the same bytes; labels do not count. */
  equals(other: DtProperty): boolean {
    if (this.name !== other.name || this.length !== other.length) return false
    for (let index = 0; index < this.length; index++) {
      if (this.data[this.start + index] !== other.data[other.start + index]) return false
    }
    return true
  }
}

export const NO_LABELS: readonly string[] = Object.freeze([])

/** Names are bytes, one a character, and end at NUL. @throws RangeError naming what is wrong with one */
export function checkName(name: string, what: 'node' | 'property'): void {
  for (let index = 0; index < name.length; index++) {
    const code = name.charCodeAt(index)
    if (code === 0 || code > 0xff) {
      throw new RangeError(`${what} name ${JSON.stringify(name)}: character ${index} is no byte in [0x01, 0xff]`)
    }
  }
}

/**
 * A property of plain data: `true` is empty, texts get their NUL, numbers become cells.
 *
 * @throws RangeError where a number does not fit in a cell, or a text or the name contains NUL
 */
export function property(name: string, input: PropertyInput): DtProperty {
  checkName(name, 'property')
  if (input === true) return new DtProperty(name, EMPTY)
  if (input instanceof Uint8Array) return new DtProperty(name, input)
  if (typeof input === 'string') return new DtProperty(name, bytesFromStrings([input]))
  if (typeof input === 'number') return new DtProperty(name, bytesFromCells([input]))
  if (input.length === 0) return new DtProperty(name, EMPTY)
  return typeof input[0] === 'string'
    ? new DtProperty(name, bytesFromStrings(input as readonly string[]))
    : new DtProperty(name, bytesFromCells(input as readonly number[]))
}

const EMPTY = new Uint8Array(0)
