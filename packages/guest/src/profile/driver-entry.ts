/** One line of a driver's match table. A field that is absent matches anything. */
export interface PciMatch {
  readonly vendor?: number
  readonly device?: number
  /** The 24-bit class code under a mask. */
  readonly classCode?: { readonly value: number; readonly mask: number }
}

/** A driver of the kernel: what it binds to, and what of it matters to DMA. */
export interface DriverEntry {
  /** The driver's name, as sysfs gives it: `virtio_blk`, `virtio-pci`, `e1000e`. */
  readonly name: string
  /** The module that carries it, the name for `without=`; null where it is built in. */
  readonly module: string | null
  /** The PCI functions that it matches; empty for drivers of the virtio bus. */
  readonly pci: readonly PciMatch[]
  /** Names by which firmware calls devices on no bus that it matches: `virtio,mmio`, `LNRO0005`; none unless given. */
  readonly platform?: readonly string[]
  /** Virtio device types that it matches (virtio 1.3 §5); empty for PCI drivers. */
  readonly virtio: readonly number[]
  /**
   * What it does with a function: `virtio-transport` finds a virtio device behind it, `port` serves a PCIe port, `none`
   * drives it without DMA.
   */
  readonly kind: 'virtio-transport' | 'virtio' | 'synthetic' | 'port' | 'iommu' | 'none'
  /** Address bits that it asks for; null where it does no DMA of its own. */
  readonly dmaMaskBits: number | null
  /** Takes what is written to `sriov_numvfs`: as the PCI core would by itself, or with conditions of its own. */
  readonly sriov?: 'simple' | 'igb' | 'virtio'
  /** Matches and then always declines, for this reason. Matching alone can make a group. */
  readonly declines?: string
}

/** A PCI function, as far as a match table looks at it. */
export interface PciIdentity {
  readonly vendorId: number
  readonly deviceId: number
  readonly classCode: number
}

export const matchesPci = (match: PciMatch, found: PciIdentity): boolean =>
  (match.vendor === undefined || match.vendor === found.vendorId) &&
  (match.device === undefined || match.device === found.deviceId) &&
  (match.classCode === undefined || (found.classCode & match.classCode.mask) === match.classCode.value)

/** Whether the driver's table has a device on no bus, by one of the names that firmware gives it. */
export const matchesPlatform = (
  { platform = [] }: DriverEntry,
  found: { readonly compatible: readonly string[] },
): boolean => found.compatible.some((name) => platform.includes(name))
