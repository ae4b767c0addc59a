import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DirectDma, type DmaMapping, FlushQueue, IommuDma, IovaSpace } from '../src/index.ts'
import { BumpPages, MapDomain, RecordingWitness } from './fakes.ts'

const numRuns = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const busAddress = ({ hi, lo }: DmaMapping): number => hi * 2 ** 32 + lo

function iommu(type: 'dma' | 'dma-fq', maskBits = 64) {
  const domain = new MapDomain(type)
  const pages = new BumpPages()
  const witness = new RecordingWitness()
  const space = new IovaSpace({ domain, reserved: [{ start: 0xfee0_0000, end: 0xfef0_0000 }] })
  return {
    domain,
    pages,
    witness,
    space,
    dma: new IommuDma({ owner: '0000:00:03.0', maskBits, space, pages, witness }),
  }
}

describe('DirectDma', () => {
  it('gives the device the CPU address, and the witness exactly the bytes', () => {
    const witness = new RecordingWitness()
    const dma = new DirectDma({ owner: '0000:00:02.0', maskBits: 32, pages: new BumpPages(), witness })
    const mapping = dma.map(0x12_3456, 100, 'to-device', 'buffer')!
    expect(mapping).toEqual({ cpu: 0x12_3456, hi: 0, lo: 0x12_3456, length: 100 })
    expect([...witness.granted.values()]).toEqual([
      { owner: '0000:00:02.0', address: 0x12_3456, length: 100, access: 1, purpose: 'buffer' },
    ])
    dma.unmap(mapping)
    expect(witness.granted.size).toBe(0)
  })

  it('cannot map what the mask does not reach, to the byte', () => {
    const dma = new DirectDma({ owner: 'd', maskBits: 32, pages: new BumpPages() })
    expect(dma.map(0xffff_ff00, 0x100, 'bidirectional', 'fits')).not.toBeNull()
    expect(dma.map(0xffff_ff00, 0x101, 'bidirectional', 'one too many')).toBeNull()
    expect(
      dma.mapScatter(
        [
          { cpu: 0x1000, length: 1 },
          { cpu: 2 ** 32, length: 1 },
        ],
        'to-device',
        'list',
      ),
    ).toBeNull()
  })

  it('takes coherent memory from below the mask and gives it back', () => {
    const pages = new BumpPages(0x2_0000_0000)
    const dma = new DirectDma({ owner: 'd', maskBits: 24, pages })
    const mapping = dma.allocCoherent(5000, 'ring')!
    expect(mapping.cpu).toBe(0x100_0000 - 2 * 4096)
    dma.freeCoherent(mapping)
    expect(pages.live.size).toBe(0)
  })
})

describe('IommuDma', () => {
  it('keeps the offset within the page and maps whole pages', () => {
    const { dma, domain } = iommu('dma')
    const mapping = dma.map(0x12_3ffc, 8, 'from-device', 'buffer')!
    // Eight bytes across a page boundary take two pages at the top of 4 GiB.
    expect(busAddress(mapping)).toBe(0xffff_effc)
    expect(domain.translate(0xffff_effc)).toBe(0x12_3ffc)
    expect(domain.translate(0xffff_f000)).toBe(0x12_4000)
    expect(domain.table.get(0xffff_f000)).toEqual({ physical: 0x12_4000, access: 2 })
  })

  it('strict: an unmap is invalidated page by page at once, and the address is free again', () => {
    const { dma, domain } = iommu('dma')
    const mapping = dma.map(0x12_3000, 4096, 'to-device', 'buffer')!
    domain.translate(busAddress(mapping))
    dma.unmap(mapping)
    expect(domain.flushes).toEqual([{ iova: 0xffff_f000, length: 4096 }])
    expect(domain.translate(0xffff_f000)).toBeNull()
    expect(busAddress(dma.map(0x20_0000, 4096, 'to-device', 'buffer')!)).toBe(0xffff_f000)
  })

  it('lazy: the device reaches the memory until the flush, and the address is not used again before', () => {
    const { dma, domain, space, witness } = iommu('dma-fq')
    const mapping = dma.map(0x12_3000, 4096, 'to-device', 'buffer')!
    domain.translate(busAddress(mapping))
    dma.unmap(mapping)
    expect(witness.granted.size).toBe(0)
    expect(domain.translate(0xffff_f000)).toBe(0x12_3000)
    expect(busAddress(dma.map(0x20_0000, 4096, 'to-device', 'other')!)).toBe(0xffff_e000)
    space.flush()
    expect(domain.flushes).toEqual(['domain'])
    expect(domain.translate(0xffff_f000)).toBeNull()
    expect(busAddress(dma.map(0x30_0000, 4096, 'to-device', 'third')!)).toBe(0xffff_f000)
  })

  it('lazy: a full queue is flushed by the next unmap', () => {
    const { dma, domain, space } = iommu('dma-fq')
    for (let count = 0; count < 255; count++) dma.unmap(dma.map(0x10_0000, 4096, 'to-device', 'b')!)
    expect(domain.flushes).toEqual([])
    expect(space.pendingFlushes).toBe(255)
    dma.unmap(dma.map(0x10_0000, 4096, 'to-device', 'b')!)
    expect(domain.flushes).toEqual(['domain'])
    expect(space.pendingFlushes).toBe(1)
  })

  it('merges segments that meet on page boundaries, up to the largest segment', () => {
    const { dma, domain } = iommu('dma')
    const segments = [
      { cpu: 0x10_0800, length: 0x800 },
      { cpu: 0x20_0000, length: 0x1000 },
      { cpu: 0x30_0000, length: 0x200 },
      { cpu: 0x40_0000, length: 0x1000 },
    ]
    const mappings = dma.mapScatter(segments, 'to-device', 'list')!
    // The first three meet; the third ends within its page, so that the fourth starts anew.
    expect(mappings.map(({ length }) => length)).toEqual([0x800 + 0x1000 + 0x200, 0x1000])
    expect(domain.translate(busAddress(mappings[0]!) + 0x800)).toBe(0x20_0000)
    expect(domain.translate(busAddress(mappings[1]!))).toBe(0x40_0000)
    dma.unmapScatter(mappings)
    expect(domain.table.size).toBe(0)
  })

  it('undoes a scatter list that memory ran out under', () => {
    const { dma, domain, witness } = iommu('dma')
    domain.budget = 1
    expect(
      dma.mapScatter(
        [
          { cpu: 0x10_0000, length: 4096 },
          { cpu: 0x20_0000, length: 4096 },
        ],
        'to-device',
        'l',
      ),
    ).toBeNull()
    expect(domain.table.size).toBe(0)
    expect(witness.granted.size).toBe(0)
    domain.budget = 2
    expect(busAddress(dma.map(0x10_0000, 8192, 'to-device', 'b')!)).toBe(0xffff_e000)
  })

  it('gives coherent memory back where no address is left for it', () => {
    const domain = new MapDomain('dma', 0x2000)
    const pages = new BumpPages()
    const dma = new IommuDma({ owner: 'd', maskBits: 32, space: new IovaSpace({ domain }), pages })
    expect(dma.allocCoherent(4096, 'one')).not.toBeNull()
    expect(dma.allocCoherent(4096, 'two')).toBeNull()
    expect(pages.live.size).toBe(1)
  })

  it('a 64-bit device leaves 4 GiB behind only when that is full, or when told to', () => {
    const domain = new MapDomain('dma')
    const space = new IovaSpace({ domain, reserved: [{ start: 0x2000, end: 2 ** 32 }] })
    const dma = new IommuDma({ owner: 'd', maskBits: 64, space, pages: new BumpPages() })
    expect(busAddress(dma.map(0x10_0000, 4096, 'to-device', 'a')!)).toBe(0x1000)
    expect(busAddress(dma.map(0x10_0000, 4096, 'to-device', 'b')!)).toBe(2 ** 39 - 4096)
    const forced = iommu('dma').space
    const wide = new IommuDma({ owner: 'd', maskBits: 64, space: forced, pages: new BumpPages(), prefer32Bit: false })
    expect(busAddress(wide.map(0x10_0000, 4096, 'to-device', 'c')!)).toBe(2 ** 39 - 4096)
  })

  it('names what was never given back, and refuses to take back what is not there', () => {
    const { dma } = iommu('dma')
    const kept = dma.allocCoherent(4096, 'virtqueue 0')!
    const mapping = dma.map(0x10_0000, 10, 'to-device', 'request')!
    dma.unmap(mapping)
    expect(dma.leaks()).toEqual([{ kind: 'coherent', purpose: 'virtqueue 0', mappings: [kept] }])
    expect(() => dma.unmap(mapping)).toThrow(/not live/)
    expect(() => dma.unmap(kept)).toThrow(/coherent mapping as streaming/)
    expect(() => dma.unmapScatter([])).toThrow(RangeError)
    expect(() => dma.map(-1, 1, 'to-device', 'x')).toThrow(RangeError)
    expect(() => dma.mapScatter([], 'to-device', 'x')).toThrow(RangeError)
  })
})

describe('FlushQueue', () => {
  it('invalidates before it releases, once for all', () => {
    const order: string[] = []
    const queue = new FlushQueue(
      () => order.push('invalidate'),
      (iova) => order.push(`release ${iova}`),
      2,
    )
    queue.push(1, 4096)
    queue.push(2, 4096)
    queue.push(3, 4096)
    expect(order).toEqual(['invalidate', 'release 1', 'release 2'])
    queue.flush()
    queue.flush()
    expect(order.slice(3)).toEqual(['invalidate', 'release 3'])
  })
})

describe('map and unmap sequences', () => {
  const operation = fc.oneof(
    fc.record({
      kind: fc.constant('map' as const),
      cpu: fc.integer({ min: 1, max: 0xff_ffff }),
      length: fc.integer({ min: 1, max: 20_000 }),
    }),
    fc.record({ kind: fc.constant('unmap' as const), which: fc.nat(20) }),
    fc.record({ kind: fc.constant('flush' as const) }),
  )

  it('every live byte leads to its memory, and no bus address serves two mappings', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('dma' as const, 'dma-fq' as const),
        fc.array(operation, { maxLength: 25 }),
        (type, operations) => {
          const { dma, domain, space, witness } = iommu(type)
          const live: DmaMapping[] = []
          for (const one of operations) {
            if (one.kind === 'map') live.push(dma.map(one.cpu, one.length, 'bidirectional', 'b')!)
            else if (one.kind === 'flush') space.flush()
            else {
              const [gone] = live.splice(one.which % Math.max(1, live.length), 1)
              if (gone) dma.unmap(gone)
            }
          }
          for (const mapping of live) {
            const at = busAddress(mapping)
            expect(domain.translate(at)).toBe(mapping.cpu)
            expect(domain.translate(at + mapping.length - 1)).toBe(mapping.cpu + mapping.length - 1)
          }
          const pages = live.flatMap((mapping) => {
            const first = Math.floor(busAddress(mapping) / 4096)
            const last = Math.floor((busAddress(mapping) + mapping.length - 1) / 4096)
            return Array.from({ length: last - first + 1 }, (_, index) => first + index)
          })
          expect(new Set(pages).size).toBe(pages.length)
          expect(domain.table.size).toBe(pages.length)
          expect(witness.granted.size).toBe(live.length)
        },
      ),
      { numRuns },
    )
  })
})
