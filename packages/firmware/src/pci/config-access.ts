import type { PortBus } from '@dmascope/memory/contracts'
import { CAPABILITY_HEADER, CONFIG_ADDRESS_PORT, CONFIG_DATA_PORT, PCI_HEADER_TYPE0, STATUS } from '@dmascope/pci/spec'

const ENABLE = 0x8000_0000
const STATUS_OFFSET = PCI_HEADER_TYPE0.registers.STATUS.offset
const POINTER_OFFSET = PCI_HEADER_TYPE0.registers.CAPABILITIES_POINTER.offset
const LIST = STATUS.fields.CAPABILITIES_LIST

/**
 * Configuration space through ports 0xcf8 and 0xcfc. Functions are named by their routing ID: bus in bits 15:8, device
 * in 7:3, function in 2:0.
 */
export class PciConfig {
  readonly #ports: PortBus

  constructor(ports: PortBus) {
    this.#ports = ports
  }

  #select(id: number, offset: number): number {
    this.#ports.out32(CONFIG_ADDRESS_PORT, (ENABLE | (id << 8) | (offset & 0xfc)) >>> 0)
    return CONFIG_DATA_PORT + (offset & 3)
  }

  read8(id: number, offset: number): number {
    return this.#ports.in8(this.#select(id, offset))
  }

  read16(id: number, offset: number): number {
    return this.#ports.in16(this.#select(id, offset))
  }

  read32(id: number, offset: number): number {
    return this.#ports.in32(this.#select(id, offset))
  }

  write8(id: number, offset: number, value: number): void {
    this.#ports.out8(this.#select(id, offset), value)
  }

  write16(id: number, offset: number, value: number): void {
    this.#ports.out16(this.#select(id, offset), value)
  }

  write32(id: number, offset: number, value: number): void {
    this.#ports.out32(this.#select(id, offset), value >>> 0)
  }

  /** Sets bits of a 16-bit register. */
  set16(id: number, offset: number, mask: number): void {
    this.write16(id, offset, this.read16(id, offset) | mask)
  }

  /** Offsets of the capabilities with this ID, in the chain's order. A chain that loops ends. */
  *capabilities(id: number, capability: number): Generator<number> {
    if (LIST.get(this.read16(id, STATUS_OFFSET)) === 0) return
    let offset = this.read8(id, POINTER_OFFSET) & 0xfc
    for (let left = 48; offset >= 0x40 && left > 0; left--) {
      if (this.read8(id, offset + CAPABILITY_HEADER.registers.CAP_ID.offset) === capability) yield offset
      offset = this.read8(id, offset + CAPABILITY_HEADER.registers.NEXT_PTR.offset) & 0xfc
    }
  }

  /** The first such capability's offset; 0 where there is none. */
  capability(id: number, capability: number): number {
    for (const offset of this.capabilities(id, capability)) return offset
    return 0
  }
}
