export { type AnnotatedLine, type AnnotationOptions, type AnnotationStyle, formatAnnotated } from './annotated-text.ts'
export type { Access, BitField, BitRange, BitSpec, Bits, FieldSpec } from './bits.ts'
export { addr, bits, field, formatBits, formatWord } from './bits.ts'
export { DmascopeError } from './error.ts'
export type { AnyField, ArrayField, BytesField, Kind, NestedField, QuadField, WordField } from './kinds.ts'
export {
  array,
  be16,
  be32,
  be64,
  bytes,
  hexPair,
  highWord,
  le16,
  le32,
  le64,
  lowWord,
  numberFromPair,
  u8,
} from './kinds.ts'
export { nearestName } from './nearest-name.ts'
export type { PrintedField } from './print.ts'
export { describeBits, describeRegisters, describeStruct, printStruct, printWord } from './print.ts'
export type { Register, RegisterSpec, Registers, WriteRule } from './registers.ts'
export {
  nextValue,
  nextValueHigh,
  readValue,
  readValueHigh,
  reg8,
  reg16,
  reg32,
  reg64,
  registers,
} from './registers.ts'
export type { Struct } from './struct.ts'
export { struct } from './struct.ts'
