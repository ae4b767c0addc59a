import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CHUNK_BYTES, GuestRam } from '../src/index.ts'

const RUNS = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const MIB = 0x10_0000

describe('GuestRam', () => {
  it('reads zero where nothing was written, without backing it', () => {
    const ram = new GuestRam([{ base: 0, size: 64 * 1024 * MIB }])
    const before = ram.bytes.length
    for (let address = 0; address < ram.size; address += 64 * CHUNK_BYTES) expect(ram.read32(address)).toBe(0)
    expect(ram.bytes.length).toBe(before)
    ram.dispose()
  })

  it('has no RAM outside its ranges, to the byte', () => {
    const ram = new GuestRam([
      { base: 0, size: 3 * MIB },
      { base: 0x1_0000_0000, size: MIB },
    ])
    expect(ram.offsetToRead(3 * MIB - 1)).toBeGreaterThanOrEqual(0)
    expect(ram.offsetToRead(3 * MIB)).toBe(-1)
    expect(ram.offsetToWrite(3 * MIB, 4)).toBe(-1)
    expect(ram.offsetToRead(0x1_0000_0000 + MIB - 1)).toBeGreaterThanOrEqual(0)
    expect(ram.offsetToRead(0x1_0000_0000 + MIB)).toBe(-1)
    expect(ram.runLength(2 * MIB)).toBe(MIB)
    expect(ram.covers(2 * MIB, MIB)).toBe(true)
    expect(ram.covers(2 * MIB, MIB + 1)).toBe(false)
    ram.dispose()
  })

  it('grows its store without losing what was written', () => {
    const ram = new GuestRam([{ base: 0, size: 256 * MIB }])
    const first = ram.generation
    for (let chunk = 0; chunk < 100; chunk++) ram.write32(chunk * CHUNK_BYTES + 8, chunk + 1)
    expect(ram.generation).toBeGreaterThan(first)
    for (let chunk = 0; chunk < 100; chunk++) expect(ram.read32(chunk * CHUNK_BYTES + 8)).toBe(chunk + 1)
    ram.dispose()
  })

  it('hands the next guest cleared memory', () => {
    const one = new GuestRam([{ base: 0, size: 8 * MIB }])
    one.write32(0x1000, 0xdead_beef)
    one.dispose()
    const two = new GuestRam([{ base: 0, size: 8 * MIB }])
    two.write32(0x2000, 1)
    expect(two.read32(0x1000)).toBe(0)
    two.dispose()
  })

  it('hands the next guest cleared memory, wherever and however the last one wrote', () => {
    const size = 5 * MIB
    const place = fc.nat(size - 1)
    fc.assert(
      fc.property(
        fc.array(fc.record({ at: place, length: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.nat(40_000)) }), {
          maxLength: 6,
        }),
        fc.array(place, { maxLength: 8 }),
        (writes, touched) => {
          const one = new GuestRam([{ base: 0, size }])
          for (const { at, length } of writes) {
            const run = Math.min(length, one.runLength(at))
            // As a device's view of memory writes, and as software does.
            const offset = one.offsetToWrite(at, run)
            one.bytes.fill(0xa5, offset, offset + run)
            one.writeBytes(at, new Uint8Array(length).fill(0x5a))
          }
          one.dispose()
          const two = new GuestRam([{ base: 0, size }])
          // Backed, so that it is the last guest's store that is read.
          for (const at of touched) two.writeBytes(at, new Uint8Array(1))
          const back = new Uint8Array(40_001)
          for (const { at } of writes) {
            two.readBytes(at, back.fill(0))
            expect(back.some((byte) => byte !== 0)).toBe(false)
          }
          two.dispose()
        },
      ),
      { numRuns: Math.min(RUNS, 1000) },
    )
  })

  it('clears blocks that were written, whole or in part, and no byte beside', () => {
    const ram = new GuestRam([{ base: 0, size: 2 * MIB }])
    ram.writeBytes(0x3ffe, new Uint8Array(0x8004).fill(0xff))
    ram.clear(0x3fff, 0x8002)
    const seen = new Uint8Array(0x8008)
    ram.readBytes(0x3ffc, seen)
    expect(seen.indexOf(0xff)).toBe(2)
    expect(seen.lastIndexOf(0xff)).toBe(0x8005)
    expect(seen.filter((byte) => byte === 0xff)).toHaveLength(2)
    ram.dispose()
  })

  it('clears what was written, and backs nothing for the rest', () => {
    const ram = new GuestRam([
      { base: 0, size: 3 * MIB },
      { base: 4096 * MIB, size: 64 * 1024 * MIB },
    ])
    ram.write32(4096 * MIB + 8, 1)
    ram.write32(2 * MIB + 8, 2)
    ram.write32(2 * MIB, 3)
    const before = ram.bytes.length
    expect(ram.clear(2 * MIB + 4, 4 * MIB)).toBe(MIB - 4)
    expect([ram.read32(2 * MIB), ram.read32(2 * MIB + 8)]).toEqual([3, 0])
    expect(ram.clear(4096 * MIB, 64 * 1024 * MIB)).toBe(64 * 1024 * MIB)
    expect(ram.read32(4096 * MIB + 8)).toBe(0)
    expect(ram.clear(3 * MIB, 1)).toBe(0)
    expect(ram.bytes.length).toBe(before)
    ram.dispose()
  })

  it('refuses ranges that overlap or are no whole pages', () => {
    expect(() => new GuestRam([{ base: 0, size: 100 }])).toThrow(/whole 4 KiB pages/)
    expect(
      () =>
        new GuestRam([
          { base: 0, size: MIB },
          { base: 4096, size: MIB },
        ]),
    ).toThrow(/do not overlap/)
  })

  it('agrees with a plain array, whatever the order of reads and writes', () => {
    const size = 5 * MIB
    fc.assert(
      fc.property(
        fc.array(fc.record({ at: fc.nat(size + 64), data: fc.uint8Array({ maxLength: 40 }) }), { maxLength: 20 }),
        (writes) => {
          const ram = new GuestRam([{ base: 0, size }])
          const model = new Map<number, number>()
          for (const { at, data } of writes) {
            const done = ram.writeBytes(at, data)
            expect(done).toBe(Math.max(0, Math.min(data.length, size - at)))
            for (let index = 0; index < done; index++) model.set(at + index, data[index]!)
          }
          for (const { at, data } of writes) {
            const back = new Uint8Array(data.length)
            const done = ram.readBytes(at, back)
            for (let index = 0; index < done; index++) expect(back[index]).toBe(model.get(at + index))
          }
          ram.dispose()
        },
      ),
      { numRuns: RUNS },
    )
  })
})
