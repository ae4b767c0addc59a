import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Direction, type DmaMapping, IommuDma, IovaSpace, Swiotlb } from '../src/index.ts'
import { BumpPages, MapDomain } from './fakes.ts'

const numRuns = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const POOL = 0x20_0000
const MEMORY = 0x40_0000
const PAGE = 4096

function setup(slots = 128, bytes = new Uint8Array(MEMORY).fill(0x5a)) {
  const memory = {
    readBytes: (address: number, into: Uint8Array) => into.set(bytes.subarray(address, address + into.length)),
    writeBytes: (address: number, from: Uint8Array) => bytes.set(from, address),
  }
  const grants: (readonly [number, number])[] = []
  const witness = {
    grant: (_owner: string, address: number, length: number) => grants.push([address, length]) - 1,
    revoke: () => {},
    phase: () => {},
  }
  const domain = new MapDomain('dma')
  const bounce = new Swiotlb({ memory, start: POOL, slots })
  const space = new IovaSpace({ domain })
  const dma = new IommuDma({ owner: 'd', maskBits: 64, space, pages: new BumpPages(), witness, bounce })
  /** Where the device's access at an offset of a mapping lands in memory. */
  const landed = (mapping: DmaMapping, offset = 0): number => {
    const iova = mapping.hi * 2 ** 32 + mapping.lo + offset
    const entry = domain.table.get(iova - (iova % PAGE))
    return entry === undefined ? -1 : entry.physical + (iova % PAGE)
  }
  return { bytes, domain, bounce, dma, grants, landed }
}

describe('a device that is not trusted', () => {
  it('gets a page of the pool for less than a page, with nothing else in it', () => {
    const { bytes, dma, grants, landed } = setup()
    bytes.fill(7, 0x1010, 0x1050)
    const mapping = dma.map(0x1010, 0x40, 'to-device', 'b')!
    const at = landed(mapping)
    expect([at % PAGE, at >= POOL]).toEqual([0x10, true])
    expect([...bytes.subarray(at, at + 0x40)]).toEqual(Array(0x40).fill(7))
    const page = at - (at % PAGE)
    expect([bytes[page], bytes[page + 0x0f], bytes[page + 0x50], bytes[page + PAGE - 1]]).toEqual([0, 0, 0, 0])
    expect(grants).toEqual([[at, 0x40]])
  })

  it('gets whole pages as they are', () => {
    const { dma, bounce, landed } = setup()
    expect(landed(dma.map(0x3000, 2 * PAGE, 'from-device', 'b')!)).toBe(0x3000)
    expect(bounce.used).toBe(0)
  })

  it('is kept from the page before its data are copied back', () => {
    const { bytes, dma, domain, bounce, landed } = setup()
    const mapping = dma.map(0x1100, 16, 'from-device', 'b')!
    bytes.fill(9, landed(mapping), landed(mapping) + 8)
    dma.syncForCpu(mapping, 0, 4)
    expect([...bytes.subarray(0x1100, 0x1106)]).toEqual([9, 9, 9, 9, 0x5a, 0x5a])
    dma.unmap(mapping)
    expect([...bytes.subarray(0x1100, 0x110a)]).toEqual([9, 9, 9, 9, 9, 9, 9, 9, 0x5a, 0x5a])
    expect([domain.table.size, bounce.used]).toEqual([0, 0])
    expect(() => dma.unmap(mapping)).toThrow(RangeError)
  })

  it('has a list of which anything is bounced mapped by its segments, and given back as one', () => {
    const { dma, domain, bounce, landed } = setup()
    const list = dma.mapScatter(
      [
        { cpu: 0x4000, length: PAGE },
        { cpu: 0x5000, length: 100 },
      ],
      'bidirectional',
      'b',
    )!
    expect([list.length, landed(list[0]!), landed(list[1]!) >= POOL]).toEqual([2, 0x4000, true])
    dma.unmapScatter(list)
    expect([domain.table.size, bounce.used, dma.leaks()]).toEqual([0, 0, []])
    expect(() => dma.unmapScatter(list)).toThrow(RangeError)
  })

  it('gets no address where the pool is full, and none of a list is left mapped', () => {
    const { dma, domain, bounce } = setup()
    const large = { cpu: 0x1_0001, length: 60 * PAGE }
    expect(dma.mapScatter([large, { ...large }], 'to-device', 'b')).toBeNull()
    expect([domain.table.size, bounce.used]).toEqual([0, 0])
  })

  it('gets no address where page tables run out, and no slot is lost', () => {
    const { dma, domain, bounce } = setup()
    domain.budget = 0
    expect(dma.map(0x1001, 1, 'to-device', 'b')).toBeNull()
    expect(bounce.used).toBe(0)
  })

  it('reads and writes its own data and nothing else, whatever is mapped', () => {
    const request = fc
      .record({
        cpu: fc.integer({ min: 0, max: 0xf_0000 }),
        length: fc.integer({ min: 1, max: 9000 }),
        direction: fc.constantFrom<Direction>('to-device', 'from-device', 'bidirectional'),
      })
      .filter(({ cpu, length }) => cpu % PAGE !== 0 || length % PAGE !== 0)
    const shared = new Uint8Array(MEMORY).fill(0x5a)
    fc.assert(
      fc.property(fc.array(request, { minLength: 1, maxLength: 6 }), (requests) => {
        const { bytes, dma, bounce, landed } = setup(256, shared)
        for (const { cpu, length, direction } of requests) {
          const mapping = dma.map(cpu, length, direction, 'b')!
          const at = landed(mapping)
          expect(bytes[at]).toBe(bytes[cpu])
          const last = landed(mapping, length - 1)
          bytes[last] = 0xc3
          const before = bytes[cpu + length - 1]
          dma.unmap(mapping)
          expect(bytes[cpu + length - 1]).toBe(direction === 'to-device' ? before : 0xc3)
          bytes[cpu + length - 1] = 0x5a
        }
        expect(bounce.used).toBe(0)
      }),
      { numRuns },
    )
  })
})
