/**
 * Whether an index that went from `old` to `now` has passed `event`: the other side asked to be told when the entry
 * at `event` was made. All are free-running 16-bit indices (virtio 1.3 §2.7.7.2, §2.7.10).
 */
export const needEvent = (event: number, now: number, old: number): boolean =>
  ((now - event - 1) & 0xffff) < ((now - old) & 0xffff)

/**
 * The same in a packed ring of `size`, where `offWrap` is `pvirtq_event_suppress.desc`: an offset, and above it the wrap
 * counter of the round that it is meant in (virtio 1.3 §2.8.10).
 *
 * @param now - the offset that comes next, in a round whose wrap counter is `wrap`
 * @param passed - descriptors that were passed to get there, at most `size`
 */
export const needPackedEvent = (offWrap: number, now: number, wrap: 0 | 1, passed: number, size: number): boolean => {
  const offset = offWrap & 0x7fff
  const event = offWrap >>> 15 === wrap ? offset : offset - size
  return ((now - event - 1) & 0xffff) < passed
}
