import type { CpuBus } from '@dmascope/memory/contracts'
import { ConfigAccess, type FunctionAddress } from '../pci/config-access.ts'

/** Linux knows these by heart (`setup_u3_agp`). */
const CONFIG_ADDRESS = 0xf080_0000
const CONFIG_DATA = 0xf0c0_0000
/** Slots below are on no address line. */
const FIRST_SLOT = 11

/**
 * Configuration space behind Apple’s host bridges (`macrisc_pci_ops`): on the first bus the address has a bit for the
 * slot, on others bit 0.
 *
 * DEVIATION: the first bus has the number 0, where Linux calls it f0.
 */
export class U3Config extends ConfigAccess {
  readonly #memory: CpuBus

  constructor(bus: CpuBus) {
    super(bus, [], false)
    this.#memory = bus
  }

  override reachesExtended(): boolean {
    return false
  }

  override read(at: FunctionAddress, offset: number, width: 1 | 2 | 4): number {
    const data = this.#select(at, offset)
    if (data === null) return width === 4 ? 0xffff_ffff : 2 ** (width * 8) - 1
    const bus = this.#memory
    return width === 4 ? bus.read32(data) : width === 2 ? bus.read16(data) : bus.read8(data)
  }

  override write(at: FunctionAddress, offset: number, width: 1 | 2 | 4, value: number): void {
    const data = this.#select(at, offset)
    const bus = this.#memory
    if (data === null) return
    if (width === 4) bus.write32(data, value >>> 0)
    else if (width === 2) bus.write16(data, value & 0xffff)
    else bus.write8(data, value & 0xff)
  }

  /** Where the register’s data is, once the address is set. Null where nothing can be. */
  #select(at: FunctionAddress, offset: number): number | null {
    if (at.segment !== 0 || offset > 0xff) return null
    if (at.bus === 0 && at.device < FIRST_SLOT) return null
    const rest = (at.function << 8) | (offset & 0xfc)
    const first = (1 << at.device) | rest
    const other = (at.bus << 16) | (at.device << 11) | rest | 1
    this.#memory.write32(CONFIG_ADDRESS, (at.bus === 0 ? first : other) >>> 0)
    // The bridge answers garbage unless what was written is read back.
    this.#memory.read32(CONFIG_ADDRESS)
    return CONFIG_DATA + (offset & 7)
  }
}
