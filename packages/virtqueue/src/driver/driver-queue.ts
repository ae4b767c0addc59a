import type { BufferList } from './buffer-list.ts'
import type { IndirectTable } from './ring-memory.ts'

/**
 * The driver's half of a virtqueue, split or packed: a driver does not know which.
 *
 * The ring's memory must be zeroed before the device is told of it. What the device writes is not believed: an id that
 * is no request in flight ends the queue (`broken`), and no length or link is ever read back from a descriptor.
 *
 * In the order of Linux: `add` for each request, `publish` once, notify the device where it answered true; on an
 * interrupt `disableInterrupts`, `reap` until it answers false, `enableInterrupts`, and once more where that answered
 * true.
 */
export interface DriverQueue<Token = number> {
  readonly size: number
  /** Descriptors that are free. An indirect request takes one, however many buffers it has. */
  readonly free: number
  /** Why the queue cannot go on: what the device wrote; null while all is well. */
  readonly broken: string | null
  /** Of the request that `reap` answered true for. */
  readonly reapedHead: number
  /** Bytes that the device says it wrote: not checked against the buffers' length. */
  readonly reapedLength: number
  /** The token of the request that `reap` answered true for; good until the next `add`. */
  readonly reapedToken: Token | undefined
  /** Requests that the device has not given back. */
  readonly inFlight: number

  /**
   * Writes a request's descriptors. The device sees it after `publish` at the latest: in a packed ring, at once.
   *
   * @param table - memory for an indirect table, used where the feature was negotiated and there are two buffers or
   *   more; the caller's until the request is reaped
   * @returns what names the request while it is in flight, below `size`; -1 where no descriptors are free (or the queue
   *   is broken)
   * @throws RangeError for a request without buffers, or one that does not fit in the table
   */
  add(buffers: BufferList, token: Token, table?: IndirectTable | null): number

  /**
   * Makes what was added visible to the device.
   *
   * @returns whether the device wants to be notified: it may have said that it looks by itself. False where nothing was
   *   added.
   */
  publish(): boolean

  /**
   * Takes back one request that the device has finished: `reapedToken`, `reapedHead`, `reapedLength`, in the device's
   * order. False where there is none, or the device wrote nonsense (`broken`).
   */
  reap(): boolean

  /** Asks the device for no interrupts. A hint: one may come all the same. */
  disableInterrupts(): void

  /**
   * Asks for an interrupt when the next request is finished.
   *
   * @returns true where one was finished in the meantime, for which no interrupt will come: reap again
   */
  enableInterrupts(): boolean

  /** Gives back requests that the device will never finish, after a reset: calls `give` with each one's token. */
  detachUnused(give: (token: Token, head: number) => void): void
}
