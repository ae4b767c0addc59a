/** `wide`: may lie above 4 GiB; `prefetchable` alone of those goes into a bridge's prefetchable window. */
export type Space = 'io' | 'memory' | 'wide' | 'wide-prefetchable'

/** Something that wants addresses: a BAR, or a bridge's window with all that is behind it. */
export interface Need {
  readonly name: string
  readonly space: Space
  readonly size: number
  readonly align: number
  place(base: number): void
}
