import { hex, type Problem } from '../problem.ts'
import { recordAt } from '../records.ts'
import { HEADER_SIZE } from '../sdt-header.ts'
import { VIOT, VIOT_MMIO, VIOT_NODE_HEAD, VIOT_PCI_RANGE, VIOT_VIRTIO_IOMMU_PCI } from '../spec/viot.ts'
import type { Viot, ViotMmio, ViotPciRange } from '../viot.ts'
import { extentsOf, formFindings } from './form.ts'
import { overlapsOf } from './intervals.ts'
import { inField, type LintFinding, listSome } from './rule.ts'
import { idName, nameOf, requesterId, type TopologyIndex } from './topology.ts'
import { VIOT_RULES } from './viot-rules.ts'

/** What is wrong with a VIOT by itself. */
export function* lintViot(bytes: Uint8Array, table: Viot & { problems: readonly Problem[] }): Generator<LintFinding> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const extents = extentsOf(table.nodes, (offset) => VIOT_NODE_HEAD.fields.length.get(view, offset))
  yield* formFindings(bytes, table.problems, extents, {
    outer: {
      ACPI_NODE_OFFSET: VIOT_RULES.nodeOffset,
      ACPI_NODE_COUNT: VIOT_RULES.nodePastEnd,
      ACPI_RECORD_LENGTH: VIOT_RULES.nodeLength,
      ACPI_RECORD_PAST_END: VIOT_RULES.nodePastEnd,
      ACPI_RECORD_SHORT: VIOT_RULES.nodeShort,
      ACPI_RECORD_UNKNOWN: VIOT_RULES.nodeUnknown,
      ACPI_TRAILING: VIOT_RULES.nodeCount,
    },
  })
  const kinds = new Map(table.nodes.map(({ offset, kind }) => [offset, kind]))
  const ranges = table.nodes.filter((node) => node.kind === 'pci-range')
  for (const node of table.nodes) {
    if (node.kind !== 'pci-range' && node.kind !== 'mmio') continue
    const target = kinds.get(node.outputNode)
    if (target === 'virtio-iommu-pci' || target === 'virtio-iommu-mmio') continue
    const what = target === undefined ? 'where no node starts' : `a ${target}, which is no IOMMU`
    const field = (node.kind === 'mmio' ? VIOT_MMIO : VIOT_PCI_RANGE).fields.outputNode
    const message = `the ${recordAt(node)} is behind ${hex(node.outputNode)}, ${what}`
    yield inField(VIOT_RULES.reference, node.offset ?? 0, field, message)
  }
  for (const node of ranges) {
    if (isRange(node)) continue
    const { offset } = VIOT_PCI_RANGE.fields.pciSegmentStart
    const message = `the ${recordAt(node)} spans ${spanOf(node)}`
    yield { rule: VIOT_RULES.range, offset: (node.offset ?? 0) + offset, length: 8, message }
  }
  yield* lintOverlaps(ranges.filter(isRange))
  yield* lintEndpoints([...table.nodes.filter((node) => node.kind === 'mmio'), ...ranges.filter(isRange)])
  const wrong = table.nodes.find((node) => Object.entries(node).some(([key, value]) => isReserved(key, value)))
  if (wrong !== undefined || isReserved('reserved', table.reserved)) {
    const offset = wrong === undefined ? HEADER_SIZE + VIOT.fields.reserved.offset : (wrong.offset ?? 0)
    const message = `reserved bytes are set in ${wrong === undefined ? 'the fixed fields' : `the ${recordAt(wrong)}`}`
    yield { rule: VIOT_RULES.reserved, offset, length: 8, message }
  }
}

const isReserved = (key: string, value: unknown): boolean =>
  key.startsWith('reserved') && /[1-9a-f]/.test(String(value ?? ''))
const isRange = (node: ViotPciRange): boolean =>
  node.pciSegmentStart <= node.pciSegmentEnd && node.pciBdfStart <= node.pciBdfEnd
const spanOf = (node: ViotPciRange): string =>
  `segments ${hex(node.pciSegmentStart)} to ${hex(node.pciSegmentEnd)}, ${idName(0, node.pciBdfStart)} to ${idName(0, node.pciBdfEnd)}`

/** Ranges that overlap, of those in one segment; ranges over several segments are compared in their first. */
function* lintOverlaps(ranges: readonly ViotPciRange[]): Generator<LintFinding> {
  const placed = ranges.map((item) => {
    const segment = BigInt(item.pciSegmentStart) << 16n
    return { start: segment + BigInt(item.pciBdfStart), end: segment + BigInt(item.pciBdfEnd) + 1n, item }
  })
  for (const [one, other] of overlapsOf(placed)) {
    const message = `the ${recordAt(other)} (${spanOf(other)}) overlaps the ${recordAt(one)}`
    yield { rule: VIOT_RULES.overlap, offset: other.offset ?? 0, length: VIOT_PCI_RANGE.size, message }
  }
}

function* lintEndpoints(endpoints: readonly (ViotMmio | ViotPciRange)[]): Generator<LintFinding> {
  const placed = endpoints.map((item) => {
    const iommu = BigInt(item.outputNode) << 48n
    const first = BigInt(item.kind === 'mmio' ? item.endpointId : item.endpointStart)
    const segments = item.kind === 'mmio' ? 0 : item.pciSegmentEnd - item.pciSegmentStart
    const count = item.kind === 'mmio' ? 1 : segments * 0x1_0000 + item.pciBdfEnd - item.pciBdfStart + 1
    return { start: iommu + first, end: iommu + first + BigInt(count), item }
  })
  for (const [one, other] of overlapsOf(placed)) {
    const message = `the ${recordAt(other)} has endpoint IDs of the ${recordAt(one)}`
    yield inField(VIOT_RULES.endpointTwice, other.offset ?? 0, VIOT_PCI_RANGE.fields.endpointStart, message)
  }
}

/** virtio-iommu: 1af4, 0x1040 and the device type. */
const VIRTIO = 0x1af4
const VIRTIO_IOMMU = 0x1057

/** What is wrong with a VIOT on a machine. */
export function* lintViotTopology(table: Viot, topology: TopologyIndex): Generator<LintFinding> {
  const own = new Set<string>()
  for (const node of table.nodes) {
    if (node.kind !== 'virtio-iommu-pci') continue
    const name = idName(node.pciSegment, node.pciBdf)
    own.add(name)
    const found = topology.byId(node.pciSegment, node.pciBdf)
    const field = VIOT_VIRTIO_IOMMU_PCI.fields.pciBdf
    if (found === undefined) {
      const message = `the ${recordAt(node)} is ${name}, where the machine has nothing`
      yield inField(VIOT_RULES.iommuNothing, node.offset ?? 0, field, message)
    } else if (found.vendorId !== null && (found.vendorId !== VIRTIO || found.deviceId !== VIRTIO_IOMMU)) {
      const message = `the ${recordAt(node)} is ${name}, which is ${hex(found.vendorId, 4)}:${hex(found.deviceId ?? 0, 4)}`
      yield inField(VIOT_RULES.iommuOther, node.offset ?? 0, field, message)
    }
  }
  const ranges = table.nodes.filter((node) => node.kind === 'pci-range')
  const bare = topology.functions.filter(
    (one) =>
      !own.has(nameOf(one)) &&
      !ranges.some(
        (range) =>
          one.segment >= range.pciSegmentStart &&
          one.segment <= range.pciSegmentEnd &&
          requesterId(one) >= range.pciBdfStart &&
          requesterId(one) <= range.pciBdfEnd,
      ),
  )
  if (bare.length === 0) return
  const message = `no PCI range has ${listSome(bare.map(nameOf))}`
  yield { rule: VIOT_RULES.notCovered, offset: HEADER_SIZE + VIOT.size, length: 0, message }
}
