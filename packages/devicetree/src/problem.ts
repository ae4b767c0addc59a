import { DmascopeError } from '@dmascope/layout'

/** Something wrong with a blob that its readers get past. The tree rebuilds to the same bytes nonetheless. */
export interface Problem {
  readonly code: ProblemCode
  /** Byte in the blob. */
  readonly offset: number
  readonly message: string
}

/** Stable; new ones may be added. */
export type ProblemCode =
  /** A block starts where the specification's alignment (§5.6) does not allow it. */
  | 'DTB_ALIGNMENT'
  /** The structure block says that it is longer than its tokens. */
  | 'DTB_STRUCT_TAIL'
  /** A property behind a subnode: `libfdt` and Linux do not see it. */
  | 'DTB_LATE_PROPERTY'
  /** Padding that is not zero. */
  | 'DTB_PADDING'
  /** The root has a name. */
  | 'DTB_ROOT_NAME'
  /** There are more bytes than `totalsize` says. */
  | 'DTB_TRAILING'

/** What a blob cannot be read past. */
export type DtbErrorCode = 'DTB_MAGIC' | 'DTB_VERSION' | 'DTB_TRUNCATED' | 'DTB_TOKEN' | 'DTB_STRUCTURE' | 'DTB_STRING'

export const hex = (value: number, digits = 1): string => `0x${value.toString(16).padStart(digits, '0')}`

/** An error at a byte of a blob; `context` has `offset` and, where one was given, `source`. */
export function dtbError(code: DtbErrorCode, offset: number, message: string, source?: string): DmascopeError {
  return new DmascopeError(code, `${source ?? 'DTB'} at byte ${hex(offset)}: ${message}`, {
    offset,
    ...(source !== undefined && { source }),
  })
}

/** What is wrong with a text, or with a tree that is to become one. */
export type DtsErrorCode =
  | 'DTS_SYNTAX'
  | 'DTS_NUMBER'
  | 'DTS_RANGE'
  | 'DTS_STRING'
  | 'DTS_DEPTH'
  | 'DTS_LABEL'
  | 'DTS_REFERENCE'
  | 'DTS_DUPLICATE'
  | 'DTS_INCLUDE'
  | 'DTS_VERSION'
  | 'DTS_PHANDLE'
  /** A tree with names, or with doubles, that no text can say. */
  | 'DTS_UNSAYABLE'

/** A place in a text, from 1. */
export interface TextPosition {
  readonly source: string
  readonly line: number
  readonly column: number
}

/** An error at a place in a text; `context` has `source`, `line` and `column`. */
export const dtsError = (code: DtsErrorCode, at: TextPosition, message: string): DmascopeError =>
  new DmascopeError(code, `${at.source}:${at.line}:${at.column}: ${message}`, { ...at })
