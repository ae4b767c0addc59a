import {
  VIRTIO_F_ACCESS_PLATFORM,
  VIRTIO_F_ORDER_PLATFORM,
  VIRTIO_F_PLATFORM_DMA,
  VIRTIO_F_RING_PACKED,
  VIRTIO_F_RING_RESET,
  VIRTIO_F_SR_IOV,
} from '@dmascope/virtio-pci/spec'
import { DEBIAN_12_DRIVERS, DEBIAN_13_DRIVERS } from './drivers.ts'
import {
  type GuestProfile,
  isBefore,
  type KernelConfiguration,
  type KernelVersion,
  type ProfileName,
} from './guest-profile.ts'
import {
  ALWAYS_DMA_API,
  bypassIndicated,
  bypassProperty,
  DMA_API_BUT_ON_POWER,
  iommuFlag,
  PLATFORM_DMA,
  PLATFORM_DMA_TWO_BITS,
  RAW_PHYSICAL,
  type VirtioDmaRule,
  VRING_USE_DMA_API,
  XEN_ONLY,
} from './virtio-dma-rule.ts'

/** Debian's choices, which the captured kernels were built with. */
const DEBIAN: Omit<KernelConfiguration, 'identityWithoutPassThrough' | 'virtioIommu' | 'dynamicWindowLimit'> = {
  intelIommu: true,
  amdIommu: true,
  intelIommuDefaultOn: true,
  graphicsUnitsOff: true,
  scalableModeDefaultOn: true,
  iommuDefaultPassthrough: false,
  iommuDefaultStrict: false,
  iommuDefaultStrictArm64: true,
  isaIdentityMap: true,
  virtioMmioCommandLine: false,
  restrictedPools: false,
}

/** The release in which Linux's ring or transport code first took a feature. */
const FEATURE_SINCE: readonly (readonly [feature: number, kernel: KernelVersion])[] = [
  [VIRTIO_F_ACCESS_PLATFORM, '4.8'],
  [VIRTIO_F_RING_PACKED, '5.10'],
  [VIRTIO_F_ORDER_PLATFORM, '5.10'],
  [VIRTIO_F_SR_IOV, '5.10'],
  [VIRTIO_F_RING_RESET, '6.1'],
]

/** Older kernels have the newer ones' IOMMU drivers, drivers and module order: what they differ in here is virtio. */
function configurationOf(newest: boolean): KernelConfiguration {
  return {
    ...DEBIAN,
    identityWithoutPassThrough: newest ? 'dma' : 'identity-map',
    virtioIommu: newest,
    dynamicWindowLimit: newest ? 'hot-plug' : 'hot-plug-or-ram',
  }
}

interface ProfileInput {
  readonly name: ProfileName
  readonly kernel: KernelVersion
  readonly summary: string
  readonly virtioDma: VirtioDmaRule
  /** A bit that the release does not know, and the proposal needs. */
  readonly knows?: number
  readonly proposes?: number
}

function profile({ name, kernel, summary, virtioDma, knows, proposes }: ProfileInput): GuestProfile {
  const base = {
    text: name,
    name,
    kernel,
    summary,
    configuration: configurationOf(kernel === '6.12'),
    iovaOrder: 'top-down',
    virtioDma,
    proposedFeatures: proposes === undefined ? [] : [proposes],
    restrictedMemory: false,
    whitelist: [],
    drivers: kernel === '6.12' ? DEBIAN_13_DRIVERS : DEBIAN_12_DRIVERS,
    sriov: [],
    without: [],
    assign: [],
    firmwareRegions: 'honour',
    busWindows: true,
    cacheMaintenance: true,
    aheadFlush: true,
    writeDrain: true,
    unknownFeatures: [],
  } as const satisfies GuestProfile
  const unknown = FEATURE_SINCE.filter(([feature, since]) => feature !== knows && isBefore(base, since))
  return { ...base, unknownFeatures: unknown.map(([feature]) => feature) }
}

/** Every kernel that can be booted, the default first. */
export const PROFILES: readonly GuestProfile[] = [
  profile({
    name: 'linux-6.12',
    kernel: '6.12',
    summary: 'Linux 6.12 as Debian 13 builds it',
    virtioDma: VRING_USE_DMA_API,
  }),
  profile({
    name: 'linux-6.1',
    kernel: '6.1',
    summary: 'Linux 6.1 as Debian 12 builds it',
    virtioDma: VRING_USE_DMA_API,
  }),
  profile({
    name: 'linux-5.10',
    kernel: '5.10',
    summary: 'Linux 5.10, as far as virtio goes; else as 6.1',
    virtioDma: VRING_USE_DMA_API,
  }),
  profile({
    name: 'linux-4.8',
    kernel: '4.8',
    summary: 'Linux 4.8, the first to know bit 33; else as 6.1',
    virtioDma: VRING_USE_DMA_API,
  }),
  profile({
    name: 'linux-4.6',
    kernel: '4.6',
    summary: 'Linux 4.6: the DMA API for virtio under Xen alone; else as 6.1',
    virtioDma: XEN_ONLY,
  }),
  profile({
    name: 'linux-4.4',
    kernel: '4.4',
    summary: 'Linux 4.4: physical addresses for virtio, always; else as 6.1',
    virtioDma: RAW_PHYSICAL,
  }),
  profile({
    name: 'always-dma-api',
    kernel: '6.12',
    summary: 'Linux 6.12, but every virtio device uses the DMA API, whatever it negotiated',
    virtioDma: ALWAYS_DMA_API,
  }),
  profile({
    name: 'dma-api-but-on-power',
    kernel: '4.4',
    summary: "Lutomirski's series of 2015: the DMA API for every virtio device, but on PowerPC and SPARC",
    virtioDma: DMA_API_BUT_ON_POWER,
  }),
  profile({
    name: 'iommu-flag',
    kernel: '4.4',
    summary: "Lutomirski's proposal of 2015: a flag by which a device says that it respects the IOMMU",
    virtioDma: iommuFlag(false),
    knows: VIRTIO_F_ACCESS_PLATFORM,
  }),
  profile({
    name: 'iommu-flag-or-refuse',
    kernel: '4.4',
    summary: 'the same with its option: no device behind an IOMMU without the flag, but those on whitelist=',
    virtioDma: iommuFlag(true),
    knows: VIRTIO_F_ACCESS_PLATFORM,
  }),
  profile({
    name: 'bypass-property',
    kernel: '4.4',
    summary: "Herrenschmidt's device-tree property of 2015 for devices that bypass, and nothing for old hypervisors",
    virtioDma: bypassProperty('none'),
  }),
  profile({
    name: 'bypass-property-quirk',
    kernel: '4.4',
    summary: 'the same with the quirk for old hypervisors: every virtio device is taken to have it',
    virtioDma: bypassProperty('all'),
  }),
  profile({
    name: 'bypass-property-version',
    kernel: '4.4',
    summary: 'the same, but for devices of a new revision, which would have it',
    virtioDma: bypassProperty('unversioned'),
  }),
  profile({
    name: 'bypass-prog-if',
    kernel: '4.4',
    summary: "Herrenschmidt's other way: the PCI programming interface says that a device does not bypass",
    virtioDma: bypassIndicated('prog-if'),
  }),
  profile({
    name: 'bypass-config-bit',
    kernel: '4.4',
    summary: 'the same by a bit in the virtio configuration',
    virtioDma: bypassIndicated('config-bit'),
  }),
  profile({
    name: 'platform-dma',
    kernel: '5.10',
    summary: "Hellwig's reading of bit 33, 2018: what the platform does for DMA, whatever that is",
    virtioDma: PLATFORM_DMA,
  }),
  profile({
    name: 'platform-dma-two-bits',
    kernel: '5.10',
    summary: 'his other way: a second bit for that, which excludes bit 33',
    virtioDma: PLATFORM_DMA_TWO_BITS,
    proposes: VIRTIO_F_PLATFORM_DMA,
  }),
]
