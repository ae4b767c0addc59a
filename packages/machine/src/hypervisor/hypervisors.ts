import { DmascopeError, nearestName } from '@dmascope/layout'
import type { Hypervisor, HypervisorName } from './hypervisor.ts'

/** Those of the QEMU release that the description names. */
export const QEMU: Hypervisor = {
  name: 'qemu',
  summary: 'QEMU as --qemu-version has it: iommu_platform decides for each virtio device',
  virtioDma: 'as-offered',
  accessPlatform: 'property',
  platformDma: false,
  insists: 'version-1',
  virtioInterface: 'as-described',
  tells: 'nothing',
  dmarScopes: 'explicit',
  assignedDma: 'platform',
}

/** Before 2.9 there was no bit to offer; before 2.6 no translation for assigned devices either. */
const QEMU_2_4: Hypervisor = {
  ...QEMU,
  name: 'qemu-2.4',
  summary: 'QEMU 2.4: virtio and assigned devices go past the IOMMU, and the tables say that it covers all',
  virtioDma: 'bypass',
  accessPlatform: 'never',
  insists: 'never',
  virtioInterface: 'legacy',
  dmarScopes: 'include-all',
  assignedDma: 'bypass',
}

const PHYSICAL: Hypervisor = {
  ...QEMU,
  name: 'physical',
  summary: 'no hypervisor: virtio devices are cards that offer VIRTIO_F_ACCESS_PLATFORM and reach memory as all do',
  virtioDma: 'platform',
  accessPlatform: 'always',
  insists: 'never',
  dmarScopes: 'include-all',
}

/** Every hypervisor, the default first. */
export const HYPERVISORS: readonly Hypervisor[] = [
  QEMU,
  QEMU_2_4,
  {
    ...QEMU,
    name: 'qemu-2.9',
    summary: 'QEMU 2.9: iommu_platform is there, and the tables still say that the IOMMU covers all',
    dmarScopes: 'include-all',
  },
  {
    ...QEMU,
    name: 'iommu-flag',
    summary: "QEMU as Lutomirski proposed in 2015: respects the IOMMU and always says so, but for POWER's",
    virtioDma: 'platform-but-on-power',
    accessPlatform: 'always-but-on-power',
    insists: 'behind-iommu',
    dmarScopes: 'include-all',
  },
  {
    ...QEMU_2_4,
    name: 'bypass-property',
    summary: 'QEMU 2.4 with a device-tree property on each device that goes past the IOMMU',
    tells: 'property',
  },
  {
    ...QEMU_2_4,
    name: 'bypass-property-version',
    summary: 'the same, with a new revision of its virtio devices that says that the property can be relied on',
    virtioInterface: 'as-described',
    tells: 'property-and-version',
  },
  PHYSICAL,
  {
    ...PHYSICAL,
    name: 'physical-no-flag',
    summary: 'the same, but the cards do not offer VIRTIO_F_ACCESS_PLATFORM',
    accessPlatform: 'never',
  },
  {
    ...PHYSICAL,
    name: 'physical-version',
    summary: 'cards without that bit, whose new revision says that a bypass would have been told by a property',
    accessPlatform: 'never',
    tells: 'version',
  },
  {
    ...PHYSICAL,
    name: 'physical-prog-if',
    summary: 'cards without that bit, whose programming interface says that they do not bypass',
    accessPlatform: 'never',
    tells: 'prog-if',
  },
  {
    ...PHYSICAL,
    name: 'physical-config-bit',
    summary: 'cards without that bit, and one in their virtio configuration that says that they do not bypass',
    accessPlatform: 'never',
    tells: 'config-bit',
  },
  {
    ...PHYSICAL,
    name: 'platform-dma',
    summary: 'cards that offer the second bit that Hellwig proposed in 2018, VIRTIO_F_PLATFORM_DMA, and not bit 33',
    accessPlatform: 'never',
    platformDma: true,
  },
  {
    ...PHYSICAL,
    name: 'both-bits',
    summary: 'cards that offer both, which the proposal forbids',
    platformDma: true,
  },
]

/**
 * The rules of that name; rules are themselves.
 *
 * @throws DmascopeError MACHINE_HYPERVISOR, naming the nearest known one
 */
export function requireHypervisor(name: string | Hypervisor): Hypervisor {
  if (typeof name !== 'string') return name
  const found = HYPERVISORS.find((one) => one.name === name)
  if (found !== undefined) return found
  const known = HYPERVISORS.map((one): HypervisorName => one.name)
  const nearest = nearestName(name, known)
  throw new DmascopeError(
    'MACHINE_HYPERVISOR',
    `unknown hypervisor "${name}"${nearest === null ? '; ' : `; did you mean ${nearest}? `}known are ${known.join(', ')}`,
    { name, nearest, known },
  )
}
