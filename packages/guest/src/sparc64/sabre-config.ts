import type { CpuBus } from '@dmascope/memory/contracts'
import { requesterId } from '@dmascope/pci/spec'
import { ConfigAccess, type FunctionAddress } from '../pci/config-access.ts'

const CONVENTIONAL_SIZE = 0x100

/** Configuration space as memory, little-endian: conventional space alone. */
export class SabreConfig extends ConfigAccess {
  readonly #bus: CpuBus
  readonly #base: number

  /** @param bus - without ports: no PC's mechanism is looked for */
  constructor(bus: CpuBus, base: number) {
    super(bus, [])
    this.#bus = bus
    this.#base = base
  }

  override reachesExtended(): boolean {
    return false
  }

  override read(at: FunctionAddress, offset: number, width: 1 | 2 | 4): number {
    if (at.segment !== 0 || offset + width > CONVENTIONAL_SIZE) return width === 4 ? 0xffff_ffff : 2 ** (width * 8) - 1
    const address = this.#addressOf(at, offset)
    if (width === 4) return this.#bus.read32(address)
    return width === 2 ? this.#bus.read16(address) : this.#bus.read8(address)
  }

  override write(at: FunctionAddress, offset: number, width: 1 | 2 | 4, value: number): void {
    if (at.segment !== 0 || offset + width > CONVENTIONAL_SIZE) return
    const address = this.#addressOf(at, offset)
    if (width === 4) this.#bus.write32(address, value >>> 0)
    else if (width === 2) this.#bus.write16(address, value)
    else this.#bus.write8(address, value)
  }

  #addressOf({ bus, device, function: fn }: FunctionAddress, offset: number): number {
    return this.#base + requesterId(bus, device, fn) * CONVENTIONAL_SIZE + offset
  }
}
