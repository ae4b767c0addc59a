import { toHex, type Viot, type ViotPciRange, type ViotVirtioIommuPci } from '@dmascope/acpi'
import { formatBdf, formatRequesterId } from '@dmascope/pci/spec'
import type { Fact } from '../../result.ts'
import type { PciDevice } from '../contract.ts'
import type { EndpointMatch, EndpointTopology } from './endpoint-topology.ts'

/** A VIOT that discovery found. */
export interface ViotSource {
  readonly viot: Viot
  /** Guest-physical address of its first byte. */
  readonly address: number
  readonly bytes: Uint8Array
}

interface Range {
  readonly node: ViotPciRange
  readonly iommu: PciDevice
}

const NODE_BYTES = { 'virtio-iommu-pci': 16, 'pci-range': 24 } as const
const hex = (value: number): string => value.toString(16)

/** A VIOT as Linux reads it (`drivers/acpi/viot.c`), on the functions that enumeration found. */
export class ViotTopology implements EndpointTopology {
  readonly source: string
  readonly iommus: EndpointTopology['iommus']
  readonly #table: ViotSource
  /** The last of the table first, which is where Linux begins to look. */
  readonly #ranges: readonly Range[]

  constructor(table: ViotSource, devices: readonly PciDevice[], log: (line: string) => void) {
    this.#table = table
    this.source = `VIOT @0x${hex(table.address)}`
    const { nodes } = table.viot
    const named = new Map<number, PciDevice>()
    for (const node of nodes) {
      const iommu = node.kind === 'virtio-iommu-pci' ? findIommu(node, devices, log) : null
      if (iommu !== null) named.set(node.offset ?? 0, iommu)
    }
    const ranges: Range[] = []
    for (const node of nodes) {
      const at = `+0x${hex(node.offset ?? 0)}`
      if (node.kind === 'mmio') log(`ACPI: VIOT: an endpoint without PCI at ${at} is left out`)
      if (node.kind === 'unknown') log(`ACPI: VIOT: node of unknown type ${node.type} at ${at}`)
      if (node.kind !== 'pci-range') continue
      const iommu = named.get(node.outputNode)
      if (iommu === undefined) log(`ACPI: VIOT: the range at ${at} is behind no IOMMU that is there`)
      else ranges.unshift({ node, iommu })
    }
    this.#ranges = ranges
    this.iommus = [...named].map(([offset, iommu]) => ({
      function: iommu,
      cited: this.#cite(offset, 'virtio-iommu-pci'),
    }))
  }

  find(segment: number, requester: number): EndpointMatch | null {
    for (const { node, iommu } of this.#ranges) {
      if (segment < node.pciSegmentStart || segment > node.pciSegmentEnd) continue
      if (requester < node.pciBdfStart || requester > node.pciBdfEnd) continue
      const endpoint = (segment - node.pciSegmentStart) * 0x1_0000 + requester - node.pciBdfStart + node.endpointStart
      return {
        iommu,
        endpoint: endpoint >>> 0,
        by: `VIOT PCI range ${formatRequesterId(node.pciBdfStart)} to ${formatRequesterId(node.pciBdfEnd)}`,
        cited: this.#cite(node.offset ?? 0, 'pci-range'),
      }
    }
    return null
  }

  #cite(offset: number, kind: keyof typeof NODE_BYTES): Omit<Fact, 'fact'> {
    const bytes = this.#table.bytes.subarray(offset, offset + NODE_BYTES[kind])
    return { source: `${this.source} +0x${hex(offset)}`, bytes: toHex(bytes) }
  }
}

/** The function that the node names; null where none is there. */
function findIommu(
  { pciBdf, pciSegment }: ViotVirtioIommuPci,
  devices: readonly PciDevice[],
  log: (line: string) => void,
): PciDevice | null {
  const id = formatBdf(pciBdf, pciSegment)
  const device = devices.find((one) => one.id === id) ?? null
  if (device === null) log(`ACPI: VIOT: no function at ${id}, where it names an IOMMU`)
  return device
}
