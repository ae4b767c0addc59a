import { GICD_ARRAYS } from './spec/distributor.ts'

/** Access widths of a register. */
type Width = 1 | 2 | 4

const { IGROUPR, ISENABLER, ICENABLER, ISPENDR, ICPENDR, ISACTIVER, ICACTIVER, IPRIORITYR, ITARGETSR, ICFGR } =
  GICD_ARRAYS
/** What software-generated interrupts have in their configuration: edge-triggered, and not to be changed. */
const SGI_EDGES = 0x0000_ffff
/** Lower than every priority. */
export const IDLE_PRIORITY = 0x100

/**
 * Interrupts of one distributor or redistributor: a bit or a byte of state each, as the registers show it (IHI 0048B
 * §4.3, IHI 0069 §12.9). Whoever asks names the range of interrupts that its frame is about.
 */
export class InterruptBank {
  /** Interrupts, a multiple of 32. */
  readonly count: number
  readonly #group1: Uint32Array
  readonly #enabled: Uint32Array
  /** Pending by an edge, or by software. */
  readonly #latched: Uint32Array
  readonly #line: Uint32Array
  readonly #active: Uint32Array
  readonly #edge: Uint32Array
  readonly #priority: Uint8Array
  readonly #targets: Uint8Array
  readonly #priorityMask: number

  /** @param priorityBits - bits of priority that are kept, from the highest down */
  constructor(count: number, priorityBits: number) {
    this.count = count
    const words = count / 32
    this.#group1 = new Uint32Array(words)
    this.#enabled = new Uint32Array(words)
    this.#latched = new Uint32Array(words)
    this.#line = new Uint32Array(words)
    this.#active = new Uint32Array(words)
    this.#edge = new Uint32Array(words)
    this.#priority = new Uint8Array(count)
    this.#targets = new Uint8Array(count)
    this.#priorityMask = (0xff << (8 - priorityBits)) & 0xff
    this.#edge[0] = SGI_EDGES
    this.#enabled[0] = SGI_EDGES
  }

  /** Drives an interrupt's input. */
  setLine(intid: number, level: boolean): void {
    const word = intid >>> 5
    const bit = 1 << (intid & 31)
    const was = (this.#line[word]! & bit) !== 0
    if (level) this.#line[word]! |= bit
    else this.#line[word]! &= ~bit
    if (level && !was && (this.#edge[word]! & bit) !== 0) this.#latched[word]! |= bit
  }

  /** An edge on an interrupt's input. */
  pulse(intid: number): void {
    this.setLine(intid, true)
    this.setLine(intid, false)
  }

  /** Pending by software, whatever its line does. */
  setPending(intid: number): void {
    this.#latched[intid >>> 5]! |= 1 << (intid & 31)
  }

  /**
   * The interrupt to be taken first among those that are pending, enabled and not active: of the highest priority, and
   * of those the lowest number. -1 where there is none.
   *
   * @param groups - bit 0 and 1: groups 0 and 1 are let through
   */
  highest(groups: number): number {
    let best = -1
    let priority = IDLE_PRIORITY
    for (let word = 0; word < this.#enabled.length; word++) {
      const level = this.#line[word]! & ~this.#edge[word]!
      const group1 = this.#group1[word]!
      const open = ((groups & 2) === 0 ? 0 : group1) | ((groups & 1) === 0 ? 0 : ~group1)
      let ready = (this.#latched[word]! | level) & this.#enabled[word]! & ~this.#active[word]! & open
      while (ready !== 0) {
        const bit = 31 - Math.clz32(ready & -ready)
        ready &= ready - 1
        const intid = word * 32 + bit
        if (this.#priority[intid]! < priority) {
          best = intid
          priority = this.#priority[intid]!
        }
      }
    }
    return best
  }

  priorityOf(intid: number): number {
    return this.#priority[intid]!
  }

  /** The processor takes it. */
  activate(intid: number): void {
    const word = intid >>> 5
    const bit = 1 << (intid & 31)
    this.#latched[word]! &= ~bit
    this.#active[word]! |= bit
  }

  deactivate(intid: number): void {
    this.#active[intid >>> 5]! &= ~(1 << (intid & 31))
  }

  /**
   * Reads an array register for interrupts [first, end). Those outside read as zero.
   *
   * @param offset - within the frame, from the first interrupt of all
   */
  read(offset: number, width: Width, first: number, end: number): number {
    if (offset >= IPRIORITYR.offset && offset < ICFGR.offset) {
      const bytes = offset < ITARGETSR.offset ? this.#priority : this.#targets
      const base = offset - (offset < ITARGETSR.offset ? IPRIORITYR.offset : ITARGETSR.offset)
      let value = 0
      for (let index = 0; index < width; index++) {
        const intid = base + index
        if (intid >= first && intid < end) value += bytes[intid]! * 2 ** (8 * index)
      }
      return value
    }
    if (width !== 4 || (offset & 3) !== 0) return 0
    if (offset >= ICFGR.offset) return this.#readConfiguration((offset - ICFGR.offset) >>> 2, first, end)
    const word = (offset & 0x7f) >>> 2
    if (word * 32 < first || word * 32 >= end) return 0
    switch (offset & ~0x7f) {
      case IGROUPR.offset:
        return this.#group1[word]!
      case ISENABLER.offset:
      case ICENABLER.offset:
        return this.#enabled[word]!
      case ISPENDR.offset:
      case ICPENDR.offset:
        return (this.#latched[word]! | (this.#line[word]! & ~this.#edge[word]!)) >>> 0
      case ISACTIVER.offset:
      case ICACTIVER.offset:
        return this.#active[word]!
      default:
        return 0
    }
  }

  #readConfiguration(index: number, first: number, end: number): number {
    let value = 0
    for (let field = 0; field < 16; field++) {
      const intid = index * 16 + field
      if (intid < first || intid >= end) continue
      if (((this.#edge[intid >>> 5]! >>> (intid & 31)) & 1) === 1) value |= 2 << (field * 2)
    }
    return value >>> 0
  }

  write(offset: number, width: Width, value: number, first: number, end: number): void {
    if (offset >= IPRIORITYR.offset && offset < ICFGR.offset) {
      const priorities = offset < ITARGETSR.offset
      const base = offset - (priorities ? IPRIORITYR.offset : ITARGETSR.offset)
      for (let index = 0; index < width; index++) {
        const intid = base + index
        if (intid < first || intid >= end) continue
        const byte = (value >>> (8 * index)) & 0xff
        if (priorities) this.#priority[intid] = byte & this.#priorityMask
        else this.#targets[intid] = byte
      }
      return
    }
    if (width !== 4 || (offset & 3) !== 0) return
    if (offset >= ICFGR.offset) {
      this.#writeConfiguration((offset - ICFGR.offset) >>> 2, value, first, end)
      return
    }
    const word = (offset & 0x7f) >>> 2
    if (word * 32 < first || word * 32 >= end) return
    switch (offset & ~0x7f) {
      case IGROUPR.offset:
        this.#group1[word] = value
        break
      case ISENABLER.offset:
        this.#enabled[word]! |= value
        break
      case ICENABLER.offset:
        this.#enabled[word]! &= ~value
        break
      case ISPENDR.offset:
        this.#latched[word]! |= value
        break
      case ICPENDR.offset:
        this.#latched[word]! &= ~value
        break
      case ISACTIVER.offset:
        this.#active[word]! |= value
        break
      case ICACTIVER.offset:
        this.#active[word]! &= ~value
        break
      default:
    }
  }

  #writeConfiguration(index: number, value: number, first: number, end: number): void {
    // Index 0 is of software-generated interrupts, which are what they are.
    for (let field = 0; field < 16 && index > 0; field++) {
      const intid = index * 16 + field
      if (intid < first || intid >= end) continue
      const bit = 1 << (intid & 31)
      if (((value >>> (field * 2)) & 2) !== 0) this.#edge[intid >>> 5]! |= bit
      else this.#edge[intid >>> 5]! &= ~bit
    }
  }
}
