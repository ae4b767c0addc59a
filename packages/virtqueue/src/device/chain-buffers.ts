const FIRST_CAPACITY = 16

/** The buffers of the chain that a queue stands at: what a device sees of it, whatever ring it came from. */
export class ChainBuffers {
  /** Of the buffers in [0, count): bus addresses, lengths. Parts of `buffers`. */
  lo = new Uint32Array()
  hi = new Uint32Array()
  length = new Uint32Array()
  count = 0
  readableCount = 0
  readableBytes = 0
  writableBytes = 0

  /**
   * `capacity` lower halves of addresses, then as many upper halves, then lengths: one array, since the pointers of
   * three leave the loop that collects them too few registers (7 % of it).
   */
  protected buffers = new Uint32Array()
  protected capacity = 0

  constructor() {
    this.reserve(FIRST_CAPACITY)
  }

  /** Makes room for longer chains, of `longest` at most; false where there is room for those. */
  protected grow(longest: number): boolean {
    if (this.capacity >= longest) return false
    this.reserve(2 * this.capacity)
    return true
  }

  protected reserve(capacity: number): void {
    const buffers = new Uint32Array(3 * capacity)
    buffers.set(this.lo, 0)
    buffers.set(this.hi, capacity)
    buffers.set(this.length, 2 * capacity)
    this.buffers = buffers
    this.capacity = capacity
    this.lo = buffers.subarray(0, capacity)
    this.hi = buffers.subarray(capacity, 2 * capacity)
    this.length = buffers.subarray(2 * capacity)
  }
}
