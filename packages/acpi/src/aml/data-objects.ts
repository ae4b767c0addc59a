import type { Evaluator, Frame } from './evaluator.ts'
import { type AmlValue, NotDecodable } from './objects.ts'
import { AmlReader } from './reader.ts'

/** A buffer: its size, then the bytes that are given. @throws NotDecodable */
export function readBuffer(
  evaluator: Evaluator,
  reader: AmlReader,
  scope: string,
  frame: Frame | undefined,
): Uint8Array {
  const start = reader.position
  const end = reader.packageEnd()
  const inner = new AmlReader(reader.data, reader.position, end)
  reader.position = end
  const size = Number(evaluator.integer(inner, scope, frame))
  const given = reader.data.subarray(inner.position, end)
  if (size > 0x1_0000) throw new NotDecodable(start, `a buffer of ${size} bytes is not decoded`)
  evaluator.spend(size >> 6, start)
  const data = new Uint8Array(Math.max(size, given.length))
  data.set(given)
  return data
}

/** A package. Names in it stay references. @throws NotDecodable */
export function readPackage(
  evaluator: Evaluator,
  reader: AmlReader,
  scope: string,
  frame: Frame | undefined,
  variable: boolean,
): AmlValue {
  const end = reader.packageEnd()
  const inner = new AmlReader(reader.data, reader.position, end)
  reader.position = end
  const told = variable ? Number(evaluator.integer(inner, scope, frame)) : inner.byte()
  // Room for as many as there can be: an element takes a byte at least.
  const elements = new Array<AmlValue>(Math.min(told, end - inner.position))
  let count = 0
  while (inner.position < end) {
    elements[count++] = inner.isName()
      ? { kind: 'reference', name: inner.name(), scope }
      : evaluator.term(inner, scope, frame)
  }
  elements.length = count
  return { kind: 'package', elements }
}

/** A name for bytes of a buffer. @throws NotDecodable */
export function createField(
  evaluator: Evaluator,
  reader: AmlReader,
  scope: string,
  frame: Frame | undefined,
  size: number,
): null {
  const start = reader.position
  const data = evaluator.term(reader, scope, frame)
  const offset = Number(evaluator.integer(reader, scope, frame))
  const path = evaluator.namespace.place(reader.name(), scope)
  if (!(data instanceof Uint8Array) || offset + size > data.length) {
    throw new NotDecodable(start, 'a field lies outside its buffer')
  }
  evaluator.namespace.set(path, { kind: 'buffer-field', data, offset, size })
  return null
}
