import type { CpuBus } from '@dmascope/memory/contracts'
import { requesterId } from '@dmascope/pci/spec'
import { ConfigAccess, type FunctionAddress } from '../pci/config-access.ts'
import { OPAL_PCI_CONFIG_READ, OPAL_PCI_CONFIG_WRITE } from '../spec/opal.ts'
import type { Opal } from './opal.ts'
import type { OpalPhb } from './phbs.ts'

/** Configuration space by OPAL calls. What is refused reads as all ones. */
export class OpalConfig extends ConfigAccess {
  readonly #opal: Opal
  readonly #phbs: readonly OpalPhb[]

  /** @param bus - without ports: no PC's mechanism is looked for */
  constructor(bus: CpuBus, opal: Opal, phbs: readonly OpalPhb[]) {
    super(bus, [])
    this.#opal = opal
    this.#phbs = phbs
  }

  override reachesExtended(at: FunctionAddress): boolean {
    return this.#isThere(at)
  }

  override read(at: FunctionAddress, offset: number, width: 1 | 2 | 4): number {
    const ones = width === 4 ? 0xffff_ffff : 2 ** (width * 8) - 1
    if (!this.#isThere(at)) return ones
    const opal = this.#opal
    const id = requesterId(at.bus, at.device, at.function)
    return opal.call(OPAL_PCI_CONFIG_READ[width], at.segment, id, offset, opal.buffer) === 0
      ? opal.result(0, width)
      : ones
  }

  override write(at: FunctionAddress, offset: number, width: 1 | 2 | 4, value: number): void {
    if (!this.#isThere(at)) return
    const id = requesterId(at.bus, at.device, at.function)
    this.#opal.call(OPAL_PCI_CONFIG_WRITE[width], at.segment, id, offset, value >>> 0)
  }

  #isThere({ segment }: FunctionAddress): boolean {
    return this.#phbs.some((phb) => phb.segment === segment)
  }
}
