import type { DmaPort, DmaResult } from '@dmascope/memory'
import { DMA_OK } from '@dmascope/memory'
import type { ChainBuffers } from './chain-buffers.ts'

/** Copies from the chain's readable buffers, byte `offset` of them first. Ends with the first DMA that fails. */
export function gather(port: DmaPort, chain: ChainBuffers, offset: number, into: Uint8Array): DmaResult {
  if (into.length === 0) return DMA_OK
  const { hi, lo, length } = chain
  let index = 0
  let skip = offset
  while (skip >= length[index]! && index < chain.readableCount) skip -= length[index++]!
  // Mostly all of it lies in one buffer (6 % of a request that moves 4 KiB).
  const first = lo[index]! + skip
  if (skip + into.length <= length[index]! && first <= 0xffff_ffff) return port.read(hi[index]!, first, into)
  let done = 0
  while (done < into.length) {
    const run = Math.min(length[index]! - skip, into.length - done)
    const at = lo[index]! + skip
    const part = run === into.length ? into : into.subarray(done, done + run)
    const result = port.read((hi[index]! + (at > 0xffff_ffff ? 1 : 0)) >>> 0, at >>> 0, part)
    if (result !== DMA_OK) return result
    done += run
    skip = 0
    index++
  }
  return DMA_OK
}

/** Copies to the chain's writable buffers, byte `offset` of them first. Ends with the first DMA that fails. */
export function scatter(port: DmaPort, chain: ChainBuffers, offset: number, from: Uint8Array): DmaResult {
  if (from.length === 0) return DMA_OK
  const { hi, lo, length } = chain
  let index = chain.readableCount
  let skip = offset
  while (skip >= length[index]! && index < chain.count) skip -= length[index++]!
  // Mostly all of it lies in one buffer (6 % of a request that moves 4 KiB).
  const first = lo[index]! + skip
  if (skip + from.length <= length[index]! && first <= 0xffff_ffff) return port.write(hi[index]!, first, from)
  let done = 0
  while (done < from.length) {
    const run = Math.min(length[index]! - skip, from.length - done)
    const at = lo[index]! + skip
    const part = run === from.length ? from : from.subarray(done, done + run)
    const result = port.write((hi[index]! + (at > 0xffff_ffff ? 1 : 0)) >>> 0, at >>> 0, part)
    if (result !== DMA_OK) return result
    done += run
    skip = 0
    index++
  }
  return DMA_OK
}
