import { nameFromBytes } from '../values.ts'
import { GrowingBytes } from './growing-bytes.ts'

/** Property names are short (31 characters, §2.2.4.1); only a hostile one is longer, and then its ends are not shared. */
const LONGEST_SHARED = 64

/**
 * A strings block in the making. A name that is another's end shares its bytes, wherever the first one stands, as `dtc`
 * and `libfdt` do it: `clock-names` serves `names` too.
 */
export class StringTable {
  readonly #out: GrowingBytes
  readonly #offsets = new Map<string, number>()
  #isCutOff: boolean

  /** Starts with a strings block that was read: its names keep their places. */
  constructor(kept: Uint8Array = new Uint8Array(0)) {
    this.#out = new GrowingBytes(Math.max(kept.length + 64, 256))
    this.#out.copy(kept, 0, kept.length)
    for (let start = 0; start < kept.length; ) {
      const end = kept.indexOf(0, start)
      if (end === -1) break
      this.#remember(nameFromBytes(kept, start, end), start)
      start = end + 1
    }
    this.#isCutOff = kept.length > 0 && kept[kept.length - 1] !== 0
  }

  /** Where a name stands, putting it at the end if it stands nowhere yet. */
  offsetOf(name: string): number {
    const known = this.#offsets.get(name)
    if (known !== undefined) return known
    // A last string without its NUL is no name; what comes behind it must not become its end.
    if (this.#isCutOff) this.#out.name('')
    this.#isCutOff = false
    const offset = this.#out.length
    this.#out.name(name)
    this.#remember(name, offset)
    return offset
  }

  bytes(): Uint8Array {
    return this.#out.written()
  }

  #remember(name: string, offset: number): void {
    const shared = name.length <= LONGEST_SHARED ? name.length : 0
    for (let index = 0; index <= shared; index++) {
      const end = name.slice(index)
      if (!this.#offsets.has(end)) this.#offsets.set(end, offset + index)
    }
  }
}
