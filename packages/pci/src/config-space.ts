import { type Bar, type BarRegister, barRegister, heldAddress, romRegister } from './bar.ts'
import { type ConfigSpaceOptions, headerImage } from './header-image.ts'
import type { RegisterImage } from './register-image.ts'
import { PCI_HEADER_TYPE1 } from './spec/bridge-header.ts'
import { PCI_EXT_CAP_START } from './spec/capability.ts'
import {
  COMMAND,
  PCI_CONFIG_HEADER_SIZE,
  PCI_CONFIG_SPACE_SIZE,
  PCI_HEADER_TYPE0,
  PCIE_CONFIG_SPACE_SIZE,
  STATUS,
} from './spec/config-header.ts'

type Width = 1 | 2 | 4
type Hook = { readonly first: number; readonly end: number; readonly call: () => void }

const commandMask = COMMAND.fields
const header0 = PCI_HEADER_TYPE0.registers
const header1 = PCI_HEADER_TYPE1.registers
const DECODE_TYPE0_END = header0.EXPANSION_ROM_BASE_ADDRESS.offset + 4
const FORWARDING_WORDS = (PCI_CONFIG_HEADER_SIZE - header1.PRIMARY_BUS_NUMBER.offset) / 4

const allOnes = (width: Width): number => (width === 4 ? 0xffff_ffff : width === 2 ? 0xffff : 0xff)

const outside = (offset: number, width: Width): RangeError =>
  new RangeError(`${width} bytes at 0x${offset.toString(16)} are outside configuration space`)

interface BarState extends Bar {
  address: number | null
}

/**
 * A function's configuration space: 256 or 4096 bytes, of which each bit has its write rule. Reads and writes never
 * throw: what lies outside reads as all ones, and writes to it are dropped.
 */
export class ConfigSpace {
  readonly size: 256 | 4096
  readonly headerType: 0 | 1
  /**
   * All of it in one piece, as a machine makes many: the bytes as they are, bits that take what is written, bits that a
   * written one clears, the bytes after a reset, and of each word of four bytes whether a capability or the header has
   * claimed it.
   */
  readonly #data: Uint8Array
  readonly #view: DataView
  readonly #writeMask: number
  readonly #clearMask: number
  readonly #resetBytes: number
  readonly #claimed: number
  readonly #bars: BarState[] = []
  readonly #decodeAddressZero: boolean
  /** BARs have no registers here: see `placeBar`. */
  readonly #virtualFunction: boolean
  readonly #writeHooks: Hook[] = []
  readonly #readHooks: Hook[] = []
  readonly #decodeHooks: (() => void)[] = []
  #lastExtended = 0
  /** Of a bridge: the enables and the registers from the bus numbers on, as they were last looked at. */
  #forwarding: Uint32Array | null = null

  /** @throws RangeError where a BAR does not fit the header, overlaps another, or has an impossible size */
  constructor(options: ConfigSpaceOptions) {
    this.size = options.size ?? PCI_CONFIG_SPACE_SIZE
    if (this.size !== PCI_CONFIG_SPACE_SIZE && this.size !== PCIE_CONFIG_SPACE_SIZE) {
      throw new RangeError(`configuration space has 256 or 4096 bytes, not ${this.size}`)
    }
    this.headerType = options.headerType ?? 0
    this.#decodeAddressZero = options.decodeAddressZero === true
    this.#virtualFunction = options.virtualFunction === true
    if (this.#virtualFunction && (this.headerType === 1 || options.romSize)) {
      throw new RangeError('a virtual function is no bridge, and has no expansion ROM')
    }
    this.#data = new Uint8Array(4 * this.size + this.size / 4)
    this.#view = new DataView(this.#data.buffer)
    this.#writeMask = this.size
    this.#clearMask = 2 * this.size
    this.#resetBytes = 3 * this.size
    this.#claimed = 4 * this.size
    this.#place(0, headerImage(options))
    for (const bar of options.bars ?? []) this.#addBar(barRegister(bar, this.headerType))
    if (options.romSize) this.#addBar(romRegister(options.romSize, this.headerType))
  }

  /** The function's BARs, and its ROM under `ROM_BAR`, in the order of declaration. Live: addresses change. */
  get bars(): readonly Bar[] {
    return this.#bars
  }

  get vendorId(): number {
    return this.#view.getUint16(header0.VENDOR_ID.offset, true)
  }
  get deviceId(): number {
    return this.#view.getUint16(header0.DEVICE_ID.offset, true)
  }
  get interruptPin(): number {
    return this.#view.getUint8(header0.INTERRUPT_PIN.offset)
  }
  get busMasterEnabled(): boolean {
    return (this.#command & commandMask.BUS_MASTER_ENABLE.loMask) !== 0
  }
  get memoryEnabled(): boolean {
    return (this.#command & commandMask.MEMORY_SPACE_ENABLE.loMask) !== 0
  }
  get ioEnabled(): boolean {
    return (this.#command & commandMask.IO_SPACE_ENABLE.loMask) !== 0
  }
  get interruptDisabled(): boolean {
    return (this.#command & commandMask.INTERRUPT_DISABLE.loMask) !== 0
  }
  get #command(): number {
    return this.#view.getUint16(header0.COMMAND.offset, true)
  }

  /** What software reads. `offset` is a multiple of `width` in real accesses; others are served bytewise. */
  read(offset: number, width: Width): number {
    if (!(offset >= 0 && offset + width <= this.size)) return allOnes(width)
    for (const hook of this.#readHooks) if (offset < hook.end && offset + width > hook.first) hook.call()
    return this.peek(offset, width)
  }

  /** What is stored, without the read hooks: for the device itself. @throws RangeError outside the space */
  peek(offset: number, width: Width): number {
    if (offset + width > this.size) throw outside(offset, width)
    return this.#wordAt(offset, width)
  }

  /**
   * Stores a value whatever the write rules say, and without hooks: for the device itself.
   *
   * @throws RangeError outside the space
   */
  poke(offset: number, width: Width, value: number): void {
    if (offset + width > this.size) throw outside(offset, width)
    if (width === 4) this.#view.setUint32(offset, value, true)
    else if (width === 2) this.#view.setUint16(offset, value, true)
    else this.#view.setUint8(offset, value)
  }

  /** What software writes: each bit by its rule, then the hooks of the bytes written. */
  write(offset: number, width: Width, value: number): void {
    if (!(offset >= 0 && offset + width <= this.size)) return
    const before = this.peek(offset, width)
    const rw = this.#wordAt(this.#writeMask + offset, width)
    const rw1c = this.#wordAt(this.#clearMask + offset, width)
    const after = ((before & ~rw) | (value & rw)) & ~(value & rw1c)
    this.poke(offset, width, after)
    if (offset < PCI_CONFIG_HEADER_SIZE && (before ^ after) !== 0) this.#decodeMayChange(offset, width)
    for (const hook of this.#writeHooks) if (offset < hook.end && offset + width > hook.first) hook.call()
  }

  /** A word at a byte of `#data`: of the space itself, or of a mask behind it. */
  #wordAt(at: number, width: Width): number {
    if (width === 4) return this.#view.getUint32(at, true)
    return width === 2 ? this.#view.getUint16(at, true) : this.#view.getUint8(at)
  }

  /** Calls after each write by software that touches [offset, offset + length). */
  onWrite(offset: number, length: number, call: () => void): void {
    this.#writeHooks.push({ first: offset, end: offset + length, call })
  }

  /** Calls before each read by software that touches [offset, offset + length), which may `poke` what will be read. */
  onRead(offset: number, length: number, call: () => void): void {
    this.#readHooks.push({ first: offset, end: offset + length, call })
  }

  /** Calls when what the function decodes, or a bridge forwards, has changed; for a bridge, when it may have. */
  onDecodeChange(call: () => void): void {
    this.#decodeHooks.push(call)
  }

  /**
   * Says where a virtual function's BAR answers; null for nowhere.
   *
   * @throws TypeError for any other function, which has registers for that
   * @throws RangeError where there is no such BAR
   */
  placeBar(bar: number, address: number | null): void {
    if (!this.#virtualFunction) throw new TypeError('this function places its BARs by registers of its own')
    const found = this.#bars.find((one) => one.bar === bar)
    if (found === undefined) throw new RangeError(`there is no BAR ${bar}`)
    if (found.address === address) return
    found.address = address
    for (const call of this.#decodeHooks) call()
  }

  /** The Interrupt Status bit: the level of the function's interrupt, whether or not it is disabled. */
  setInterruptStatus(level: boolean): void {
    const status = this.#view.getUint16(header0.STATUS.offset, true)
    this.#view.setUint16(header0.STATUS.offset, STATUS.fields.INTERRUPT_STATUS.setLo(status, level ? 1 : 0), true)
  }

  /**
   * Adds a capability; the one added last stands first in the chain.
   *
   * @param image - all of it; its first two bytes (ID and next pointer) are filled in here
   * @param offset - a multiple of 4; without it, the lowest place that is free
   * @returns where it stands
   * @throws RangeError where there is no such place, or another capability stands there
   */
  addCapability(id: number, image: RegisterImage, offset: number = this.#freeSpace(image.bytes.length)): number {
    this.#checkPlace(offset, image.bytes.length, PCI_CONFIG_HEADER_SIZE, PCI_CONFIG_SPACE_SIZE)
    const pointer = this.headerType === 0 ? header0.CAPABILITIES_POINTER.offset : header1.CAPABILITIES_POINTER.offset
    const next = this.#data[pointer]!
    this.#place(offset, image)
    this.#set(offset, id)
    this.#set(offset + 1, next)
    this.#set(pointer, offset)
    const status = header0.STATUS.offset
    this.#set(status, this.#data[status]! | STATUS.fields.CAPABILITIES_LIST.loMask)
    return offset
  }

  /**
   * Adds an extended capability at the end of its chain, which starts at 0x100.
   *
   * @param image - all of it; its first four bytes are filled in here
   * @throws RangeError where the space has no extended part, the place is taken, or the first is not at 0x100
   */
  addExtendedCapability(id: number, version: number, image: RegisterImage, offset: number): number {
    this.#checkPlace(offset, image.bytes.length, PCI_EXT_CAP_START, this.size)
    if (this.#lastExtended === 0 && offset !== PCI_EXT_CAP_START) {
      throw new RangeError(`the first extended capability stands at 0x100, not at 0x${offset.toString(16)}`)
    }
    this.#place(offset, image)
    this.#set(offset, id & 0xff)
    this.#set(offset + 1, id >>> 8)
    this.#set(offset + 2, version & 0xf)
    this.#set(offset + 3, 0)
    if (this.#lastExtended !== 0) {
      this.#set(this.#lastExtended + 2, (this.#data[this.#lastExtended + 2]! & 0x0f) | ((offset & 0xf) << 4))
      this.#set(this.#lastExtended + 3, offset >>> 4)
    }
    this.#lastExtended = offset
    return offset
  }

  /**
   * Adds registers of the device's own, outside every capability: a chipset's, say.
   *
   * @throws RangeError where the place is not a multiple of 4 beyond the header, or is taken
   */
  addRegisters(offset: number, image: RegisterImage): void {
    this.#checkPlace(offset, image.bytes.length, PCI_CONFIG_HEADER_SIZE, this.size)
    this.#place(offset, image)
  }

  /** Puts back every bit that software can change, and the interrupt status. Hooks are not called. */
  reset(): void {
    this.#data.copyWithin(0, this.#resetBytes, this.#resetBytes + this.size)
    this.#updateBars()
  }

  #set(offset: number, value: number): void {
    this.#data[offset] = value
    this.#data[this.#resetBytes + offset] = value
  }

  #place(offset: number, { bytes, writeMask, clearMask }: RegisterImage): void {
    this.#data.set(bytes, offset)
    this.#data.set(bytes, this.#resetBytes + offset)
    this.#data.set(writeMask, this.#writeMask + offset)
    this.#data.set(clearMask, this.#clearMask + offset)
    for (let at = offset; at < offset + bytes.length; at += 4) this.#data[this.#claimed + (at >>> 2)] = 1
  }

  /** Of places that start at a multiple of 4, as all do. */
  #isFree(offset: number, length: number): boolean {
    for (let word = offset >>> 2; word << 2 < offset + length; word++)
      if (this.#data[this.#claimed + word] === 1) return false
    return true
  }

  #freeSpace(length: number): number {
    for (let offset = PCI_CONFIG_HEADER_SIZE; offset + length <= PCI_CONFIG_SPACE_SIZE; offset += 4) {
      if (this.#isFree(offset, length)) return offset
    }
    throw new RangeError(`no room for a capability of ${length} bytes`)
  }

  #checkPlace(offset: number, length: number, first: number, end: number): void {
    const where = (): string => `0x${offset.toString(16)}`
    if (offset % 4 !== 0 || offset < first || offset + length > end) {
      throw new RangeError(
        `${length} bytes at ${where()} do not fit in [0x${first.toString(16)}, 0x${end.toString(16)}), or are unaligned`,
      )
    }
    if (!this.#isFree(offset, length)) {
      throw new RangeError(`${length} bytes at ${where()} overlap another capability`)
    }
  }

  #addBar({ bar, image }: BarRegister): void {
    const end = bar.offset + image.bytes.length
    if (this.#bars.some((other) => bar.offset < other.offset + (other.is64 ? 8 : 4) && other.offset < end)) {
      throw new RangeError(`BAR ${bar.bar} is declared twice, or is the upper half of another`)
    }
    if (!this.#virtualFunction) this.#place(bar.offset, image)
    this.#bars.push({ ...bar })
  }

  /** Bytes of the header have other values now. Windows and bus numbers stand in a bridge's header alone. */
  #decodeMayChange(offset: number, width: number): void {
    const end = offset + width
    const enables = offset < header0.COMMAND.offset + 2 && end > header0.COMMAND.offset
    const bars = offset < DECODE_TYPE0_END && end > header0.BAR0.offset
    if (enables || bars || (this.headerType === 1 && end > header1.PRIMARY_BUS_NUMBER.offset)) this.#updateBars()
  }

  #updateBars(): void {
    if (this.#virtualFunction) return
    let changed = false
    for (const bar of this.#bars) {
      const address = this.#decoded(bar)
      changed ||= address !== bar.address
      bar.address = address
    }
    if (changed || (this.headerType === 1 && this.#forwardingChanged())) for (const call of this.#decodeHooks) call()
  }

  /** Of a bridge: whether what bears on forwarding differs from when this was last asked. */
  #forwardingChanged(): boolean {
    const enables = this.#command & (commandMask.MEMORY_SPACE_ENABLE.loMask | commandMask.IO_SPACE_ENABLE.loMask)
    this.#forwarding ??= new Uint32Array(1 + FORWARDING_WORDS)
    const seen = this.#forwarding
    let changed = seen[0] !== enables
    seen[0] = enables
    for (let word = 0; word < FORWARDING_WORDS; word++) {
      const now = this.#view.getUint32(header1.PRIMARY_BUS_NUMBER.offset + 4 * word, true)
      changed ||= seen[1 + word] !== now
      seen[1 + word] = now
    }
    return changed
  }

  #decoded(bar: Bar): number | null {
    if (!(bar.space === 'io' ? this.ioEnabled : this.memoryEnabled)) return null
    const address = heldAddress(bar, this.#view)
    // DEVIATION: to PCI 0 is an address like any other, but on a PC it is what an unassigned BAR holds.
    return address === 0 && !this.#decodeAddressZero ? null : address
  }
}
