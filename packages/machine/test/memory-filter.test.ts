import { GuestRam } from '@dmascope/memory'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { DeviceLedger } from '../src/fabric/ledger.ts'
import { MemoryFilter } from '../src/restricted/memory-filter.ts'

const numRuns = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const PAGES = 8
const ram = new GuestRam([{ base: 0, size: PAGES * 4096 }])
afterAll(() => ram.dispose())
const OPEN = { base: 0x3000, size: 0x2000 }

function device() {
  ram.writeBytes(0, new Uint8Array(PAGES * 4096).fill(0x55))
  const ledger = new DeviceLedger()
  ledger.phase = 'self-test'
  return { memory: new MemoryFilter(ram, OPEN).ofDevice(ledger), closed: () => ledger.closed['self-test'] }
}

const read = (at: number, length: number): number[] => {
  const bytes = new Uint8Array(length)
  ram.readBytes(at, bytes)
  return [...bytes]
}

describe('a filter in front of memory', () => {
  it('lets devices into the region, and counts nothing', () => {
    const { memory, closed } = device()
    const bytes = new Uint8Array(4)
    expect(memory.readBytes(0x3000, bytes)).toBe(4)
    expect([...bytes]).toEqual([0x55, 0x55, 0x55, 0x55])
    memory.writeBytes(0x4ffc, Uint8Array.of(1, 2, 3, 4))
    expect(read(0x4ffc, 4)).toEqual([1, 2, 3, 4])
    expect(closed()).toBe(0)
  })

  it('has them read zeros elsewhere, and drops what they write', () => {
    const { memory, closed } = device()
    const bytes = Uint8Array.of(9, 9)
    expect(memory.readBytes(0x2ff0, bytes)).toBe(2)
    expect([...bytes]).toEqual([0, 0])
    expect(memory.writeBytes(0x5000, Uint8Array.of(1, 2))).toBe(2)
    expect(read(0x5000, 2)).toEqual([0x55, 0x55])
    expect(closed()).toBe(2)
  })

  it('is open or closed to each page for itself, for any access', () => {
    const all = PAGES * 4096
    fc.assert(
      fc.property(fc.nat(all - 1), fc.integer({ min: 1, max: 0x3000 }), fc.boolean(), (at, wanted, write) => {
        const length = Math.min(wanted, all - at)
        const { memory, closed } = device()
        const isOpen = (address: number): boolean => address >= 0x3000 && address < 0x5000
        const bytes = new Uint8Array(length).fill(0x77)
        if (write) memory.writeBytes(at, bytes)
        else memory.readBytes(at, bytes)
        const got = write ? read(at, length) : [...bytes]
        const expected = got.map((_, index) => (isOpen(at + index) ? (write ? 0x77 : 0x55) : write ? 0x55 : 0))
        expect(got).toEqual(expected)
        expect(closed()).toBe(memory.isOpen(at, length) ? 0 : 1)
      }),
      { numRuns: Math.ceil(numRuns / 20) },
    )
  })
})
