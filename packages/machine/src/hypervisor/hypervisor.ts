/** The hypervisors, and the machines without one, whose virtio devices and tables can be had. */
export type HypervisorName =
  | 'qemu'
  | 'qemu-2.4'
  | 'qemu-2.9'
  | 'iommu-flag'
  | 'bypass-property'
  | 'bypass-property-version'
  | 'physical'
  | 'physical-no-flag'
  | 'physical-version'
  | 'physical-prog-if'
  | 'physical-config-bit'
  | 'platform-dma'
  | 'both-bits'

/**
 * How the maker of a machine lets its virtio devices reach memory, and what it tells software of that: data, and the
 * names of rules. What a command line can say of a device stands beside it, and holds where the rules leave it open.
 */
export interface Hypervisor {
  readonly name: HypervisorName
  /** One line, for lists. */
  readonly summary: string
  /**
   * Where the DMA of virtio devices goes: past the IOMMU always; past it unless VIRTIO_F_ACCESS_PLATFORM is offered;
   * the way of any other device's; or so but on POWER machines, where it goes past.
   */
  readonly virtioDma: 'bypass' | 'as-offered' | 'platform' | 'platform-but-on-power'
  /** VIRTIO_F_PLATFORM_DMA is offered, the second bit of a proposal of 2018. */
  readonly platformDma: boolean
  /** Where VIRTIO_F_ACCESS_PLATFORM is offered: `property` is QEMU's `iommu_platform`. */
  readonly accessPlatform: 'never' | 'property' | 'always' | 'always-but-on-power'
  /**
   * Which drivers a device refuses that offers VIRTIO_F_ACCESS_PLATFORM: those that speak virtio 1 and decline it; all
   * that decline it, where the device is behind an IOMMU; or none.
   */
  readonly insists: 'version-1' | 'behind-iommu' | 'never'
  /** The interfaces of a virtio function that may have either: QEMU 2.4 had the legacy one alone. */
  readonly virtioInterface: 'as-described' | 'legacy'
  /** What tells software that a device does not bypass, or that it does: the proposals of 2015. */
  readonly tells: 'nothing' | 'prog-if' | 'config-bit' | 'property' | 'version' | 'property-and-version'
  /** What a DMAR says: each function behind the unit by name, or that the unit covers every device of its segment. */
  readonly dmarScopes: 'explicit' | 'include-all'
  /** Assigned devices are translated by the guest's IOMMU, or by the host's alone whatever the guest's tables say. */
  readonly assignedDma: 'platform' | 'bypass'
}
