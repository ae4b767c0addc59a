/**
 * The integer kinds that structures are made of. Kind names are those of the virtio and Linux headers: `le32` is an
 * unsigned 32-bit little-endian word. Every accessor takes a DataView and the byte offset of the structure's start.
 */

/** Reads and writes one integer field of at most 32 bits. Values are unsigned. */
export interface WordField {
  readonly kind: 'u8' | 'le16' | 'le32' | 'be16' | 'be32'
  /** Byte offset from the start of the structure. */
  readonly offset: number
  readonly size: number
  get(view: DataView, base: number): number
  set(view: DataView, base: number, value: number): void
}

/** One 64-bit field: as two unsigned halves, as a Number below 2^53, or as a BigInt (slow: never on a DMA path). */
export interface QuadField {
  readonly kind: 'le64' | 'be64'
  readonly offset: number
  readonly size: 8
  readonly lo: WordField
  readonly hi: WordField
  readonly number: {
    /** @throws RangeError where the stored value is 2^53 or above. */
    get(view: DataView, base: number): number
    /** @throws RangeError where `value` is not an integer in [0, 2^53). */
    set(view: DataView, base: number, value: number): void
  }
  readonly big: { get(view: DataView, base: number): bigint; set(view: DataView, base: number, value: bigint): void }
}

/** A run of bytes. `get` answers a view into the same memory, not a copy. */
export interface BytesField {
  readonly kind: 'bytes'
  readonly offset: number
  readonly size: number
  get(view: DataView, base: number): Uint8Array
  /** Copies `from` in and clears what remains. @throws RangeError where `from` is longer than the field. */
  set(view: DataView, base: number, from: Uint8Array): void
}

/** A fixed number of equal elements: `at(index)` is the accessor of one. */
export interface ArrayField<Element> {
  readonly kind: 'array'
  readonly offset: number
  readonly size: number
  readonly length: number
  /** Bytes from one element to the next. */
  readonly stride: number
  /** @throws RangeError outside [0, length). */
  at(index: number): Element
}

/** A structure within a structure. Its fields' offsets count from the outer structure's start. */
export interface NestedField<Fields> {
  readonly kind: 'struct'
  readonly offset: number
  readonly size: number
  readonly name: string
  readonly fields: Fields
}

export type AnyField = WordField | QuadField | BytesField | ArrayField<unknown> | NestedField<Record<string, unknown>>

/** A way to place a field at an offset: what `struct` is given for each name. */
export interface Kind<Field> {
  readonly size: number
  place(offset: number): Field
}

const word = (kind: WordField['kind'], size: number, get: Getter, set: Setter): Kind<WordField> => ({
  size,
  place: (offset) => ({ kind, offset, size, get: get(offset), set: set(offset) }),
})
type Getter = (offset: number) => (view: DataView, base: number) => number
type Setter = (offset: number) => (view: DataView, base: number, value: number) => void

// The six pairs below are written out: each closure then has one shape and one call site, which the JIT inlines.
export const u8: Kind<WordField> = word(
  'u8',
  1,
  (offset) => (view, base) => view.getUint8(base + offset),
  (offset) => (view, base, value) => view.setUint8(base + offset, value),
)
export const le16: Kind<WordField> = word(
  'le16',
  2,
  (offset) => (view, base) => view.getUint16(base + offset, true),
  (offset) => (view, base, value) => view.setUint16(base + offset, value, true),
)
export const le32: Kind<WordField> = word(
  'le32',
  4,
  (offset) => (view, base) => view.getUint32(base + offset, true),
  (offset) => (view, base, value) => view.setUint32(base + offset, value, true),
)
export const be16: Kind<WordField> = word(
  'be16',
  2,
  (offset) => (view, base) => view.getUint16(base + offset, false),
  (offset) => (view, base, value) => view.setUint16(base + offset, value, false),
)
export const be32: Kind<WordField> = word(
  'be32',
  4,
  (offset) => (view, base) => view.getUint32(base + offset, false),
  (offset) => (view, base, value) => view.setUint32(base + offset, value, false),
)

const TWO_32 = 0x1_0000_0000

/** The Number of an unsigned (hi, lo) pair. @throws RangeError at 2^53 and above. */
export function numberFromPair(hi: number, lo: number): number {
  if (hi >>> 0 >= 0x20_0000) {
    throw new RangeError(`0x${hexPair(hi, lo)} is 2^53 or above and has no exact Number; use .lo and .hi, or .big`)
  }
  return (hi >>> 0) * TWO_32 + (lo >>> 0)
}

/** The upper 32 bits of a Number below 2^53. */
export const highWord = (value: number): number => Math.floor(value / TWO_32) >>> 0

/** The lower 32 bits of a Number below 2^53. */
export const lowWord = (value: number): number => (value % TWO_32) >>> 0

/** Sixteen hexadecimal digits, without a prefix. */
export const hexPair = (hi: number, lo: number): string =>
  (hi >>> 0).toString(16).padStart(8, '0') + (lo >>> 0).toString(16).padStart(8, '0')

function quad(kind: QuadField['kind'], half: Kind<WordField>, loFirst: boolean): Kind<QuadField> {
  const little = loFirst
  return {
    size: 8,
    place(offset) {
      const lo = half.place(offset + (loFirst ? 0 : 4))
      const hi = half.place(offset + (loFirst ? 4 : 0))
      return {
        kind,
        offset,
        size: 8,
        lo,
        hi,
        number: {
          get: (view, base) => numberFromPair(hi.get(view, base), lo.get(view, base)),
          set(view, base, value) {
            if (!Number.isSafeInteger(value) || value < 0) {
              throw new RangeError(`a ${kind} takes an integer in [0, 2^53), got ${value}`)
            }
            lo.set(view, base, lowWord(value))
            hi.set(view, base, highWord(value))
          },
        },
        big: {
          get: (view, base) => view.getBigUint64(base + offset, little),
          set: (view, base, value) => view.setBigUint64(base + offset, value, little),
        },
      }
    },
  }
}
export const le64: Kind<QuadField> = quad('le64', le32, true)
export const be64: Kind<QuadField> = quad('be64', be32, false)

/** `size` raw bytes. */
export function bytes(size: number): Kind<BytesField> {
  return {
    size,
    place: (offset) => ({
      kind: 'bytes',
      offset,
      size,
      get: (view, base) => new Uint8Array(view.buffer, view.byteOffset + base + offset, size),
      set(view, base, from) {
        if (from.length > size) throw new RangeError(`${from.length} bytes do not fit in a field of ${size}`)
        const into = new Uint8Array(view.buffer, view.byteOffset + base + offset, size)
        into.set(from)
        into.fill(0, from.length)
      },
    }),
  }
}

/** `length` elements of `kind`, one after the other. */
export function array<Field>(kind: Kind<Field>, length: number): Kind<ArrayField<Field>> {
  return {
    size: kind.size * length,
    place(offset) {
      const elements = Array.from({ length }, (_, index) => kind.place(offset + index * kind.size))
      return {
        kind: 'array',
        offset,
        size: kind.size * length,
        length,
        stride: kind.size,
        at(index) {
          const element = elements[index]
          if (element === undefined) throw new RangeError(`index ${index} is outside [0, ${length})`)
          return element
        },
      }
    },
  }
}
