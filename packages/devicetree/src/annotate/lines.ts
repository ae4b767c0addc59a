import type { AnnotatedLine } from '@dmascope/layout'

export const hexOf = (value: number): string => `0x${value.toString(16)}`

/** A longer run of zeros is told by its length. */
const SHOWN_ZEROS = 64
const ROW = 12

/** Makes the lines of a blob. */
export class LineMaker {
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly #codes: number[] = []

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  line(offset: number, size: number, field: string, value: string, meaning = ''): AnnotatedLine {
    return { offset, size, bytes: this.#digits(offset, size), field, value, meaning, depth: 0 }
  }

  /** The line that opens a structure or block. */
  heading(offset: number, { name, source }: { readonly name: string; readonly source: string }): AnnotatedLine {
    return { offset, size: 0, bytes: '', field: name, value: source, meaning: '', depth: 0 }
  }

  /** Bytes that no field has, a row each. */
  *raw(field: string, start: number, end: number): Generator<AnnotatedLine> {
    for (let at = start; at < end; at += ROW) {
      const row = this.bytes.subarray(at, Math.min(at + ROW, end))
      yield this.line(at, row.length, field, Array.from(row, character).join(''))
    }
  }

  /** What stands between blocks; long runs of zeros by their length. */
  *gap(start: number, end: number): Generator<AnnotatedLine> {
    let at = start
    while (at < end) {
      let stop = at
      while (stop < end && this.bytes[stop] === 0) stop++
      if (stop - at >= SHOWN_ZEROS) {
        const value = `${stop - at} bytes of zeros`
        yield { offset: at, size: stop - at, bytes: '', field: 'gap', value, meaning: '', depth: 0 }
        at = stop
        continue
      }
      const next = Math.min(at + ROW, end)
      yield* this.raw('gap', at, next)
      at = next
    }
  }

  #digits(offset: number, size: number): string {
    const codes = this.#codes
    let text = ''
    for (let at = offset; at < offset + size; ) {
      codes.length = 0
      // In runs that fit a call's arguments: joined one by one, the digits would cost more than all else.
      for (const end = Math.min(at + 1024, offset + size); at < end; at++) {
        const byte = this.bytes[at]!
        codes.push(HEX.charCodeAt(byte >>> 4), HEX.charCodeAt(byte & 15))
      }
      text += String.fromCharCode.apply(null, codes)
    }
    return text
  }
}

const HEX = '0123456789abcdef'
const character = (byte: number): string => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')
