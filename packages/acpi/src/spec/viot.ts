import { bytes, le16, le32, le64, struct, u8 } from '@dmascope/layout'

const SOURCE = 'ACPI 6.5 §5.2.34'

/** The body of the virtual I/O translation table, before its nodes. */
export const VIOT = struct('VIOT', SOURCE, { nodeCount: le16, nodeOffset: le16, reserved: bytes(8) })

/** What every node starts with. */
export const VIOT_NODE_HEAD = struct('VIOT Node', SOURCE, { type: u8, reserved: u8, length: le16 })

/** Type 1: PCI endpoints behind an IOMMU. Their endpoint IDs start at `endpointStart` and follow segment and BDF. */
export const VIOT_PCI_RANGE = struct('PCI Range Node', SOURCE, {
  type: u8,
  reserved_1: u8,
  length: le16,
  endpointStart: le32,
  pciSegmentStart: le16,
  pciSegmentEnd: le16,
  pciBdfStart: le16,
  pciBdfEnd: le16,
  /** Offset from the table's start of the IOMMU's node. */
  outputNode: le16,
  reserved_18: bytes(6),
})

/** Type 2: one endpoint with its registers at an address. */
export const VIOT_MMIO = struct('Single MMIO Endpoint Node', SOURCE, {
  type: u8,
  reserved_1: u8,
  length: le16,
  endpointId: le32,
  baseAddress: le64,
  /** Offset from the table's start of the IOMMU's node. */
  outputNode: le16,
  reserved_18: bytes(6),
})

/** Type 3. */
export const VIOT_VIRTIO_IOMMU_PCI = struct('virtio-iommu based on virtio-pci Node', SOURCE, {
  type: u8,
  reserved_1: u8,
  length: le16,
  pciSegment: le16,
  pciBdf: le16,
  reserved_8: bytes(8),
})

/** Type 4. */
export const VIOT_VIRTIO_IOMMU_MMIO = struct('virtio-iommu based on virtio-mmio Node', SOURCE, {
  type: u8,
  reserved_1: u8,
  length: le16,
  reserved_4: bytes(4),
  baseAddress: le64,
})

/** The names of node types. */
export const VIOT_NODE_TYPE = {
  1: 'PCI Range',
  2: 'MMIO Endpoint',
  3: 'virtio-iommu (PCI)',
  4: 'virtio-iommu (MMIO)',
} as const
