import type { CpuBus } from '@dmascope/memory/contracts'
import { requesterId } from '@dmascope/pci/spec'
import { ConfigAccess, type FunctionAddress } from '../pci/config-access.ts'
import type { HostBridge } from './host-bridges.ts'
import type { Rtas } from './rtas.ts'

/** Bits 31:28 of a configuration address extend the register number in bits 7:0. */
export const configAddress = (at: FunctionAddress, offset = 0): number =>
  (((offset & 0xf00) << 20) | (requesterId(at.bus, at.device, at.function) << 8) | (offset & 0xff)) >>> 0

/** Configuration space by RTAS calls, as Linux reaches it in a partition. What is refused reads as all ones. */
export class RtasConfig extends ConfigAccess {
  readonly #rtas: Rtas
  readonly #bridges: readonly HostBridge[]

  /** @param bus - without ports: no PC's mechanism is looked for */
  constructor(bus: CpuBus, rtas: Rtas, bridges: readonly HostBridge[]) {
    super(bus, [])
    this.#rtas = rtas
    this.#bridges = bridges
  }

  override reachesExtended(at: FunctionAddress): boolean {
    return this.#bridges.some(({ segment, extendedConfig }) => segment === at.segment && extendedConfig)
  }

  override read(at: FunctionAddress, offset: number, width: 1 | 2 | 4): number {
    const ones = width === 4 ? 0xffff_ffff : 2 ** (width * 8) - 1
    const bridge = this.#bridgeOf(at)
    if (bridge === undefined) return ones
    const args = [configAddress(at, offset), bridge.buidHi, bridge.buidLo, width]
    const { status, results } = this.#rtas.call('ibm,read-pci-config', args, 2)
    return status === 0 ? (results[0] ?? ones) : ones
  }

  override write(at: FunctionAddress, offset: number, width: 1 | 2 | 4, value: number): void {
    const bridge = this.#bridgeOf(at)
    if (bridge === undefined) return
    const args = [configAddress(at, offset), bridge.buidHi, bridge.buidLo, width, value >>> 0]
    this.#rtas.call('ibm,write-pci-config', args, 1)
  }

  #bridgeOf(at: FunctionAddress): HostBridge | undefined {
    return this.#bridges.find(({ segment }) => segment === at.segment)
  }
}
