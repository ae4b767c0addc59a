import { DEBIAN_12_DRIVERS, DEBIAN_13_DRIVERS } from './drivers.ts'
import type { GuestProfile, KernelConfiguration, ProfileName } from './guest-profile.ts'
import { ALWAYS_DMA_API, VRING_USE_DMA_API } from './virtio-dma-rule.ts'

/** Debian's choices, which the captured kernels were built with. */
const DEBIAN: Omit<KernelConfiguration, 'identityWithoutPassThrough' | 'virtioIommu' | 'dynamicWindowLimit'> = {
  intelIommuDefaultOn: true,
  graphicsUnitsOff: true,
  scalableModeDefaultOn: true,
  iommuDefaultPassthrough: false,
  iommuDefaultStrict: false,
  iommuDefaultStrictArm64: true,
  isaIdentityMap: true,
}

const profile = (
  name: ProfileName,
  kernel: GuestProfile['kernel'],
  summary: string,
  virtioDma: GuestProfile['virtioDma'],
): GuestProfile => ({
  text: name,
  name,
  kernel,
  summary,
  configuration: {
    ...DEBIAN,
    identityWithoutPassThrough: kernel === '6.1' ? 'identity-map' : 'dma',
    virtioIommu: kernel !== '6.1',
    dynamicWindowLimit: kernel === '6.1' ? 'hot-plug-or-ram' : 'hot-plug',
  },
  iovaOrder: 'top-down',
  virtioDma,
  drivers: kernel === '6.1' ? DEBIAN_12_DRIVERS : DEBIAN_13_DRIVERS,
  without: [],
})

/** Every kernel that can be booted, the default first. */
export const PROFILES: readonly GuestProfile[] = [
  profile('linux-6.12', '6.12', 'Linux 6.12 as Debian 13 builds it', VRING_USE_DMA_API),
  profile('linux-6.1', '6.1', 'Linux 6.1 as Debian 12 builds it', VRING_USE_DMA_API),
  profile(
    'always-dma-api',
    '6.12',
    'Linux 6.12, but every virtio device uses the DMA API, whatever it negotiated',
    ALWAYS_DMA_API,
  ),
]
