import { EXT_OP, OP } from './opcodes.ts'

/**
 * An encoder for the AML that a host bridge and its interrupts need. Every function answers the bytes of one term;
 * terms nest by being passed on.
 */
export type Aml = Uint8Array

/** Terms one after the other. */
export const join = (...parts: readonly Aml[]): Aml => put([], parts)

const of = (...values: number[]): Aml => bytesOf(values)

/** Element by element: the constructor would look for an iterator first. */
export function bytesOf(values: readonly number[]): Aml {
  const bytes = new Uint8Array(values.length)
  for (let index = 0; index < values.length; index++) bytes[index] = values[index]!
  return bytes
}

/** Bytes, and terms behind them. */
function put(lead: readonly number[], parts: readonly Aml[]): Aml {
  const out = new Uint8Array(lead.length + sizeOf(parts))
  for (let index = 0; index < lead.length; index++) out[index] = lead[index]!
  let offset = lead.length
  for (const part of parts) {
    out.set(part, offset)
    offset += part.length
  }
  return out
}

function sizeOf(parts: readonly Aml[]): number {
  let size = 0
  for (const part of parts) size += part.length
  return size
}

/** Little-endian bytes of a Number below 2^53, behind those that there are. */
export function pushLittleEndian(bytes: number[], value: number, size: number): number[] {
  for (let index = 0, rest = value; index < size; index++, rest = Math.floor(rest / 0x100)) bytes.push(rest % 0x100)
  return bytes
}

/** An operator, PkgLength, which counts itself, and what it spans: ACPI 6.5 §20.2.4. */
function withLength(operator: readonly number[], ...content: readonly Aml[]): Aml {
  const length = sizeOf(content)
  if (length + 1 <= 0x3f) return put([...operator, length + 1], content)
  const extra = length + 2 <= 0xfff ? 1 : length + 3 <= 0xf_ffff ? 2 : 3
  const total = length + 1 + extra
  if (total > 0xfff_ffff) throw new RangeError(`a package of ${length} bytes: AML ends at 2^28`)
  const lead = (extra << 6) | (total & 0xf)
  return put(pushLittleEndian([...operator, lead], Math.floor(total / 16), extra), content)
}

const SEGMENT_SIZE = 4
const ROOT = 0x5c
const PARENT = 0x5e
/** `_`, which is a letter of names too. */
const PADDING = 0x5f
const DOT = 0x2e

/**
 * A name: `PCI0`, `\\_SB.PCI0`, `^LNKA`. Segments are padded to four characters.
 *
 * @throws TypeError where a segment is no AML name
 */
export function nameString(path: string): Aml {
  let prefix = path.charCodeAt(0) === ROOT ? 1 : 0
  if (prefix === 0) while (path.charCodeAt(prefix) === PARENT) prefix++
  const bytes: number[] = []
  for (let index = 0; index < prefix; index++) bytes.push(path.charCodeAt(index))
  let segments = path.length === prefix ? 0 : 1
  for (let index = prefix; index < path.length; index++) if (path.charCodeAt(index) === DOT) segments++
  if (segments === 0) bytes.push(0)
  else if (segments === 2) bytes.push(OP.DualNamePrefix)
  else if (segments > 2) bytes.push(OP.MultiNamePrefix, segments)
  for (let from = prefix, left = segments; left > 0; left--) {
    const dot = left === 1 ? path.length : path.indexOf('.', from)
    putSegment(bytes, path, from, dot)
    from = dot + 1
  }
  return bytesOf(bytes)
}

function putSegment(bytes: number[], path: string, from: number, end: number): void {
  for (let index = from; index < end; index++) {
    const code = path.charCodeAt(index)
    const isDigit = code >= 0x30 && code <= 0x39
    if (
      index - from < SEGMENT_SIZE &&
      ((code >= 0x41 && code <= 0x5a) || code === PADDING || (isDigit && index > from))
    )
      bytes.push(code)
    else throw noName(path, path.slice(from, end))
  }
  if (end === from) throw noName(path, '')
  for (let index = end; index < from + SEGMENT_SIZE; index++) bytes.push(PADDING)
}

const noName = (path: string, segment: string): TypeError =>
  new TypeError(`${JSON.stringify(path)}: ${JSON.stringify(segment)} is no AML name`)

/** An integer in its shortest encoding. @throws RangeError outside [0, 2^53) */
export function integer(value: number): Aml {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`AML integer ${value} is outside [0, 2^53)`)
  if (value <= 1) return of(value)
  if (value <= 0xff) return of(OP.BytePrefix, value)
  const size = value <= 0xffff ? 2 : value <= 0xffff_ffff ? 4 : 8
  const prefix = size === 2 ? OP.WordPrefix : size === 4 ? OP.DWordPrefix : OP.QWordPrefix
  return bytesOf(pushLittleEndian([prefix], value, size))
}

/** A string of ASCII characters. @throws TypeError on others, and on NUL */
export function text(value: string): Aml {
  const codes = [...value].map((character) => character.charCodeAt(0))
  if (codes.some((code) => code === 0 || code > 0x7f)) {
    throw new TypeError(`AML string ${JSON.stringify(value)} is not ASCII without NUL`)
  }
  return of(OP.StringPrefix, ...codes, 0)
}

export const buffer = (data: Uint8Array): Aml => withLength([OP.BufferOp], integer(data.length), data)

/** A package of terms, names among them. @throws RangeError above 255 elements */
export function pkg(...elements: readonly Aml[]): Aml {
  if (elements.length > 255) throw new RangeError(`a package of ${elements.length} elements: the limit is 255`)
  return withLength([OP.PackageOp], of(elements.length), ...elements)
}

/** A package whose length is an expression, which takes more than 255 terms too. */
export const varPackage = (...elements: readonly Aml[]): Aml =>
  withLength([OP.VarPackageOp], integer(elements.length), ...elements)

/** A buffer of a string's UTF-16, NUL at the end: what ASL's `Unicode` makes. */
export const unicode = (value: string): Aml =>
  buffer(Uint8Array.from([...`${value}\0`].flatMap((letter) => pushLittleEndian([], letter.charCodeAt(0), 2))))

const UUID = /^([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})$/

/** A buffer of a UUID, written in lower case, its first three groups little-endian: ACPI 6.5 §19.6.142. @throws TypeError */
export function uuid(value: string): Aml {
  const match = UUID.exec(value)
  if (match === null) throw new TypeError(`${JSON.stringify(value)} is no UUID`)
  const groups = match.slice(1).map((group) => group.match(/../g)!.map((byte) => Number.parseInt(byte, 16)))
  return buffer(Uint8Array.from(groups.flatMap((group, index) => (index < 3 ? group.reverse() : group))))
}

/** A compressed EISA ID such as `PNP0A08`. @throws TypeError where `id` is none */
export function eisaId(id: string): Aml {
  if (!/^[A-Z]{3}[0-9A-F]{4}$/.test(id)) throw new TypeError(`${JSON.stringify(id)} is no EISA ID such as PNP0A08`)
  const letters = [0, 1, 2].map((index) => id.charCodeAt(index) - 0x40)
  const vendor = (letters[0]! << 10) | (letters[1]! << 5) | letters[2]!
  const product = Number.parseInt(id.slice(3), 16)
  // Stored big-endian within the little-endian integer.
  return of(OP.DWordPrefix, vendor >> 8, vendor & 0xff, product >> 8, product & 0xff)
}

export const name = (path: string, value: Aml): Aml => put([OP.NameOp], [nameString(path), value])

export const scope = (path: string, ...terms: readonly Aml[]): Aml =>
  withLength([OP.ScopeOp], nameString(path), ...terms)

export const device = (path: string, ...terms: readonly Aml[]): Aml =>
  withLength([OP.ExtOpPrefix, EXT_OP.DeviceOp], nameString(path), ...terms)

/** A method that is not serialized. @throws RangeError above seven arguments */
export function method(path: string, argumentCount: number, ...terms: readonly Aml[]): Aml {
  if (!(argumentCount >= 0 && argumentCount <= 7))
    throw new RangeError(`a method of ${argumentCount} arguments: 0 to 7`)
  return withLength([OP.MethodOp], nameString(path), of(argumentCount), ...terms)
}

/** A method that one caller at a time runs. @throws RangeError above seven arguments */
export function serializedMethod(path: string, argumentCount: number, ...terms: readonly Aml[]): Aml {
  if (!(argumentCount >= 0 && argumentCount <= 7))
    throw new RangeError(`a method of ${argumentCount} arguments: 0 to 7`)
  return withLength([OP.MethodOp], nameString(path), of(argumentCount | 8), ...terms)
}

/** Registers in memory that fields name: ACPI 6.5 §19.6.100. */
export const memoryRegion = (path: string, address: number, length: number): Aml =>
  put([OP.ExtOpPrefix, EXT_OP.OpRegionOp], [nameString(path), of(0), integer(address), integer(length)])

/** One 32-bit field at a region's start, accessed by 32 bits, whose other bits are written as zeros. */
export const wordField = (region: string, fieldName: string): Aml =>
  withLength([OP.ExtOpPrefix, EXT_OP.FieldOp], nameString(region), of(0x43), nameString(fieldName), of(32))

/** Argument `index` of the method around it, 0 to 6. */
export const arg = (index: number): Aml => of(OP.Arg0Op + index)

/** Local variable `index` of the method around it, 0 to 7. */
export const local = (index: number): Aml => of(OP.Local0Op + index)

/** No target: the result of an operator is not stored. */
const NULL_NAME = of(0)
export const and = (left: Aml, right: Aml, target: Aml = NULL_NAME): Aml => join(of(OP.AndOp), left, right, target)
export const or = (left: Aml, right: Aml, target: Aml = NULL_NAME): Aml => join(of(OP.OrOp), left, right, target)
export const not = (operand: Aml): Aml => join(of(OP.LnotOp), operand)
export const notify = (target: string, value: number): Aml => join(of(OP.NotifyOp), nameString(target), integer(value))

/** Names four bytes of a buffer. */
export const dwordField = (source: Aml, byteIndex: number, path: string): Aml =>
  join(of(OP.CreateDWordFieldOp), source, integer(byteIndex), nameString(path))

export const store = (value: Aml, target: Aml): Aml => join(of(OP.StoreOp), value, target)
export const equal = (left: Aml, right: Aml): Aml => join(of(OP.LEqualOp), left, right)
export const returns = (value: Aml): Aml => join(of(OP.ReturnOp), value)

/** If, and else where `otherwise` is not empty. */
export const when = (condition: Aml, then: readonly Aml[], otherwise: readonly Aml[] = []): Aml =>
  join(
    withLength([OP.IfOp], condition, ...then),
    otherwise.length > 0 ? withLength([OP.ElseOp], ...otherwise) : new Uint8Array(0),
  )
