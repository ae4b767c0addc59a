import type { DtNode } from '@dmascope/devicetree'
import type { CpuBus } from '@dmascope/memory/contracts'
import { H_RTAS } from '../spec/slof.ts'

/** Configuration space of a pseries machine, before any kernel runs: RTAS calls, with their arguments in this memory. */
export class RtasConfig {
  readonly #bus: CpuBus
  readonly #buffer: number
  readonly #readToken: number
  readonly #writeToken: number

  /** @param rtas - the tree's node with the tokens */
  constructor(bus: CpuBus, rtas: DtNode | undefined, buffer: number) {
    this.#bus = bus
    this.#buffer = buffer
    this.#readToken = rtas?.cell('ibm,read-pci-config') ?? 0
    this.#writeToken = rtas?.cell('ibm,write-pci-config') ?? 0
  }

  /** @param address - bus, device and function in bits 23:8 */
  read(buid: readonly [hi: number, lo: number], address: number, offset: number, width: 1 | 2 | 4): number {
    const [status, value] = this.#call(this.#readToken, [(address | offset) >>> 0, ...buid, width], 2)
    return status === 0 ? value! : width === 4 ? 0xffff_ffff : 2 ** (8 * width) - 1
  }

  write(
    buid: readonly [hi: number, lo: number],
    address: number,
    offset: number,
    width: 1 | 2 | 4,
    value: number,
  ): void {
    this.#call(this.#writeToken, [(address | offset) >>> 0, ...buid, width, value >>> 0], 1)
  }

  #call(token: number, args: readonly number[], nret: number): number[] {
    const cells = new DataView(new ArrayBuffer((3 + args.length + nret) * 4))
    for (const [index, cell] of [token, args.length, nret, ...args].entries()) cells.setUint32(index * 4, cell)
    const bytes = new Uint8Array(cells.buffer)
    this.#bus.writeBytes(this.#buffer, bytes)
    const where = Uint32Array.of(this.#buffer % 0x1_0000_0000, Math.floor(this.#buffer / 0x1_0000_0000))
    if (this.#bus.hypercall?.(H_RTAS, where, new Uint32Array(2)) !== 0) return [-1]
    this.#bus.readBytes(this.#buffer, bytes)
    return Array.from({ length: nret }, (_, index) => cells.getUint32((3 + args.length + index) * 4))
  }
}
