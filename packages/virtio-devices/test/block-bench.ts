import { createBlock, createMemoryDisk } from '../src/index.ts'
import { Bench, pattern, words } from './bench.ts'

// virtio 1.3 §5.2.6: le32 type, le32 reserved, le64 sector.
export const IN = 0
export const OUT = 1
export const FLUSH = 4
export const GET_ID = 8
export const DISCARD = 11
export const WRITE_ZEROES = 13
export const OK = 0
export const IOERR = 1
export const UNSUPP = 2
export const header = (type: number, sector = 0, sectorHi = 0): Uint8Array => words(type, 0, sector, sectorHi)

/** A bench with a disk of `sectors`, filled with a pattern. */
export function setup(options: { sectors?: number; readOnly?: boolean; serial?: string } = {}) {
  const content = pattern((options.sectors ?? 64) * 512)
  const bench = new Bench(createBlock({ disk: createMemoryDisk(content), ...options }))
  /** Runs one request; the status byte starts as 0xee, which no device writes. */
  const run = (type: number, sector: number, readable: Uint8Array[], writable: number[], sectorHi = 0) => {
    const outgoing = [header(type, sector, sectorHi), ...readable].map((bytes) => bench.piece(bytes))
    const incoming = writable.map((length) => bench.piece(length))
    const status = bench.piece(Uint8Array.of(0xee))
    const used = bench.request(0, outgoing, [...incoming, status])
    return { used, status: status.bytes[0], data: incoming.map(({ bytes }) => bytes) }
  }
  return { bench, content, run }
}
