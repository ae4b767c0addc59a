import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readProperties } from '../src/drivers/virtio-iommu/properties.ts'

const numRuns = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)

/** A property in little-endian 16-bit words: type, length of the rest, then these bytes. */
const property = (type: number, bytes: readonly number[], length = bytes.length): number[] => [
  type & 0xff,
  type >>> 8,
  length & 0xff,
  length >>> 8,
  ...bytes,
]
const le64 = (value: number): number[] => Array.from({ length: 8 }, (_, at) => Math.floor(value / 256 ** at) % 256)
/** RESV_MEM is type 1: subtype, three reserved bytes, start, end. */
const region = (subtype: number, start: number, end: number): number[] =>
  property(1, [subtype, 0, 0, 0, ...le64(start), ...le64(end)])

function read(bytes: readonly number[]) {
  const log: string[] = []
  return { regions: readProperties(Uint8Array.from(bytes), (line) => log.push(line)), log }
}

const MSI = { kind: 'msi', start: 0xfee0_0000, end: 0xfeef_ffff }
const msi = region(1, MSI.start, MSI.end)

describe('properties of an endpoint', () => {
  it('are read up to the first empty one', () => {
    const hidden = region(0, 0, 0xfff)
    expect(read([...msi, ...property(0, []), ...hidden])).toEqual({ regions: [MSI], log: [] })
  })

  it('are read in whatever order, and regions sorted', () => {
    expect(read([...msi, ...region(0, 0x1000, 0x1fff)]).regions).toEqual([
      { kind: 'reserved', start: 0x1000, end: 0x1fff },
      MSI,
    ])
  })

  it('of an unknown type are passed over', () => {
    expect(read([...property(7, [1, 2, 3]), ...msi])).toEqual({
      regions: [MSI],
      log: ['property at +0: unknown type 0x7'],
    })
  })

  it('take 12 bits of type, the others being reserved', () => {
    expect(read([...property(0xf001, msi.slice(4))]).regions).toEqual([MSI])
  })

  it('a region of an unknown subtype is reserved', () => {
    expect(read(region(9, 0, 0xfff)).regions).toEqual([{ kind: 'reserved', start: 0, end: 0xfff }])
  })

  it.each([
    ['shorter than a region', property(1, [0, 0, 0, 0]), 'property at +0: a reserved region in 8 bytes'],
    [
      'longer than what there is',
      property(1, msi.slice(4), 400),
      'property at +0: it passes the end of the properties',
    ],
    ['backwards', region(0, 0x2000, 0x1000), 'property at +0: a reserved region from 0x2000 down to 0x1000'],
  ])('%s is left out', (_name, bytes, line) => {
    expect(read(bytes)).toEqual({ regions: [], log: [line] })
  })

  it('regions above 2^52 are of no concern, and one that reaches there is cut', () => {
    expect(read([...region(0, 2 ** 60, 2 ** 61), ...region(0, 0x1000, 2 ** 60)]).regions).toEqual([
      { kind: 'reserved', start: 0x1000, end: 2 ** 52 - 1 },
    ])
  })

  it('whatever the bytes, regions are whole, ascending, and no more than there is room for', () => {
    const bytes = fc.array(fc.oneof(fc.constantFrom(0, 1, 20), fc.nat(255)), { maxLength: 96 })
    const pieces = fc.array(fc.oneof(bytes, fc.constant(msi)), { maxLength: 4 }).map((lists) => lists.flat())
    fc.assert(
      fc.property(pieces, (all) => {
        const { regions, log } = read(all)
        expect(regions.length + log.length).toBeLessThanOrEqual(Math.ceil(all.length / 4))
        regions.forEach(({ start, end }, index) => {
          expect(start).toBeLessThanOrEqual(end)
          expect(end).toBeLessThan(2 ** 52)
          expect(start).toBeGreaterThanOrEqual(regions[index - 1]?.start ?? 0)
        })
      }),
      { numRuns },
    )
  })
})
