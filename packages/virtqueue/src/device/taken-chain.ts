import type { DmaPort, DmaResult } from '@dmascope/memory'
import type { ChainBuffers } from './chain-buffers.ts'
import { gather, scatter } from './chain-copy.ts'

/** What every kind of queue tells of the chain that it stands at, and how a device reads and writes its buffers. */
export class TakenChain<Chain extends ChainBuffers> {
  protected readonly chain: Chain
  readonly #port: DmaPort

  constructor(port: DmaPort, chain: Chain) {
    this.#port = port
    this.chain = chain
  }

  get count(): number {
    return this.chain.count
  }
  get readableCount(): number {
    return this.chain.readableCount
  }
  get readableBytes(): number {
    return this.chain.readableBytes
  }
  get writableBytes(): number {
    return this.chain.writableBytes
  }
  get hi(): Uint32Array {
    return this.chain.hi
  }
  get lo(): Uint32Array {
    return this.chain.lo
  }
  get length(): Uint32Array {
    return this.chain.length
  }

  read(offset: number, into: Uint8Array): DmaResult {
    if (offset < 0 || offset + into.length > this.readableBytes) {
      throw new RangeError(
        `bytes [${offset}, ${offset + into.length}) of a chain with ${this.readableBytes} readable ones`,
      )
    }
    return gather(this.#port, this.chain, offset, into)
  }

  write(offset: number, from: Uint8Array): DmaResult {
    if (offset < 0 || offset + from.length > this.writableBytes) {
      throw new RangeError(
        `bytes [${offset}, ${offset + from.length}) of a chain with ${this.writableBytes} writable ones`,
      )
    }
    return scatter(this.#port, this.chain, offset, from)
  }
}
