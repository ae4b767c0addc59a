import type { DtNode } from '@dmascope/devicetree'
import type { CpuBus } from '@dmascope/memory/contracts'
import { H_RTAS } from '../spec/papr.ts'
import type { HypervisorCalls } from './hypervisor.ts'

/** Linux's RTAS_UNKNOWN_SERVICE: the tree has no token for the call. */
const UNKNOWN_SERVICE = -1099
/** LoPAPR's hardware error, for a call that could not be made. */
const HARDWARE_ERROR = -1

/** What a call answered: its status, then its other results. */
export interface RtasResult {
  readonly status: number
  readonly results: readonly number[]
}

/** Run-time services, by the tokens that the tree gives them. Arguments lie in a page below 4 GiB. */
export class Rtas {
  readonly #node: DtNode
  readonly #bus: CpuBus
  readonly #calls: HypervisorCalls
  readonly #buffer: number

  /** @param buffer - a page of memory that nobody else uses */
  constructor(node: DtNode, bus: CpuBus, calls: HypervisorCalls, buffer: number) {
    this.#node = node
    this.#bus = bus
    this.#calls = calls
    this.#buffer = buffer
  }

  /** @param nret - results, the status among them */
  call(name: string, args: readonly number[], nret: number): RtasResult {
    const token = this.#node.cell(name)
    if (token === undefined) return { status: UNKNOWN_SERVICE, results: [] }
    return this.callToken(token, args, nret)
  }

  callToken(token: number, args: readonly number[], nret: number): RtasResult {
    const cells = new DataView(new ArrayBuffer((3 + args.length + nret) * 4))
    for (const [index, cell] of [token, args.length, nret, ...args].entries()) cells.setUint32(index * 4, cell)
    const bytes = new Uint8Array(cells.buffer)
    this.#bus.writeBytes(this.#buffer, bytes)
    if (this.#calls.call(H_RTAS, this.#buffer) !== 0) return { status: HARDWARE_ERROR, results: [] }
    this.#bus.readBytes(this.#buffer, bytes)
    const results = Array.from({ length: nret }, (_, index) => cells.getUint32((3 + args.length + index) * 4))
    return { status: (results[0] ?? HARDWARE_ERROR) | 0, results: results.slice(1) }
  }
}
