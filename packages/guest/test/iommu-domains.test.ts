import { vtdOptionsFor } from '@dmascope/iommu/vtd'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PageTable } from '../src/iommu/vtd/page-table.ts'
import { addressMask } from '../src/iommu/vtd/vtd-domain.ts'
import { access, dmarOf, drhd, pci, requesterOf, TestMachine } from './iommu-machine.ts'

const numRuns = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)
const disk = pci('00:03.0')
const MIB_2 = 0x20_0000

function boot(
  append: string,
  options = vtdOptionsFor('11.1'),
  guest = 'linux-6.12',
  ram = [{ start: 0, end: 0x1000_0000 }],
) {
  const machine = new TestMachine()
  const unit = machine.addUnit(options)
  const iommu = machine.boot(dmarOf([drhd(['endpoint 00:03.0'])]), { append, guest, ram })
  iommu.attachDevices([disk])
  return { machine, unit, iommu }
}

describe('the default domain', () => {
  it.each([
    ['', 'dma-fq'],
    ['intel_iommu=on', 'dma-fq'],
    ['intel_iommu=on,strict', 'dma'],
    ['intel_iommu=on iommu.strict=1', 'dma'],
    ['intel_iommu=strict iommu.strict=0', 'dma-fq'],
    ['iommu=pt', 'identity'],
    ['iommu=nopt', 'dma-fq'],
    ['iommu=force', 'dma-fq'],
    ['iommu=soft', 'dma-fq'],
    ['iommu.passthrough=1', 'identity'],
    ['iommu=pt iommu.passthrough=0', 'dma-fq'],
    ['iommu.passthrough=0 iommu=pt', 'identity'],
    ['iommu=pt iommu.strict=1', 'identity'],
    ['intel_iommu=off', 'none'],
    ['intel_iommu=off intel_iommu=on', 'dma-fq'],
    ['iommu=off', 'none'],
    ['iommu=off intel_iommu=on', 'none'],
    ['root=/dev/vda quiet console=ttyS0,115200', 'dma-fq'],
  ])('"%s": %s', (append, expected) => {
    const { unit, iommu } = boot(append)
    expect(iommu.domainType(disk)).toBe(expected)
    expect(iommu.iommus[0]!.default).toBe(expected)
    expect(unit.translationEnabled).toBe(expected !== 'none')
    expect(iommu.dmaOps(disk, 64).kind).toBe(expected.startsWith('dma') ? 'iommu' : 'direct')
  })

  it('caching mode makes lazy invalidation strict, and leaves the rest alone', () => {
    const cachingMode = vtdOptionsFor('11.1', { 'caching-mode': 'on' })
    expect(boot('', cachingMode).iommu.domainType(disk)).toBe('dma')
    expect(boot('iommu=pt', cachingMode).iommu.domainType(disk)).toBe('identity')
  })

  it('passes through in the context entry, where the unit can', () => {
    const { unit, iommu } = boot('iommu=pt')
    expect(access(unit, requesterOf(disk), 0x12_3456, 2)).toEqual({ to: 0x12_3456, route: 'bypass' })
    expect(iommu.why(disk).some(({ fact }) => fact.includes('pass-through, domain 1'))).toBe(true)
  })

  it('where it cannot, Linux 6.1 maps all memory onto itself, and 6.12 translates', () => {
    const without = vtdOptionsFor('7.2', { pt: 'off' })
    const old = boot('iommu=pt', without, 'linux-6.1')
    expect(old.iommu.domainType(disk)).toBe('identity')
    expect(access(old.unit, requesterOf(disk), 0xfff_fff0, 2)).toEqual({ to: 0xfff_fff0, route: 'translated' })
    expect(access(old.unit, requesterOf(disk), 0x1000_0000, 2)).toEqual({ fault: 0x05 })
    const recent = boot('iommu=pt', without)
    expect(recent.iommu.domainType(disk)).toBe('dma')
    expect(recent.iommu.dmaOps(disk, 64).kind).toBe('iommu')
  })

  it('bottom-up addresses lie in RAM', () => {
    const { iommu } = boot('', vtdOptionsFor('11.1'), 'linux-6.12,iova=bottom-up')
    expect(iommu.dmaOps(disk, 64).map(0x12_3456, 16, 'to-device', 'b')).toMatchObject({ hi: 0, lo: 0x1456 })
  })

  it('forcedac starts at the top of the address width', () => {
    const { iommu } = boot('iommu.forcedac=1')
    expect(iommu.dmaOps(disk, 64).map(0x12_3456, 16, 'to-device', 'b')).toMatchObject({ hi: 0xffff, lo: 0xffff_f456 })
  })
})

describe('PageTable', () => {
  const machine = new TestMachine()
  const make = (levels: number, superpageLevels: number) =>
    PageTable.create({
      stage: 'second',
      bus: machine.bus,
      pages: machine.pages,
      levels,
      superpageLevels,
      snoop: false,
    })!

  it('uses the largest page that both addresses and the length allow', () => {
    const before = machine.pages.live.size
    const table = make(4, 2)
    // 1 GiB, 2 MiB and 4 KiB in one call: three tables below the root for the small ones' path.
    expect(table.map(0x4000_0000, 0x8000_0000, 0x4000_0000 + MIB_2 + 0x1000, 3)).toBe(true)
    expect(table.lookup(0x7fff_ffff)).toBe(0xbfff_ffff)
    expect(table.lookup(0x8000_0000 + MIB_2)).toBe(0xc000_0000 + MIB_2)
    expect(table.lookup(0x8000_0000 + MIB_2 + 0x1000)).toBeNull()
    expect(machine.pages.live.size - before).toBe(1 + 1 + 1 + 1)
  })

  it('keeps the tables of small pages where a large page could go, until they are unlinked', () => {
    const table = make(3, 1)
    table.map(0, 0x10_0000, 4096, 1)
    expect(table.unmap(0, 4096)).toEqual([])
    const before = machine.pages.live.size
    expect(table.map(0, MIB_2, MIB_2, 1)).toBe(true)
    expect(machine.pages.live.size).toBe(before)
    expect(table.lookup(MIB_2 - 1)).toBe(2 * MIB_2 - 1)
    expect(table.unmap(0, MIB_2)).toHaveLength(1)
  })

  it('changes nothing where one page is taken, or memory runs out', () => {
    const table = make(3, 0)
    table.map(0x5000, 0x10_0000, 4096, 1)
    expect(table.map(0x3000, 0x20_0000, 4 * 4096, 3)).toBe(false)
    expect([table.lookup(0x3000), table.lookup(0x4000), table.lookup(0x5000)]).toEqual([null, null, 0x10_0000])
    machine.pages.budget = 0
    expect(table.map(0x1fe000, 0x20_0000, 4 * 4096, 3)).toBe(false)
    machine.pages.budget = Number.POSITIVE_INFINITY
    expect([table.lookup(0x1fe000), table.lookup(0x1ff000)]).toEqual([null, null])
    expect(table.map(2 ** 39 - 4096, 0, 8192, 3)).toBe(false)
  })

  it('agrees with a plain list of mappings', () => {
    // Around steps of 2 MiB, where page sizes change.
    const corners = [0, 1, 2].flatMap((big) => [0, 1, 511].map((small) => big * 512 + small))
    const page = fc.constantFrom(...corners)
    const step = fc.record({ map: fc.boolean(), page, count: fc.constantFrom(1, 2, 511, 512, 513), to: page })
    fc.assert(
      fc.property(fc.constantFrom(0, 1), fc.array(step, { maxLength: 4 }), (superpageLevels, steps) => {
        const table = make(3, superpageLevels)
        let live: { page: number; count: number; to: number }[] = []
        const unmap = ({ page: first, count }: { page: number; count: number }): void => {
          for (const unlinked of table.unmap(first * 4096, count * 4096)) machine.pages.free(unlinked, 1)
        }
        for (const one of steps) {
          if (one.map) {
            const clash = live.some((other) => other.page < one.page + one.count && one.page < other.page + other.count)
            expect(table.map(one.page * 4096, one.to * 4096, one.count * 4096, 3)).toBe(!clash)
            if (!clash) live.push(one)
          } else if (live.length > 0) {
            // Mappings go as they came, whole.
            unmap(live[0]!)
            live = live.slice(1)
          }
          for (const at of corners) {
            const mapping = live.find((other) => at >= other.page && at < other.page + other.count)
            const expected = mapping ? (mapping.to + at - mapping.page) * 4096 + 5 : null
            expect(table.lookup(at * 4096 + 5)).toBe(expected)
          }
        }
        for (const mapping of live) unmap(mapping)
      }),
      { numRuns },
    )
  })
})

describe('page-selective invalidation', () => {
  it('takes the smallest aligned block that holds the range', () => {
    expect(addressMask(0x5000, 4096)).toBe(0)
    expect(addressMask(0x4000, 8192)).toBe(1)
    // Pages 3 and 4 share no block smaller than eight pages.
    expect(addressMask(0x3000, 8192)).toBe(3)
    expect(addressMask(0xf_ffff_f000, 4096)).toBe(0)
  })
})
