import type { DriverEntry } from './driver-entry.ts'

const WHOLE_CLASS = 0xff_ffff

/** Devices that agpgart-intel's table names and that a machine here can have: 440FX and Q35. */
const AGP_HOST_BRIDGES = [0x1237, 0x29c0]

/**
 * The drivers of a small distribution kernel, in the order in which they probe: those built in, as they are linked (PCI
 * before AGP), then modules in the order in which its initial file system loads them. There is none for e1000, AHCI,
 * SMBus and the ISA bridge.
 */
export const DISTRIBUTION_DRIVERS: readonly DriverEntry[] = [
  {
    name: 'pcieport',
    module: null,
    pci: [
      { classCode: { value: 0x06_0400, mask: WHOLE_CLASS } },
      { classCode: { value: 0x06_0401, mask: WHOLE_CLASS } },
    ],
    virtio: [],
    kind: 'port',
    dmaMaskBits: null,
  },
  {
    name: 'agpgart-intel',
    module: null,
    pci: AGP_HOST_BRIDGES.map((device) => ({ vendor: 0x8086, device })),
    virtio: [],
    kind: 'none',
    dmaMaskBits: null,
    declines: 'the host bridge has no AGP capability',
  },
  { name: 'virtio_iommu', module: 'virtio_iommu', pci: [], virtio: [23], kind: 'iommu', dmaMaskBits: null },
  {
    name: 'virtio-pci',
    module: 'virtio_pci',
    pci: [{ vendor: 0x1af4 }],
    virtio: [],
    kind: 'virtio-transport',
    dmaMaskBits: 64,
  },
  { name: 'virtio_blk', module: 'virtio_blk', pci: [], virtio: [2], kind: 'virtio', dmaMaskBits: null },
  { name: 'virtio_net', module: 'virtio_net', pci: [], virtio: [1], kind: 'virtio', dmaMaskBits: null },
  { name: 'virtio_rng', module: 'virtio-rng', pci: [], virtio: [4], kind: 'virtio', dmaMaskBits: null },
  { name: 'virtio_console', module: 'virtio_console', pci: [], virtio: [3], kind: 'virtio', dmaMaskBits: null },
  { name: 'virtio_balloon', module: 'virtio_balloon', pci: [], virtio: [5], kind: 'virtio', dmaMaskBits: null },
  {
    name: 'nvme',
    module: 'nvme',
    pci: [{ classCode: { value: 0x01_0802, mask: WHOLE_CLASS } }],
    virtio: [],
    kind: 'synthetic',
    dmaMaskBits: 64,
  },
  {
    name: 'e1000e',
    module: 'e1000e',
    pci: [{ vendor: 0x8086, device: 0x10d3 }],
    virtio: [],
    kind: 'synthetic',
    dmaMaskBits: 64,
  },
  // No kernel has it: it serves the DMA probe, which no machine but ours has.
  {
    name: 'dmascope_probe',
    module: null,
    // QEMU's pci-testdev has the same ID and another class.
    pci: [{ vendor: 0x1b36, device: 0x0005, classCode: { value: 0xff0000, mask: 0xffffff } }],
    virtio: [],
    kind: 'synthetic',
    // As QEMU's edu device has it: bus addresses come from below 256 MiB, where every machine has RAM.
    dmaMaskBits: 28,
  },
]

/**
 * Address bits that the virtio PCI transport asks for: 64, but for queues of the legacy interface, whose page frame
 * number has 32 bits of 4096 bytes each.
 */
export const VIRTIO_LEGACY_QUEUE_MASK_BITS = 44
