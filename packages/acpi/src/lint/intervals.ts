/** [start, end) of something. */
export interface Interval<Item> {
  readonly start: bigint
  readonly end: bigint
  readonly item: Item
}

/** Pairs that overlap, each item with the one before it that reaches furthest: enough to tell, and linear. */
export function* overlapsOf<Item>(
  intervals: readonly Interval<Item>[],
): Generator<readonly [before: Item, item: Item]> {
  const sorted = [...intervals].sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0))
  let furthest: Interval<Item> | undefined
  for (const one of sorted) {
    if (one.end <= one.start) continue
    if (furthest !== undefined && one.start < furthest.end) yield [furthest.item, one.item]
    if (furthest === undefined || one.end > furthest.end) furthest = one
  }
}
