import type { CpuBus, PortBus } from '@dmascope/memory/contracts'
import { CONFIG_ADDRESS, CONFIG_ADDRESS_PORT, CONFIG_DATA_PORT, ECAM_BUS_SIZE, requesterId } from '@dmascope/pci/spec'

/** One ECAM window: MMIO in which every function of buses [startBus, endBus] has 4 KiB of configuration space. */
export interface EcamWindow {
  /** Address at which bus 0 lies, or would lie. */
  readonly base: number
  readonly segment: number
  readonly startBus: number
  readonly endBus: number
}

/** Which function: its bus, device and function number. */
export interface FunctionAddress {
  readonly segment: number
  readonly bus: number
  readonly device: number
  readonly function: number
}

const ENABLE = CONFIG_ADDRESS.fields.ENABLE.setLo(0, 1)

/** Whether the CF8/CFC mechanism is there: the address register keeps what is written to it. */
function probeType1(ports: PortBus): boolean {
  const before = ports.in32(CONFIG_ADDRESS_PORT)
  ports.out32(CONFIG_ADDRESS_PORT, ENABLE)
  const kept = ports.in32(CONFIG_ADDRESS_PORT) === ENABLE
  ports.out32(CONFIG_ADDRESS_PORT, before)
  return kept
}

/**
 * Access to configuration space, as Linux does it on a PC: the first 256 bytes of segment 0 through ports CF8 and CFC
 * where they work, all else through ECAM. Where neither reaches a register, it reads as all ones.
 */
export class ConfigAccess {
  readonly #bus: CpuBus
  readonly #type1: PortBus | null
  readonly #windows: readonly EcamWindow[]

  /** @param mayHavePorts - look for ports CF8 and CFC, as on a PC */
  constructor(bus: CpuBus, windows: readonly EcamWindow[], mayHavePorts = true) {
    this.#bus = bus
    this.#windows = windows
    this.#type1 = mayHavePorts && bus.ports !== undefined && probeType1(bus.ports) ? bus.ports : null
  }

  /** How base configuration space is reached. */
  get mechanism(): 'type 1' | 'ECAM' | 'none' {
    return this.#type1 !== null ? 'type 1' : this.#windows.length > 0 ? 'ECAM' : 'none'
  }

  /** Whether a function's registers from 0x100 on can be reached. */
  reachesExtended(at: FunctionAddress): boolean {
    return this.#ecam(at, 0x100) !== null
  }

  read(at: FunctionAddress, offset: number, width: 1 | 2 | 4): number {
    const ports = this.#select(at, offset)
    if (ports !== null) {
      const port = CONFIG_DATA_PORT + (offset & 3)
      return width === 4 ? ports.in32(port) : width === 2 ? ports.in16(port) : ports.in8(port)
    }
    const address = this.#ecam(at, offset)
    if (address === null) return width === 4 ? 0xffff_ffff : width === 2 ? 0xffff : 0xff
    const bus = this.#bus
    return width === 4 ? bus.read32(address) : width === 2 ? bus.read16(address) : bus.read8(address)
  }

  write(at: FunctionAddress, offset: number, width: 1 | 2 | 4, value: number): void {
    const ports = this.#select(at, offset)
    if (ports !== null) {
      const port = CONFIG_DATA_PORT + (offset & 3)
      if (width === 4) ports.out32(port, value)
      else if (width === 2) ports.out16(port, value)
      else ports.out8(port, value)
      return
    }
    const address = this.#ecam(at, offset)
    if (address === null) return
    if (width === 4) this.#bus.write32(address, value)
    else if (width === 2) this.#bus.write16(address, value)
    else this.#bus.write8(address, value)
  }

  #select(at: FunctionAddress, offset: number): PortBus | null {
    if (this.#type1 === null || at.segment !== 0 || offset >= 0x100) return null
    const id = requesterId(at.bus, at.device, at.function)
    this.#type1.out32(CONFIG_ADDRESS_PORT, (ENABLE | (id << 8) | (offset & 0xfc)) >>> 0)
    return this.#type1
  }

  #ecam(at: FunctionAddress, offset: number): number | null {
    for (let index = 0; index < this.#windows.length; index++) {
      const { base, segment, startBus, endBus } = this.#windows[index]!
      if (segment !== at.segment || at.bus < startBus || at.bus > endBus) continue
      return base + at.bus * ECAM_BUS_SIZE + at.device * 0x8000 + at.function * 0x1000 + offset
    }
    return null
  }
}
