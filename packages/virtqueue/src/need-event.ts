/**
 * Whether an index that went from `old` to `now` has passed `event`: the other side asked to be told when the entry
 * at `event` was made. All are free-running 16-bit indices (virtio 1.3 §2.7.7.2, §2.7.10).
 */
export const needEvent = (event: number, now: number, old: number): boolean =>
  ((now - event - 1) & 0xffff) < ((now - old) & 0xffff)
