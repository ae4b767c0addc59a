/** Where the parts of a machine's description were written. */
export interface Places {
  /** The value at this path: `machine.yaml:12:5`. */
  where(path: readonly PropertyKey[]): string
  /** The key at this path. */
  whereKey(path: readonly PropertyKey[]): string
}
