import { type AmlValue, isPackage, NotDecodable } from './objects.ts'
import { OP } from './opcodes.ts'

/** Operators of two integers and a target. */
export const BINARY: Readonly<Record<number, (left: bigint, right: bigint) => bigint>> = {
  [OP.AddOp]: (left, right) => left + right,
  [OP.SubtractOp]: (left, right) => left - right,
  [OP.MultiplyOp]: (left, right) => left * right,
  [OP.ShiftLeftOp]: (left, right) => (right > 63n ? 0n : left << right),
  [OP.ShiftRightOp]: (left, right) => (right > 63n ? 0n : left >> right),
  [OP.AndOp]: (left, right) => left & right,
  [OP.OrOp]: (left, right) => left | right,
  [OP.XorOp]: (left, right) => left ^ right,
}

/** Operators of two integers that answer all ones or zero. */
export const COMPARE: Readonly<Record<number, (left: bigint, right: bigint) => boolean>> = {
  [OP.LandOp]: (left, right) => left !== 0n && right !== 0n,
  [OP.LorOp]: (left, right) => left !== 0n || right !== 0n,
  [OP.LEqualOp]: (left, right) => left === right,
  [OP.LGreaterOp]: (left, right) => left > right,
  [OP.LLessOp]: (left, right) => left < right,
}

/** Bytes of the field that an operator creates in a buffer. */
export const FIELD_SIZE: Readonly<Record<number, number>> = {
  [OP.CreateByteFieldOp]: 1,
  [OP.CreateWordFieldOp]: 2,
  [OP.CreateDWordFieldOp]: 4,
  [OP.CreateQWordFieldOp]: 8,
}

/** An argument, or a local of the method around. @throws NotDecodable outside a method */
export function local(values: AmlValue[] | undefined, index: number, offset: number): AmlValue {
  const value = values?.[index]
  if (value === undefined) throw new NotDecodable(offset, 'an argument or local outside a method')
  return value
}

/** SizeOf. @throws NotDecodable for what has no size */
export function sizeOf(value: AmlValue, offset: number): bigint {
  if (typeof value === 'string' || value instanceof Uint8Array) return BigInt(value.length)
  if (isPackage(value)) return BigInt(value.elements.length)
  throw new NotDecodable(offset, 'SizeOf takes a string, a buffer or a package')
}

/** Index: an element of a package, a byte of a buffer. @throws NotDecodable where there is none */
export function elementOf(value: AmlValue, index: number, offset: number): AmlValue {
  const element = isPackage(value)
    ? value.elements[index]
    : value instanceof Uint8Array && index < value.length
      ? BigInt(value[index]!)
      : undefined
  if (element === undefined) throw new NotDecodable(offset, `element ${index} is not there`)
  return element
}
