/**
 * Values and namespace objects of the AML reader. Integers are BigInt: AML computes in 64 bits, and nothing here runs
 * once per DMA.
 */
export type AmlValue =
  | bigint
  | string
  | Uint8Array
  | AmlPackage
  | AmlReference
  /** What a method without a Return answers. */
  | null

export interface AmlPackage {
  readonly kind: 'package'
  readonly elements: AmlValue[]
}

/** A name within a package: found when it is used, from the scope it was written in. */
export interface AmlReference {
  readonly kind: 'reference'
  readonly name: string
  readonly scope: string
}

/** A value that is evaluated when it is first asked for: its bytes [start, end), in the scope that they are written in. */
export interface Postponed {
  readonly start: number
  readonly end: number
  readonly scope: string
}

export type AmlObject =
  | { readonly kind: 'scope' }
  | { readonly kind: 'device' }
  | { readonly kind: 'name'; value: AmlValue; later: Postponed | null }
  | { readonly kind: 'method'; readonly start: number; readonly end: number; readonly argumentCount: number }
  /** Bytes of a buffer under a name. */
  | { readonly kind: 'buffer-field'; readonly data: Uint8Array; readonly offset: number; readonly size: number }
  | { readonly kind: 'alias'; readonly target: string }
  /** Mutexes, events and regions. They have a name here and cannot be read. */
  | { readonly kind: 'hardware'; readonly what: string }
  | { readonly kind: 'region'; readonly space: number; readonly offset: number }
  /** Bits of a region. */
  | { readonly kind: 'field'; readonly region: string; readonly bit: number; readonly width: number }

/** Something that this reader does not decode: an operator, hardware, damage. */
export class NotDecodable extends Error {
  readonly offset: number
  constructor(offset: number, message: string) {
    super(message)
    this.offset = offset
  }
}

export const isPackage = (value: AmlValue): value is AmlPackage =>
  typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'package'

export const isReference = (value: AmlValue): value is AmlReference =>
  typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'reference'

/** The scope around a path: `\_SB_.PCI0` for `\_SB_.PCI0.LNKA`; the root for itself. */
export function parentOf(path: string): string {
  const cut = path.lastIndexOf('.')
  return cut < 0 ? '\\' : path.slice(0, cut)
}

/** `name` below `scope`. */
export const childOf = (scope: string, name: string): string => (scope === '\\' ? `\\${name}` : `${scope}.${name}`)
