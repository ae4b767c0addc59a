import type { CpuBus } from '@dmascope/memory/contracts'
import {
  CONFIG_ADDRESS_PORT,
  CONFIG_DATA_PORT,
  MSI_CAPABILITY_32,
  MSI_CAPABILITY_64,
  MSI_MESSAGE_CONTROL,
  MSIX_BAR_OFFSET,
  MSIX_CAPABILITY,
  MSIX_MESSAGE_CONTROL,
  MSIX_TABLE_ENTRY,
  PCI_CAP_ID_MSI,
  PCI_CAP_ID_MSIX,
} from '@dmascope/pci/spec'

const ENABLE = 0x8000_0000
const BARS = 0x10
const BAR_IS_PORT = 1
const BAR_TYPE_64 = 4
const CAPABILITIES = 0x34
const STATUS = 0x06
const HAS_LIST = 0x10
/** Capabilities that fit into 256 bytes of configuration space. */
const MOST_CAPABILITIES = 48

/** A message, as a function writes it. */
export interface Message {
  readonly address: number
  readonly data: number
}

/** Registers by which functions send messages: Xen writes them itself, whatever domain has the function. */
export class MessageRegisters {
  readonly #bus: CpuBus

  constructor(bus: CpuBus) {
    this.#bus = bus
  }

  /** Whether a function answers at this routing ID of segment 0. */
  exists(id: number): boolean {
    return this.#read(id, 0, 2) !== 0xffff
  }

  /** False where the function has no MSI. */
  writeMsi(id: number, { address, data }: Message): boolean {
    const at = this.#capability(id, PCI_CAP_ID_MSI)
    if (at === 0) return false
    const control = this.#read(id, at + MSI_CAPABILITY_32.registers.MESSAGE_CONTROL.offset, 2)
    if (MSI_MESSAGE_CONTROL.fields.ADDRESS_64_BIT_CAPABLE.get(control) === 1) {
      const { MESSAGE_ADDRESS, MESSAGE_UPPER_ADDRESS, MESSAGE_DATA } = MSI_CAPABILITY_64.registers
      this.#write(id, at + MESSAGE_ADDRESS.offset, 4, address)
      this.#write(id, at + MESSAGE_UPPER_ADDRESS.offset, 4, 0)
      this.#write(id, at + MESSAGE_DATA.offset, 2, data)
    } else {
      const { MESSAGE_ADDRESS, MESSAGE_DATA } = MSI_CAPABILITY_32.registers
      this.#write(id, at + MESSAGE_ADDRESS.offset, 4, address)
      this.#write(id, at + MESSAGE_DATA.offset, 2, data)
    }
    return true
  }

  /**
   * Writes an entry of a function's MSI-X table, where the function's own registers say that it is.
   *
   * @param tableBar - what the domain takes the address of the table's BAR to be
   * @returns false where there is no such entry, or the BAR is elsewhere
   */
  writeMsix(id: number, entry: number, tableBar: number, { address, data }: Message): boolean {
    const at = this.#capability(id, PCI_CAP_ID_MSIX)
    if (at === 0) return false
    const { MESSAGE_CONTROL, TABLE_OFFSET } = MSIX_CAPABILITY.registers
    const size = MSIX_MESSAGE_CONTROL.fields.TABLE_SIZE.get(this.#read(id, at + MESSAGE_CONTROL.offset, 2)) + 1
    const place = this.#read(id, at + TABLE_OFFSET.offset, 4)
    const bar = this.#bar(id, MSIX_BAR_OFFSET.fields.BIR.get(place))
    if (entry >= size || bar === null || bar !== tableBar) return false
    const table = bar + MSIX_BAR_OFFSET.fields.OFFSET.get(place) * 8
    const { MESSAGE_ADDRESS, MESSAGE_UPPER_ADDRESS, MESSAGE_DATA } = MSIX_TABLE_ENTRY.registers
    const slot = table + entry * MSIX_TABLE_ENTRY.size
    this.#bus.write32(slot + MESSAGE_ADDRESS.offset, address)
    this.#bus.write32(slot + MESSAGE_UPPER_ADDRESS.offset, 0)
    this.#bus.write32(slot + MESSAGE_DATA.offset, data)
    return true
  }

  /** Address of a memory BAR; null where it is none, or not placed. */
  #bar(id: number, index: number): number | null {
    if (index > 5) return null
    const low = this.#read(id, BARS + index * 4, 4)
    if ((low & BAR_IS_PORT) !== 0) return null
    const high = (low & BAR_TYPE_64) !== 0 && index < 5 ? this.#read(id, BARS + index * 4 + 4, 4) : 0
    const base = high * 0x1_0000_0000 + ((low & ~0xf) >>> 0)
    return base === 0 || high >= 0x20_0000 ? null : base
  }

  #capability(id: number, wanted: number): number {
    if (!this.exists(id) || (this.#read(id, STATUS, 2) & HAS_LIST) === 0) return 0
    let at = this.#read(id, CAPABILITIES, 1) & 0xfc
    for (let count = 0; at >= 0x40 && count < MOST_CAPABILITIES; count++) {
      if (this.#read(id, at, 1) === wanted) return at
      at = this.#read(id, at + 1, 1) & 0xfc
    }
    return 0
  }

  #select(id: number, offset: number): number {
    this.#bus.ports?.out32(CONFIG_ADDRESS_PORT, (ENABLE | (id << 8) | (offset & 0xfc)) >>> 0)
    return CONFIG_DATA_PORT + (offset & 3)
  }

  #read(id: number, offset: number, width: 1 | 2 | 4): number {
    const { ports } = this.#bus
    if (ports === undefined) return width === 4 ? 0xffff_ffff : 2 ** (8 * width) - 1
    const port = this.#select(id, offset)
    return width === 1 ? ports.in8(port) : width === 2 ? ports.in16(port) : ports.in32(port)
  }

  #write(id: number, offset: number, width: 2 | 4, value: number): void {
    const port = this.#select(id, offset)
    if (width === 2) this.#bus.ports?.out16(port, value & 0xffff)
    else this.#bus.ports?.out32(port, value >>> 0)
  }
}
