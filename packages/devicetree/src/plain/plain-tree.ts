import type { U64 } from '../values.ts'

/**
 * A property in plain data. It has at most one of `strings`, `cells` and `bytes`; with none of them it is empty. All
 * three say bytes: which one it is makes no difference to the blob.
 */
export interface PlainProperty {
  /** One character a byte. */
  readonly name: string
  /** Printable ASCII, each ended by a NUL. */
  readonly strings?: readonly string[]
  /** Big-endian words. */
  readonly cells?: readonly number[]
  /** Hexadecimal digits. */
  readonly bytes?: string
  /** How many FDT_NOPs stand before it. */
  readonly nops?: number
  /** Behind the value, up to four bytes: hexadecimal digits, only where it is not zero. */
  readonly padding?: string
  /** Where the strings block has its name, only where that is not the first place that could serve. */
  readonly nameOffset?: number
  /** It stands behind that many children of its node, where libfdt and Linux do not look. */
  readonly behind?: number
}

/** A node in plain data. */
export interface PlainNode {
  /** With the unit address, one character a byte; empty for the root. */
  readonly name: string
  readonly properties?: readonly PlainProperty[]
  readonly children?: readonly PlainNode[]
  /** How many FDT_NOPs stand before its FDT_BEGIN_NODE. */
  readonly nops?: number
  /** And before its FDT_END_NODE. */
  readonly nopsAtEnd?: number
  /** Behind the name: as of a property. */
  readonly padding?: string
}

/** What a blob has that its tree does not say, where it is not what `dtc` writes. Offsets and sizes are bytes. */
export interface PlainLayout {
  /** Default 17. */
  readonly version?: number
  /** Default 16. */
  readonly last_comp_version?: number
  /** Default: where the last block ends. */
  readonly totalsize?: number
  /** Default: behind the header. */
  readonly off_mem_rsvmap?: number
  /** Default: behind the memory reservation block. */
  readonly off_dt_struct?: number
  /** Default: behind the structure block. */
  readonly off_dt_strings?: number
  /** The strings block, where it is not the names in the order of their first use. One character a byte. */
  readonly strings?: readonly string[]
  /** Bytes of that block behind its last NUL: hexadecimal digits, as all below. */
  readonly stringsTail?: string
  /** FDT_NOPs before FDT_END. */
  readonly nopsBeforeEnd?: number
  /** Bytes of the structure block behind FDT_END. */
  readonly structTail?: string
  /** Bytes between and behind the blocks, where they are not zero. */
  readonly gaps?: readonly { readonly offset: number; readonly data: string }[]
  /** Bytes behind `totalsize`. */
  readonly beyond?: string
}

/** A devicetree blob in plain data, from which the same bytes can be built. */
export interface PlainTree {
  /** `boot_cpuid_phys`, where it is not 0. */
  readonly bootCpuid?: number
  readonly reservations?: readonly { readonly address: U64; readonly size: U64 }[]
  readonly root: PlainNode
  readonly layout?: PlainLayout
}

/** Trees with deeper nodes have no plain form: what reads JSON may not survive them. Linux reads 64 levels. */
export const DEEPEST_PLAIN = 256
