import type { IommuDomain } from '@dmascope/dma'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { TrackedInterrupts } from '../src/assign/tracked-interrupts.ts'
import { commonRanges, iovaRanges, UserMappings, userDomain } from '../src/assign/user-container.ts'
import type { AllocatedMessages } from '../src/interrupts/message-domain.ts'
import type { InterruptHandler } from '../src/interrupts/vectors.ts'
import { type DeviceRegion, SOFTWARE_MSI_REGION } from '../src/iommu/device-region.ts'
import type { PciFunction } from '../src/pci/pci-function.ts'
import { listGuests, parseGuest } from '../src/profile/parse-guest.ts'

const RUNS = { numRuns: Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300) }

const region = (start: number, end: number, type: DeviceRegion['type'] = 'msi'): DeviceRegion => ({
  start,
  end,
  type,
  because: 'test',
})

const codeOf = (text: string): string => {
  try {
    parseGuest(text)
    return 'none'
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  }
}

/** A domain that keeps what was mapped, page by page. */
function fakeDomain(apertureEnd = 2 ** 40): IommuDomain & { readonly pages: Map<number, number> } {
  const pages = new Map<number, number>()
  return {
    type: 'dma',
    apertureEnd,
    pages,
    map(iova, physical, length) {
      for (let at = 0; at < length; at += 4096) pages.set(iova + at, physical + at)
      return true
    },
    unmap(iova, length) {
      for (let at = 0; at < length; at += 4096) pages.delete(iova + at)
    },
    flush() {},
  }
}

describe('assign=', () => {
  it('names functions, with their segment or without, of one program or of several', () => {
    expect(parseGuest('linux-6.12,assign=00:04.0,assign=0001:02:1f.7+00:04.0+00:04.0').assign).toEqual([
      ['0000:00:04.0'],
      ['0001:02:1f.7', '0000:00:04.0'],
    ])
    expect(parseGuest('linux-6.12').assign).toEqual([])
  })

  it.each(['', 'nic0', '00:20.0', '00:04.8', '0:4.0', '00:04.0+'])('"%s" is no function', (value) => {
    expect(codeOf(`linux-6.12,assign=${value}`)).toBe('GUEST_OPTION_VALUE')
  })

  it('is bounded', () => {
    const once = ',assign=00:04.0'
    expect(codeOf(`linux-6.12${once.repeat(64)}`)).toBe('none')
    expect(codeOf(`linux-6.12${once.repeat(65)}`)).toBe('GUEST_OPTION_VALUE')
    expect(codeOf(`linux-6.12,assign=${Array(65).fill('00:04.0').join('+')}`)).toBe('GUEST_OPTION_VALUE')
  })

  it('is listed, and so is firmware-regions', () => {
    expect(listGuests().options.map(({ name }) => name)).toEqual(expect.arrayContaining(['assign', 'firmware-regions']))
    expect(parseGuest('linux-6.12,firmware-regions=ignore').firmwareRegions).toBe('ignore')
    expect(codeOf('linux-6.12,firmware-regions=forget')).toBe('GUEST_OPTION_VALUE')
  })
})

describe('addresses that a user may map', () => {
  it('are the aperture without reserved regions, but with those that firmware no longer needs', () => {
    const regions = [
      region(0, 0xff_ffff, 'direct-relaxable'),
      region(0xfee0_0000, 0xfeef_ffff),
      region(0xfd_0000_0000, 0xff_ffff_ffff, 'reserved'),
    ]
    expect(iovaRanges(2 ** 39, regions)).toEqual([
      { start: 0, end: 0xfedf_ffff },
      { start: 0xfef0_0000, end: 2 ** 39 - 1 },
    ])
    expect(iovaRanges(2 ** 48, regions).at(-1)).toEqual({ start: 0x100_0000_0000, end: 2 ** 48 - 1 })
  })

  it('of several groups are those of all', () => {
    expect(
      commonRanges([
        [
          { start: 0, end: 9 },
          { start: 20, end: 40 },
        ],
        [{ start: 5, end: 30 }],
      ]),
    ).toEqual([
      { start: 5, end: 9 },
      { start: 20, end: 30 },
    ])
  })

  it('hold every address or a region does, whatever the regions', () => {
    const page = fc.nat(60)
    const regions = fc.array(
      fc.tuple(page, fc.nat(8), fc.constantFrom<DeviceRegion['type']>('direct', 'direct-relaxable', 'reserved', 'msi')),
      { maxLength: 5 },
    )
    fc.assert(
      fc.property(regions, fc.integer({ min: 1, max: 64 }), (list, end) => {
        const taken = list.map(([start, length, type]) => region(start, start + length, type))
        const ranges = iovaRanges(end, taken)
        const all = Array.from({ length: end }, (_, at) => at)
        const within = (one: { start: number; end: number }, at: number): boolean => at >= one.start && at <= one.end
        const free = all.filter((at) => !taken.some((one) => one.type !== 'direct-relaxable' && within(one, at)))
        expect(ranges.flatMap((one) => all.filter((at) => within(one, at)))).toEqual(free)
        expect(ranges.every((one) => one.end < end)).toBe(true)
      }),
      RUNS,
    )
  })
})

describe('VFIO_IOMMU_MAP_DMA', () => {
  it('answers EEXIST before EINVAL, and maps nothing then', () => {
    const domain = fakeDomain()
    const mappings = new UserMappings([domain], [{ start: 0, end: 0xffff }])
    expect(mappings.map(0x1000, 0x9000, 0x2000)).toBe('ok')
    expect(mappings.map(0x2000, 0xa000, 0x1000)).toBe('EEXIST')
    expect(mappings.map(0x2000, 0xa000, 0x10_0000)).toBe('EEXIST')
    expect(mappings.map(0xf000, 0xa000, 0x2000)).toBe('EINVAL')
    expect([...domain.pages]).toEqual([
      [0x1000, 0x9000],
      [0x2000, 0xa000],
    ])
    mappings.unmapAll()
    expect(domain.pages.size).toBe(0)
    expect(mappings.map(0x2000, 0xa000, 0x1000)).toBe('ok')
  })
})

describe('a domain of a user’s', () => {
  it('gives addresses from 1 MiB up, past reserved regions', () => {
    const { space, doorbells } = userDomain(fakeDomain(), [region(0x10_0000, 0x10_0fff)])
    expect(space!.allocate(4096, 0xffff_ffff)).toBe(0x10_1000)
    expect(doorbells).toBeUndefined()
  })

  it('has doorbells from the start of the range that the kernel keeps for them', () => {
    expect(userDomain(fakeDomain(), [SOFTWARE_MSI_REGION]).doorbells).toEqual({ next: 0x800_0000 })
  })
})

describe('interrupts of a function that changes hands', () => {
  const fn = { id: '0000:00:04.0' } as PciFunction

  it('are given back: messages, and handlers on pins that others share', () => {
    const held = new Set<AllocatedMessages>()
    const handlers: InterruptHandler[] = []
    const tracked = new TrackedInterrupts(
      {
        allocate() {
          const allocated = { vectors: [], messages: [] }
          held.add(allocated)
          return allocated
        },
        release: (_fn, allocated) => held.delete(allocated),
      },
      {
        connect(_fn, handler) {
          handlers.push(handler)
          return { gsi: 16, vector: 0x30, by: 'test' }
        },
      },
    )
    tracked.messages.allocate(fn, 1, 'msix')
    tracked.messages.allocate(fn, 2, 'msix')
    tracked.pins.connect(fn, () => true)
    expect(handlers.map((handler) => handler())).toEqual([true])
    tracked.releaseAll(fn)
    expect(held.size).toBe(0)
    expect(handlers.map((handler) => handler())).toEqual([false])
    tracked.pins.connect(fn, () => true)
    expect(handlers.map((handler) => handler())).toEqual([false, true])
  })
})
