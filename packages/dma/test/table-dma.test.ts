import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type PageAllocator, TableArena, TableDma, type TranslationTable } from '../src/index.ts'
import { RecordingWitness } from './fakes.ts'

const RUNS = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const BASE = 0xc000_0000
const PAGE = 0x2000

/** Entries in plain maps, and how often it was flushed. */
class FakeTable implements TranslationTable {
  readonly base = BASE
  readonly pageShift = 13
  readonly entries: number
  readonly mapped = new Map<number, { physical: number; access: number }>()
  flushes = 0

  constructor(entries: number) {
    this.entries = entries
  }

  set(entry: number, physical: number, access: 1 | 2 | 3): void {
    this.mapped.set(entry, { physical, access })
  }

  clear(entry: number): void {
    this.mapped.delete(entry)
  }

  flushAll(): void {
    this.flushes++
  }
}

/** Pages of [0x100000, 0x200000), from the top down; any part of what was given can come back. */
class PartedPages implements PageAllocator {
  readonly taken = new Set<number>()

  allocate(count: number): number | null {
    for (let first = 0x1ff - (count - 1); first >= 0x100; first--) {
      const pages = Array.from({ length: count }, (_, page) => first + page)
      if (pages.some((page) => this.taken.has(page))) continue
      for (const page of pages) this.taken.add(page)
      return first * 4096
    }
    return null
  }

  free(address: number, count: number): void {
    for (let page = address / 4096; page < address / 4096 + count; page++) {
      if (!this.taken.delete(page)) throw new Error(`page ${page} freed twice`)
    }
  }
}

function rig(entries = 16, maskBits = 32) {
  const table = new FakeTable(entries)
  const arena = new TableArena(table)
  const witness = new RecordingWitness()
  const pages = new PartedPages()
  return { table, arena, witness, pages, dma: new TableDma({ owner: 'device', maskBits, arena, pages, witness }) }
}

describe('an arena', () => {
  it('goes through all entries before it gives one out again, and flushes as it comes round', () => {
    const { table, arena } = rig(4)
    const given = [arena.allocate(1), arena.allocate(2)]
    arena.release(0, 1)
    expect([...given, arena.allocate(1), table.flushes]).toEqual([0, 1, 3, 0])
    expect([arena.allocate(1), table.flushes]).toEqual([0, 1])
  })

  it('answers nothing where no run is long enough, after it has flushed', () => {
    const { table, arena } = rig(4)
    arena.allocate(1)
    arena.allocate(1)
    arena.release(0, 1)
    expect([arena.allocate(3), table.flushes, arena.allocate(2)]).toEqual([null, 1, 2])
  })
})

describe('DMA through a table', () => {
  it('maps whole pages, and keeps the offset in them', () => {
    const { dma, table, witness } = rig()
    const mapping = dma.map(0x12_3f00, 0x200, 'from-device', 'buffer')
    expect(mapping).toEqual({ cpu: 0x12_3f00, hi: 0, lo: BASE + 0x1f00, length: 0x200 })
    expect([...table.mapped]).toEqual([
      [0, { physical: 0x12_2000, access: 2 }],
      [1, { physical: 0x12_4000, access: 2 }],
    ])
    expect([...witness.granted.values()]).toEqual([
      { owner: 'device', address: 0x12_3f00, length: 0x200, access: 2, purpose: 'buffer' },
    ])
    dma.unmap(mapping!)
    expect([table.mapped.size, witness.granted.size, dma.leaks()]).toEqual([0, 0, []])
  })

  it('gives coherent memory that begins at a page of the table’s, and takes it back', () => {
    const { dma, table, pages } = rig()
    // So that what comes first does not begin at one.
    pages.allocate(1)
    const mapping = dma.allocCoherent(0x1001, 'ring')
    expect([mapping!.cpu % PAGE, mapping!.lo, table.mapped.size, pages.taken.size]).toEqual([0, BASE, 1, 3])
    dma.freeCoherent(mapping!)
    expect([pages.taken.size, table.mapped.size]).toEqual([1, 0])
  })

  it('joins segments that end and begin on pages', () => {
    const { dma, table } = rig()
    const mappings = dma.mapScatter(
      [
        { cpu: 0x12_0000, length: PAGE },
        { cpu: 0x16_0000, length: 0x100 },
        { cpu: 0x18_0010, length: 0x10 },
      ],
      'to-device',
      'list',
    )
    expect(mappings?.map(({ lo, length }) => [lo, length])).toEqual([
      [BASE, PAGE + 0x100],
      [BASE + 2 * PAGE + 0x10, 0x10],
    ])
    expect(table.mapped.size).toBe(3)
    dma.unmapScatter(mappings!)
    expect(table.mapped.size).toBe(0)
  })

  it('maps nothing where the table is full, or the device does not reach the window', () => {
    const { dma, pages } = rig(1)
    expect(dma.map(0x12_0000, 2 * PAGE, 'to-device', 'large')).toBeNull()
    expect(dma.allocCoherent(2 * PAGE, 'large')).toBeNull()
    expect(pages.taken.size).toBe(0)
    expect(rig(16, 31).dma.map(0x12_0000, 1, 'to-device', 'far')).toBeNull()
  })

  it('refuses what is not live', () => {
    const { dma } = rig()
    const mapping = dma.map(0x12_0000, 16, 'to-device', 'once')!
    dma.unmap(mapping)
    expect(() => dma.unmap(mapping)).toThrow(RangeError)
    expect(() => dma.map(-1, 16, 'to-device', 'nowhere')).toThrow(RangeError)
    expect(() => dma.mapScatter([], 'to-device', 'nothing')).toThrow(RangeError)
  })
})

it('random mappings never share an entry, and lead where their memory is', () => {
  const step = fc.record({
    cpu: fc.integer({ min: 0x10_0000, max: 0x1f_0000 }),
    length: fc.integer({ min: 1, max: 0x5000 }),
    drop: fc.integer({ min: 0, max: 3 }),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      const { dma, table } = rig(12)
      const live: NonNullable<ReturnType<typeof dma.map>>[] = []
      for (const { cpu, length, drop } of steps) {
        const mapping = dma.map(cpu, length, 'bidirectional', 'random')
        if (mapping !== null) live.push(mapping)
        if (drop < live.length) dma.unmap(live.splice(drop, 1)[0]!)
        const entries = live.map((one) => Math.ceil(((one.cpu % PAGE) + one.length) / PAGE))
        expect(table.mapped.size).toBe(entries.reduce((sum, count) => sum + count, 0))
        for (const one of live) {
          const entry = table.mapped.get(Math.floor((one.lo - BASE) / PAGE))
          expect((entry?.physical ?? 0) + (one.lo % PAGE)).toBe(one.cpu)
        }
      }
    }),
    { numRuns: RUNS },
  )
})
