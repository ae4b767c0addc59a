import type { CpuBus } from '@dmascope/memory/contracts'
import { CONFIG_ADDRESS, requesterId } from '@dmascope/pci/spec'
import type { WordRegisters } from '../openpic/byte-order.ts'
import { ConfigAccess, type FunctionAddress } from '../pci/config-access.ts'
import { PCI_CONFIGURATION } from '../spec/fsl-pci.ts'

const { CFG_ADDR, CFG_DATA } = PCI_CONFIGURATION.registers
const ENABLE = CONFIG_ADDRESS.fields.ENABLE.setLo(0, 1)

/** Configuration space by an address register and a window of data (`setup_indirect_pci`, big-endian). */
export class IndirectConfig extends ConfigAccess {
  readonly #memory: CpuBus
  readonly #words: WordRegisters
  readonly #registers: number

  constructor(bus: CpuBus, words: WordRegisters, registers: number) {
    super(bus, [], false)
    this.#memory = bus
    this.#words = words
    this.#registers = registers
  }

  override reachesExtended(): boolean {
    return false
  }

  override read(at: FunctionAddress, offset: number, width: 1 | 2 | 4): number {
    if (at.segment !== 0 || offset > 0xff) return width === 4 ? 0xffff_ffff : 2 ** (width * 8) - 1
    const data = this.#select(at, offset)
    const bus = this.#memory
    return width === 4 ? bus.read32(data) : width === 2 ? bus.read16(data) : bus.read8(data)
  }

  override write(at: FunctionAddress, offset: number, width: 1 | 2 | 4, value: number): void {
    if (at.segment !== 0 || offset > 0xff) return
    const data = this.#select(at, offset)
    const bus = this.#memory
    if (width === 4) bus.write32(data, value >>> 0)
    else if (width === 2) bus.write16(data, value & 0xffff)
    else bus.write8(data, value & 0xff)
  }

  /** Where the register’s data is, once the address is set. */
  #select(at: FunctionAddress, offset: number): number {
    const id = requesterId(at.bus, at.device, at.function)
    this.#words.write(this.#registers + CFG_ADDR.offset, (ENABLE | (id << 8) | (offset & 0xfc)) >>> 0)
    return this.#registers + CFG_DATA.offset + (offset & 3)
  }
}
