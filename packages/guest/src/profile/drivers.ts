import type { DriverEntry } from './driver-entry.ts'

const WHOLE_CLASS = 0xff_ffff

/** Devices that agpgart-intel's table names and that a machine here can have: 440FX and Q35. */
const AGP_HOST_BRIDGES = [0x1237, 0x29c0]

const PCIEPORT: DriverEntry = {
  name: 'pcieport',
  module: null,
  pci: [{ classCode: { value: 0x06_0400, mask: WHOLE_CLASS } }, { classCode: { value: 0x06_0401, mask: WHOLE_CLASS } }],
  virtio: [],
  kind: 'port',
  dmaMaskBits: null,
}

const AGPGART_INTEL: DriverEntry = {
  name: 'agpgart-intel',
  module: null,
  pci: AGP_HOST_BRIDGES.map((device) => ({ vendor: 0x8086, device })),
  virtio: [],
  kind: 'none',
  dmaMaskBits: null,
  declines: 'the host bridge has no AGP capability',
}

/** 8250_pci, which takes every function of this class whose BARs it can make sense of: those of QEMU's cards it can. */
const SERIAL_PCI: DriverEntry = {
  name: 'serial',
  module: null,
  pci: [{ classCode: { value: 0x07_0000, mask: 0xff_ff00 } }],
  virtio: [],
  kind: 'none',
  dmaMaskBits: null,
}

const VIRTIO_IOMMU: DriverEntry = {
  name: 'virtio_iommu',
  module: 'virtio_iommu',
  pci: [],
  virtio: [23],
  kind: 'iommu',
  dmaMaskBits: null,
}

/** @param module - null where it is built in */
const virtioPci = (module: string | null): DriverEntry => ({
  name: 'virtio-pci',
  module,
  pci: [{ vendor: 0x1af4 }],
  virtio: [],
  kind: 'virtio-transport',
  dmaMaskBits: 64,
  sriov: 'virtio',
})

const VIRTIO_MMIO: DriverEntry = {
  name: 'virtio-mmio',
  module: 'virtio_mmio',
  pci: [],
  platform: ['virtio,mmio', 'LNRO0005', 'virtio-mmio'],
  virtio: [],
  kind: 'virtio-transport',
  dmaMaskBits: 64,
}

/** Of kernels for s390x alone, and the first of virtio's there. */
const VIRTIO_CCW: DriverEntry = {
  name: 'virtio_ccw',
  module: null,
  pci: [],
  platform: ['ccw:t3832'],
  virtio: [],
  kind: 'virtio-transport',
  dmaMaskBits: 64,
}

const virtioDriver = (name: string, type: number, module: string | null): DriverEntry => ({
  name,
  module,
  pci: [],
  virtio: [type],
  kind: 'virtio',
  dmaMaskBits: null,
})

const VIRTIO_BLK = virtioDriver('virtio_blk', 2, 'virtio_blk')
const VIRTIO_NET = virtioDriver('virtio_net', 1, 'virtio_net')
const VIRTIO_RNG = virtioDriver('virtio_rng', 4, 'virtio-rng')
const VIRTIO_BALLOON = virtioDriver('virtio_balloon', 5, 'virtio_balloon')
const virtioConsole = (module: string | null): DriverEntry => virtioDriver('virtio_console', 3, module)

const NVME: DriverEntry = {
  name: 'nvme',
  module: 'nvme',
  pci: [{ classCode: { value: 0x01_0802, mask: WHOLE_CLASS } }],
  virtio: [],
  kind: 'synthetic',
  dmaMaskBits: 64,
  sriov: 'simple',
}

/** The 82576's IDs, of those that igb drives, and its virtual function's. */
const IGB_DEVICES = [0x10c9, 0x10e6, 0x10e7, 0x10e8, 0x150a, 0x150d, 0x1518, 0x1526]

/**
 * Modules that are there, and not loaded: the initial file system has none of them. Whoever wants virtual functions
 * loads them first.
 */
export const SRIOV_DRIVERS: readonly DriverEntry[] = [
  {
    name: 'igb',
    module: 'igb',
    pci: IGB_DEVICES.map((device) => ({ vendor: 0x8086, device })),
    virtio: [],
    kind: 'synthetic',
    dmaMaskBits: 64,
    sriov: 'igb',
  },
  {
    name: 'igbvf',
    module: 'igbvf',
    pci: [
      { vendor: 0x8086, device: 0x10ca },
      { vendor: 0x8086, device: 0x1520 },
    ],
    virtio: [],
    kind: 'synthetic',
    dmaMaskBits: 64,
  },
]

const E1000E: DriverEntry = {
  name: 'e1000e',
  module: 'e1000e',
  pci: [{ vendor: 0x8086, device: 0x10d3 }],
  virtio: [],
  kind: 'synthetic',
  dmaMaskBits: 64,
}

/** No kernel has it: it serves the DMA probe, which no machine but ours has. */
const DMASCOPE_PROBE: DriverEntry = {
  name: 'dmascope_probe',
  module: null,
  // QEMU's pci-testdev has the same ID and another class.
  pci: [{ vendor: 0x1b36, device: 0x0005, classCode: { value: 0xff0000, mask: 0xffffff } }],
  virtio: [],
  kind: 'synthetic',
  // What it drives itself its driver reads from it.
  dmaMaskBits: 28,
}

/**
 * The drivers of Debian 13's kernel 6.12 in the order in which they probe: those built in, as drivers/Makefile links
 * them, then modules in the order in which its initial file system loads them. There is none for e1000, AHCI, SMBus and
 * the ISA bridge.
 */
export const DEBIAN_13_DRIVERS: readonly DriverEntry[] = [
  PCIEPORT,
  virtioPci(null),
  VIRTIO_CCW,
  SERIAL_PCI,
  virtioConsole(null),
  AGPGART_INTEL,
  VIRTIO_IOMMU,
  VIRTIO_MMIO,
  VIRTIO_BLK,
  VIRTIO_NET,
  VIRTIO_RNG,
  VIRTIO_BALLOON,
  NVME,
  E1000E,
  DMASCOPE_PROBE,
]

/** Those of Debian 12's kernel 6.1, which has more of them as modules, and none for a virtio IOMMU. */
export const DEBIAN_12_DRIVERS: readonly DriverEntry[] = [
  PCIEPORT,
  SERIAL_PCI,
  AGPGART_INTEL,
  virtioPci('virtio_pci'),
  VIRTIO_CCW,
  VIRTIO_MMIO,
  VIRTIO_BLK,
  VIRTIO_NET,
  VIRTIO_RNG,
  virtioConsole('virtio_console'),
  VIRTIO_BALLOON,
  NVME,
  E1000E,
  DMASCOPE_PROBE,
]

/**
 * Address bits that the virtio PCI transport asks for: 64, but for queues of the legacy interface, whose page frame
 * number has 32 bits of 4096 bytes each.
 */
export const VIRTIO_LEGACY_QUEUE_MASK_BITS = 44
