import type { CpuBus, PortBus } from '@dmascope/memory/contracts'
import { CAPABILITY_HEADER, CONFIG_ADDRESS_PORT, CONFIG_DATA_PORT, PCI_HEADER_TYPE0, STATUS } from '@dmascope/pci/spec'

const ENABLE = 0x8000_0000
const STATUS_OFFSET = PCI_HEADER_TYPE0.registers.STATUS.offset
const POINTER_OFFSET = PCI_HEADER_TYPE0.registers.CAPABILITIES_POINTER.offset
const LIST = STATUS.fields.CAPABILITIES_LIST

type Width = 1 | 2 | 4

/** A way to configuration space. */
interface Mechanism {
  read(id: number, offset: number, width: Width): number
  write(id: number, offset: number, width: Width, value: number): void
}

/** Ports 0xcf8 and 0xcfc. While firmware runs nobody else selects, so what is selected already is not again. */
function byPorts(ports: PortBus): Mechanism {
  let selected = 0
  const select = (id: number, offset: number): number => {
    const register = ENABLE | (id << 8) | (offset & 0xfc)
    if (register !== selected) ports.out32(CONFIG_ADDRESS_PORT, register >>> 0)
    selected = register
    return CONFIG_DATA_PORT + (offset & 3)
  }
  return {
    read(id, offset, width) {
      const port = select(id, offset)
      return width === 1 ? ports.in8(port) : width === 2 ? ports.in16(port) : ports.in32(port)
    },
    write(id, offset, width, value) {
      const port = select(id, offset)
      if (width === 1) ports.out8(port, value)
      else if (width === 2) ports.out16(port, value)
      else ports.out32(port, value >>> 0)
    },
  }
}

/** The enhanced mechanism: 4 KiB a function, as memory. */
function byEcam(bus: CpuBus, base: number): Mechanism {
  const at = (id: number, offset: number): number => base + id * 0x1000 + offset
  return {
    read(id, offset, width) {
      const address = at(id, offset)
      return width === 1 ? bus.read8(address) : width === 2 ? bus.read16(address) : bus.read32(address)
    },
    write(id, offset, width, value) {
      const address = at(id, offset)
      if (width === 1) bus.write8(address, value)
      else if (width === 2) bus.write16(address, value)
      else bus.write32(address, value >>> 0)
    },
  }
}

/**
 * Configuration space through ports 0xcf8 and 0xcfc, or where it is memory. Functions are named by their routing ID: bus in bits 15:8, device
 * in 7:3, function in 2:0.
 */
export class PciConfig {
  readonly #mechanism: Mechanism

  /** @param way - ports, or where configuration space begins in memory */
  constructor(way: PortBus | { readonly bus: CpuBus; readonly ecam: number }) {
    this.#mechanism = 'ecam' in way ? byEcam(way.bus, way.ecam) : byPorts(way)
  }

  read8(id: number, offset: number): number {
    return this.#mechanism.read(id, offset, 1)
  }

  read16(id: number, offset: number): number {
    return this.#mechanism.read(id, offset, 2)
  }

  read32(id: number, offset: number): number {
    return this.#mechanism.read(id, offset, 4)
  }

  write8(id: number, offset: number, value: number): void {
    this.#mechanism.write(id, offset, 1, value)
  }

  write16(id: number, offset: number, value: number): void {
    this.#mechanism.write(id, offset, 2, value)
  }

  write32(id: number, offset: number, value: number): void {
    this.#mechanism.write(id, offset, 4, value)
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
