import type { U64 } from '../values.ts'

/** Something wrong with the text that a table stands in. */
export interface TextProblem {
  /** From 1. */
  readonly line: number
  readonly message: string
}

/** The bytes of one table, and where in an input they were found. */
export interface FoundTable {
  /** From the signature on. Of a raw table a view into the input, else a copy. */
  readonly bytes: Uint8Array
  /** `raw`: the input is the table. `acpidump`, `iasl`: the text of that tool has its bytes as hexadecimal digits. */
  readonly form: 'raw' | 'acpidump' | 'iasl'
  /** Byte of the input that the table, or its text, starts at. */
  readonly offset: number
  /** Of a text: the line that opens it, from 1. */
  readonly line?: number
  /** Where the table lay in memory, where the text tells. */
  readonly address?: U64
  readonly problems: readonly TextProblem[]
}
