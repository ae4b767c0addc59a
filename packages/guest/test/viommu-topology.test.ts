import { buildViot, parseViot, sdtHeader, type Viot, type ViotNode } from '@dmascope/acpi'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { PciDevice } from '../src/iommu/contract.ts'
import { ViotTopology } from '../src/iommu/virtio/viot-topology.ts'
import { pci } from './iommu-machine.ts'

const numRuns = Number(process.env.DMASCOPE_FUZZ_RUNS ?? 300)

/** Nodes stand one after the other from here: 16 bytes for an IOMMU, 24 for a range. */
const FIRST = 0x30

const iommu = (pciBdf: number, pciSegment = 0): ViotNode => ({ kind: 'virtio-iommu-pci', pciSegment, pciBdf })
const range = (
  first: number,
  last: number,
  more: Partial<Extract<ViotNode, { kind: 'pci-range' }>> = {},
): ViotNode => ({
  kind: 'pci-range',
  endpointStart: first,
  pciSegmentStart: 0,
  pciSegmentEnd: 0,
  pciBdfStart: first,
  pciBdfEnd: last,
  outputNode: FIRST,
  ...more,
})

function read(
  nodes: ViotNode[],
  devices: readonly PciDevice[] = [pci('00:01.0')],
): { topology: ViotTopology; log: string[] } {
  const bytes = buildViot({ signature: 'VIOT', header: sdtHeader(0), nodes })
  const log: string[] = []
  const topology = new ViotTopology({ viot: parseViot(bytes), address: 0x1000, bytes }, devices, (line) => {
    log.push(line)
  })
  return { topology, log }
}

describe('a range of a VIOT', () => {
  it('holds both its ends, and says where it stands', () => {
    const { topology } = read([iommu(0x08), range(0x10, 0x1f)])
    const of = (requester: number) => topology.find(0, requester)?.endpoint
    expect([0x0f, 0x10, 0x1f, 0x20].map(of)).toEqual([undefined, 0x10, 0x1f, undefined])
    expect(topology.find(0, 0x10)).toMatchObject({
      iommu: { id: '0000:00:01.0' },
      by: 'VIOT PCI range 00:02.0 to 00:03.7',
      cited: {
        source: 'VIOT @0x1000 +0x40',
        // Type 1, 24 bytes, endpoints from 0x10, segments 0 to 0, 00:02.0 to 00:03.7, behind the node at 0x30.
        bytes: '01001800100000000000000010001f003000000000000000',
      },
    })
    expect(topology.iommus).toMatchObject([
      { function: { id: '0000:00:01.0' }, cited: { source: 'VIOT @0x1000 +0x30' } },
    ])
  })

  it('counts endpoints from its first segment and function', () => {
    const { topology } = read([
      iommu(0x08),
      range(0x100, 0x1ff, { pciSegmentStart: 1, pciSegmentEnd: 2, endpointStart: 0x1000 }),
    ])
    expect(topology.find(0, 0x100)).toBeNull()
    expect(topology.find(1, 0x108)?.endpoint).toBe(0x1008)
    expect(topology.find(2, 0x108)?.endpoint).toBe(0x1_1008)
    expect(topology.find(3, 0x108)).toBeNull()
  })

  it('that stands last is asked first', () => {
    const { topology } = read([iommu(0x08), range(0, 0xff), range(0x10, 0x1f, { endpointStart: 0x500 })])
    expect(topology.find(0, 0x10)?.endpoint).toBe(0x500)
    expect(topology.find(0, 0x20)?.endpoint).toBe(0x20)
  })
})

describe('what a VIOT names and is not there', () => {
  it('an IOMMU where no function is takes its ranges along', () => {
    const { topology, log } = read([iommu(0x48), range(0, 0xff)])
    expect([topology.iommus, topology.find(0, 0x10)]).toEqual([[], null])
    expect(log).toEqual([
      'ACPI: VIOT: no function at 0000:00:09.0, where it names an IOMMU',
      'ACPI: VIOT: the range at +0x40 is behind no IOMMU that is there',
    ])
  })

  it.each([
    ['nowhere', 0x44],
    ['itself', 0x40],
    ['an IOMMU without PCI', 0x58],
  ])('a range behind %s is left out', (_name, outputNode) => {
    const { topology, log } = read([
      iommu(0x08),
      range(0, 0xff, { outputNode }),
      { kind: 'virtio-iommu-mmio', baseAddress: 0xa00_0000 },
    ])
    expect(topology.find(0, 0x10)).toBeNull()
    expect(log).toContain('ACPI: VIOT: the range at +0x40 is behind no IOMMU that is there')
  })

  it('the segment counts', () => {
    expect(read([iommu(0x08, 1), range(0, 0xff)]).topology.iommus).toEqual([])
  })
})

it('answers as a walk over all ranges from the last does', () => {
  const bdf = fc.integer({ min: 0, max: 0x40 })
  const one = fc.record({ a: bdf, b: bdf, segments: fc.tuple(fc.nat(2), fc.nat(2)), endpoint: fc.nat(0x10_0000) })
  const header = sdtHeader(0)
  const bytes = new Uint8Array(0x400)
  const devices = [pci('00:01.0')]
  fc.assert(
    fc.property(fc.array(one, { maxLength: 5 }), fc.nat(2), bdf, (ranges, segment, requester) => {
      const nodes = ranges.map(({ a, b, segments: [s, t], endpoint }, index) => ({
        ...range(a, b, { pciSegmentStart: s, pciSegmentEnd: t, endpointStart: endpoint }),
        offset: 0x40 + index * 24,
      }))
      const viot: Viot = { signature: 'VIOT', header, nodes: [{ ...iommu(0x08), offset: FIRST }, ...nodes] }
      const topology = new ViotTopology({ viot, address: 0x1000, bytes }, devices, () => {})
      const held = ranges.findLast(
        ({ a, b, segments: [s, t] }) => requester >= a && requester <= b && segment >= s && segment <= t,
      )
      const expected = held && held.endpoint + (segment - held.segments[0]) * 0x1_0000 + requester - held.a
      expect(topology.find(segment, requester)?.endpoint).toBe(expected)
    }),
    { numRuns },
  )
})
