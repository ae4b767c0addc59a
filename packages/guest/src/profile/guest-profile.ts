import { type DriverEntry, matchesPci, type PciIdentity } from './driver-entry.ts'
import type { SriovRequest } from './parse-sriov.ts'
import type { VirtioDmaRule } from './virtio-dma-rule.ts'

/** Linux releases, oldest first. */
export const KERNELS = ['4.4', '4.6', '4.8', '5.10', '6.1', '6.12'] as const
export type KernelVersion = (typeof KERNELS)[number]

/** A release, or a proposal that never was one. */
export type ProfileName =
  | `linux-${KernelVersion}`
  | 'always-dma-api'
  | 'dma-api-but-on-power'
  | 'iommu-flag'
  | 'iommu-flag-or-refuse'
  | 'bypass-property'
  | 'bypass-property-quirk'
  | 'bypass-property-version'
  | 'bypass-prog-if'
  | 'bypass-config-bit'
  | 'platform-dma'
  | 'platform-dma-two-bits'

/** What a kernel was built with that its command line can override. */
export interface KernelConfiguration {
  /** CONFIG_INTEL_IOMMU and, with it, CONFIG_INTEL_TXT and the remapping of interrupts; CONFIG_AMD_IOMMU. */
  readonly intelIommu: boolean
  readonly amdIommu: boolean
  /** CONFIG_INTEL_IOMMU_DEFAULT_ON, also in the form that leaves out graphics. */
  readonly intelIommuDefaultOn: boolean
  /** CONFIG_INTEL_IOMMU_DEFAULT_ON_INTGPU_OFF: units that name nothing but graphics devices stay off. */
  readonly graphicsUnitsOff: boolean
  /** CONFIG_INTEL_IOMMU_SCALABLE_MODE_DEFAULT_ON. */
  readonly scalableModeDefaultOn: boolean
  /** CONFIG_IOMMU_DEFAULT_PASSTHROUGH. */
  readonly iommuDefaultPassthrough: boolean
  /** CONFIG_IOMMU_DEFAULT_DMA_STRICT, and the same of the kernel for arm64. */
  readonly iommuDefaultStrict: boolean
  readonly iommuDefaultStrictArm64: boolean
  /** CONFIG_INTEL_IOMMU_FLOPPY_WA: the ISA bridge gets an identity map of the first 16 MiB. */
  readonly isaIdentityMap: boolean
  /**
   * What devices get whose VT-d unit cannot pass through: where pass-through is asked for, a page table that maps all
   * memory onto itself; or, since the identity domain became static, a DMA domain without a flush queue, whatever is
   * asked for (`device_def_domain_type`).
   */
  readonly identityWithoutPassThrough: 'identity-map' | 'dma'
  /** CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES: `virtio_mmio.device=` on the command line makes devices. */
  readonly virtioMmioCommandLine: boolean
  /** CONFIG_DMA_RESTRICTED_POOL, which came with 5.15: the DMA API keeps devices in the pool that a tree names for them. */
  readonly restrictedPools: boolean
  /** CONFIG_VIRTIO_IOMMU: a driver for virtio IOMMUs, and with it the reading of VIOT. */
  readonly virtioIommu: boolean
  /**
   * How large a dynamic DMA window of a partition must be: for the memory that the tree says may ever be plugged in
   * (6.12 with its later fixes), or for the RAM that there is, where that is more.
   */
  readonly dynamicWindowLimit: 'hot-plug' | 'hot-plug-or-ram'
}

/** A kernel that can be booted: data and named rules. */
export interface GuestProfile {
  /** As given: `linux-6.12,without=virtio_iommu`. */
  readonly text: string
  readonly name: ProfileName
  /** The Linux release whose behaviour it has. */
  readonly kernel: KernelVersion
  readonly summary: string
  readonly configuration: KernelConfiguration
  /** Where I/O virtual addresses are taken from first. */
  readonly iovaOrder: 'top-down' | 'bottom-up'
  readonly virtioDma: VirtioDmaRule
  /** Feature bits of ring and transport that a kernel of this release has not heard of. */
  readonly unknownFeatures: readonly number[]
  /** Feature bits of proposals that it takes beside what every kernel does. */
  readonly proposedFeatures: readonly number[]
  /**
   * Most of memory is out of devices' reach, and the kernel knows: a virtio device must offer VERSION_1 and
   * ACCESS_PLATFORM, or is not taken (Linux's `virtio_require_restricted_mem_acc`).
   */
  readonly restrictedMemory: boolean
  /** Devices that the user vouches for, for rules that refuse. */
  readonly whitelist: readonly { readonly vendor: number; readonly device: number }[]
  /** Drivers in probe order, without those left out. */
  readonly drivers: readonly DriverEntry[]
  /** What is written to `sriov_numvfs` once all drivers are there, in this order. */
  readonly sriov: readonly SriovRequest[]
  /** Modules left out by `without=`. */
  readonly without: readonly string[]
  /** Devices to be given to users' programs, one list a program: `assign=00:04.0+00:05.0`. */
  readonly assign: readonly (readonly string[])[]
  /** What becomes of the regions that firmware wants mapped onto themselves: RMRRs, IVMDs. Linux honours them. */
  readonly firmwareRegions: 'honour' | 'ignore'
  /** The DMA API knows by what addresses buses see memory, where firmware says that. */
  readonly busWindows: boolean
  /** The DMA API maintains caches for devices that are not coherent with them. */
  readonly cacheMaintenance: boolean
  /** It also undoes what processors have read on their own while a device wrote: BMIPS's do. */
  readonly aheadFlush: boolean
  /** The DMA API waits for the processor's writes to arrive, on platforms that need it. */
  readonly writeDrain: boolean
}

/** Whether the profile's kernel came before this release. */
export const isBefore = (profile: GuestProfile, kernel: KernelVersion): boolean =>
  KERNELS.indexOf(profile.kernel) < KERNELS.indexOf(kernel)

/** Drivers that match a PCI function, in probe order. */
export const driversForPci = (profile: GuestProfile, found: PciIdentity): readonly DriverEntry[] =>
  profile.drivers.filter((driver) => driver.pci.some((match) => matchesPci(match, found)))

/** The driver of a virtio device type; null where the kernel has none. */
export const driverForVirtio = (profile: GuestProfile, type: number): DriverEntry | null =>
  profile.drivers.find((driver) => driver.virtio.includes(type)) ?? null
