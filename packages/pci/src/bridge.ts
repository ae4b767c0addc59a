import type { DmaPort, InterruptPort } from '@dmascope/memory'
import { type AddressRange, type PciBridge, PciBus, type RequesterNaming } from './bus.ts'
import { ConfigSpace } from './config-space.ts'
import type { ConfigSpaceOptions } from './header-image.ts'
import { BRIDGE_CONTROL, PCI_HEADER_TYPE1 } from './spec/bridge-header.ts'

export interface BridgeOptions extends Omit<ConfigSpaceOptions, 'headerType' | 'subsystemVendorId' | 'subsystemId'> {
  /** The secondary side is a PCI Express link, with device 0 alone at its end. */
  readonly expressLink?: boolean
  /** Devices other than 0 can be plugged in at the end of a link all the same. QEMU lets them; no system looks there. */
  readonly anyDevice?: boolean
  /** The secondary side is PCI Express: a link, or the bus inside a switch. Default: as `expressLink`. */
  readonly expressSecondary?: boolean
  /** Default `own-ids`. */
  readonly requesterNaming?: RequesterNaming
}

const header = PCI_HEADER_TYPE1.registers
const control = BRIDGE_CONTROL.fields
const MIB = 0x10_0000

/**
 * A bridge between two buses: bus numbers, windows, and the reset of what is below. Root ports, switch ports and
 * conventional bridges are each one of these with capabilities added.
 */
export class Bridge implements PciBridge {
  readonly config: ConfigSpace
  readonly secondary: PciBus
  readonly requesterNaming: RequesterNaming
  #inReset = false

  constructor(options: BridgeOptions) {
    this.config = new ConfigSpace({ ...options, headerType: 1 })
    this.requesterNaming = options.requesterNaming ?? 'own-ids'
    this.secondary = new PciBus(this, {
      singleDevice: options.expressLink === true && options.anyDevice !== true,
      extendedConfig: options.expressSecondary ?? options.expressLink === true,
    })
    this.config.onWrite(header.BRIDGE_CONTROL.offset, 2, () => this.#controlWritten())
  }

  get secondaryBusNumber(): number {
    return this.config.peek(header.SECONDARY_BUS_NUMBER.offset, 1)
  }

  get subordinateBusNumber(): number {
    return this.config.peek(header.SUBORDINATE_BUS_NUMBER.offset, 1)
  }

  /** The memory window, the prefetchable one, and VGA's where it is enabled (§7.5.1.3). A base above its limit is none. */
  memoryWindows(): readonly AddressRange[] {
    if (!this.config.memoryEnabled) return []
    const windows: AddressRange[] = []
    const megabytes = (offset: number): number => (this.config.peek(offset, 2) >>> 4) * MIB
    const upper = (offset: number): number => this.config.peek(offset, 4) * 2 ** 32
    const add = (base: number, limit: number): void => {
      if (base <= limit && base <= Number.MAX_SAFE_INTEGER - MIB) windows.push({ start: base, end: limit + MIB })
    }
    add(megabytes(header.MEMORY_BASE.offset), megabytes(header.MEMORY_LIMIT.offset))
    add(
      megabytes(header.PREFETCHABLE_MEMORY_BASE.offset) + upper(header.PREFETCHABLE_BASE_UPPER_32.offset),
      megabytes(header.PREFETCHABLE_MEMORY_LIMIT.offset) + upper(header.PREFETCHABLE_LIMIT_UPPER_32.offset),
    )
    if (this.#controls('VGA_ENABLE')) windows.push({ start: 0xa0000, end: 0xc0000 })
    return windows
  }

  /** The I/O window, without what ISA Enable takes from it, and VGA's ports where they are enabled. */
  ioWindows(): readonly AddressRange[] {
    if (!this.config.ioEnabled) return []
    const windows: AddressRange[] = []
    const base = this.#ioAddress(header.IO_BASE.offset, header.IO_BASE_UPPER_16.offset)
    const limit = this.#ioAddress(header.IO_LIMIT.offset, header.IO_LIMIT_UPPER_16.offset) + 0xfff
    if (base <= limit && this.#controls('ISA_ENABLE')) {
      // Of each 1 KiB, the top 768 bytes are ISA's aliases and stay above.
      for (let block = base; block < limit; block += 0x400) windows.push({ start: block, end: block + 0x100 })
    } else if (base <= limit) {
      windows.push({ start: base, end: limit + 1 })
    }
    if (this.#controls('VGA_ENABLE')) windows.push({ start: 0x3b0, end: 0x3bc }, { start: 0x3c0, end: 0x3e0 })
    return windows
  }

  /** The upper half is all zeros in a bridge whose window has 16 address bits. */
  #ioAddress(lower: number, upper: number): number {
    return this.config.peek(upper, 2) * 0x1_0000 + ((this.config.peek(lower, 1) & 0xf0) << 8)
  }

  connect(_dma: DmaPort, _interrupts: InterruptPort): void {}

  readBar(_bar: number, _offset: number, _width: 1 | 2 | 4 | 8, out: Uint32Array): void {
    out.fill(0)
  }

  writeBar(_bar: number, _offset: number, _width: 1 | 2 | 4 | 8, _lo: number, _hi: number): void {}

  work(_budget: number): 'idle' | 'more' | 'waiting' {
    return 'idle'
  }

  /** Resets the bridge, and with it everything below. */
  reset(_kind: 'function' | 'bus'): void {
    this.#inReset = false
    this.config.reset()
    this.#resetBelow()
  }

  #controls(name: keyof typeof control): boolean {
    return control[name].get(this.config.peek(header.BRIDGE_CONTROL.offset, 2)) === 1
  }

  #controlWritten(): void {
    const inReset = this.#controls('SECONDARY_BUS_RESET')
    if (inReset && !this.#inReset) this.#resetBelow()
    this.#inReset = inReset
  }

  #resetBelow(): void {
    for (const slot of this.secondary.slots) slot.function.reset('bus')
  }
}
