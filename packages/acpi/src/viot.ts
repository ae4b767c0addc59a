import type { AnnotatedLine } from '@dmascope/layout'
import { bdf, nodeAt } from './meanings.ts'
import { type NodeList, type NodeListExtras, placeNodes } from './node-list.ts'
import { hex, type Problem, type TableLocation } from './problem.ts'
import { type RecordExtras, recordAt, type UnknownRecord } from './records.ts'
import { HEADER_SIZE, type ParsedTable } from './sdt-header.ts'
import { buildShaped, formatShaped, parseShaped, type TableShape } from './shaped-table.ts'
import {
  VIOT,
  VIOT_MMIO,
  VIOT_NODE_HEAD,
  VIOT_NODE_TYPE,
  VIOT_PCI_RANGE,
  VIOT_VIRTIO_IOMMU_MMIO,
  VIOT_VIRTIO_IOMMU_PCI,
} from './spec/viot.ts'
import type { FieldValues, RecordValues } from './values.ts'

/** The PCI functions from the first BDF to the last, in each of the segments, are behind the IOMMU at `outputNode`. */
export interface ViotPciRange extends RecordValues<typeof VIOT_PCI_RANGE>, RecordExtras {
  kind: 'pci-range'
}
export interface ViotMmio extends RecordValues<typeof VIOT_MMIO>, RecordExtras {
  kind: 'mmio'
}
export interface ViotVirtioIommuPci extends RecordValues<typeof VIOT_VIRTIO_IOMMU_PCI>, RecordExtras {
  kind: 'virtio-iommu-pci'
}
export interface ViotVirtioIommuMmio extends RecordValues<typeof VIOT_VIRTIO_IOMMU_MMIO>, RecordExtras {
  kind: 'virtio-iommu-mmio'
}
/** A node of a type that is not known, or too short for its type. */
export interface UnknownViotNode extends UnknownRecord {
  reserved?: number
}
export type ViotNode = ViotPciRange | ViotMmio | ViotVirtioIommuPci | ViotVirtioIommuMmio | UnknownViotNode

/** The virtual I/O translation table. References to nodes are offsets from the table's start: `viotNodeOffsets`. */
export interface Viot
  extends ParsedTable,
    Omit<FieldValues<(typeof VIOT)['fields']>, 'nodeCount' | 'nodeOffset'>,
    NodeListExtras {
  signature: 'VIOT'
  nodes: ViotNode[]
}

const meaning = {
  type: VIOT_NODE_TYPE,
  pciBdfStart: bdf,
  pciBdfEnd: bdf,
  pciBdf: bdf,
  outputNode: nodeAt(VIOT_NODE_TYPE),
}

const LIST: NodeList = {
  kind: 'nodes',
  key: 'nodes',
  set: {
    what: 'VIOT node',
    head: VIOT_NODE_HEAD,
    kinds: {
      1: { kind: 'pci-range', of: VIOT_PCI_RANGE, meaning },
      2: { kind: 'mmio', of: VIOT_MMIO, meaning },
      3: { kind: 'virtio-iommu-pci', of: VIOT_VIRTIO_IOMMU_PCI, meaning },
      4: { kind: 'virtio-iommu-mmio', of: VIOT_VIRTIO_IOMMU_MMIO, meaning },
    },
  },
}
/** What the table is made up of. */
export const VIOT_SHAPE: TableShape = { signature: 'VIOT', body: { of: VIOT }, list: LIST }

/**
 * Reads a VIOT. Damage that Linux survives or reports stands in `problems`; the result rebuilds to the same bytes.
 *
 * @param data - the table, from its signature to its end
 * @throws DmascopeError `ACPI_TRUNCATED`, `ACPI_SIGNATURE`
 */
export function parseViot(data: Uint8Array, at?: TableLocation): Viot & { problems: Problem[] } {
  const table = parseShaped(VIOT_SHAPE, data, at) as unknown as Viot & { problems: Problem[] }
  table.problems.push(...judge(table))
  return table
}

/** @throws TypeError, RangeError naming the field at fault */
export const buildViot = (table: Viot): Uint8Array => buildShaped(VIOT_SHAPE, table)

/** Every field with its byte offset. */
export const formatViot = (table: Viot): AnnotatedLine[] => formatShaped(VIOT_SHAPE, table)

/** The byte in the table that each node will stand at, by index: what `outputNode` takes. */
export const viotNodeOffsets = (table: Pick<Viot, 'nodes' | 'nodeOffset'>): number[] =>
  placeNodes(LIST, HEADER_SIZE + VIOT.size, table)

/** What Linux refuses or cannot follow, beyond the form of the table. */
function* judge(table: Viot): Generator<Problem> {
  const kinds = new Map(table.nodes.map(({ offset, kind }) => [offset, kind]))
  for (const node of table.nodes) {
    if (node.kind !== 'pci-range' && node.kind !== 'mmio') continue
    const offset = node.offset ?? 0
    const target = kinds.get(node.outputNode)
    if (target === undefined || target === 'pci-range' || target === 'mmio') {
      const what = target === undefined ? 'where no node is' : `a ${target}, which is no IOMMU`
      const message = `${recordAt(node)} is behind ${hex(node.outputNode)}, ${what}`
      const at = (node.kind === 'mmio' ? VIOT_MMIO : VIOT_PCI_RANGE).fields.outputNode.offset
      yield { code: 'VIOT_REFERENCE', offset: offset + at, message }
    }
    if (node.kind === 'mmio') continue
    const { pciSegmentStart, pciSegmentEnd, pciBdfStart, pciBdfEnd } = node
    if (pciSegmentStart > pciSegmentEnd || pciBdfStart > pciBdfEnd) {
      const segments = `segments ${hex(pciSegmentStart)} to ${hex(pciSegmentEnd)}`
      const message = `${recordAt(node)} spans ${segments}, BDF ${hex(pciBdfStart, 4)} to ${hex(pciBdfEnd, 4)}`
      yield { code: 'VIOT_PCI_RANGE', offset: offset + VIOT_PCI_RANGE.fields.pciSegmentStart.offset, message }
    }
  }
}
