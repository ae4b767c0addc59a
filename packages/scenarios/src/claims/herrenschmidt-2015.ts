import { breaks, each, isPassthrough, works } from './cases.ts'
import type { Claim, Said } from './claim.ts'

const SAID: Said = { who: 'Benjamin Herrenschmidt', when: '2015-11-09', in: 'virtio core DMA API conversion' }

/** Every kernel whose rule looks at something: between them they look at all that anybody proposed. */
const EVERY_RULE = [
  'linux-4.4',
  'linux-4.8',
  'always-dma-api',
  'dma-api-but-on-power',
  'iommu-flag',
  'iommu-flag-or-refuse',
  'bypass-property',
  'bypass-property-quirk',
  'bypass-property-version',
  'bypass-prog-if',
  'bypass-config-bit',
  'platform-dma',
] as const

export const HERRENSCHMIDT_2015: readonly Claim[] = [
  {
    number: 1,
    said: SAID,
    claim:
      'That virtio bypasses the IOMMU is a property of QEMU’s virtio, not of the platform: another virtio on the same platform does not.',
    parts: [
      {
        kind: 'observed',
        says: 'QEMU’s virtio device reaches memory past the IOMMU',
        cases: each({ guest: 'linux-4.4', hypervisor: 'qemu-2.4', platform: ['pseries', 'x86-vtd'], iommu: 'on' }),
        holds: isPassthrough,
        otherwise: 'QEMU’s virtio device was not in passthrough',
      },
      {
        kind: 'observed',
        says: 'another maker’s, on the same platform under the same kernel, does not',
        cases: each({
          guest: 'linux-4.4',
          hypervisor: 'physical-no-flag',
          platform: ['pseries', 'x86-vtd'],
          iommu: 'on',
        }),
        holds: (seen) => !isPassthrough(seen) && seen.dma.untranslated === 0,
        otherwise: 'the other device was in passthrough too',
      },
    ],
  },
  {
    number: 2,
    said: SAID,
    claim: 'PowerPC platforms have no existing way to say that a device bypasses the IOMMU.',
    parts: [
      {
        kind: 'separation',
        says: 'a kernel cannot tell a virtio device that bypasses from one that does not, and none serves both',
        machines: [
          { hypervisor: 'qemu', platform: 'pseries', iommu: 'on', device: 'virtio-blk' },
          { hypervisor: 'physical-no-flag', platform: 'pseries', iommu: 'on', device: 'virtio-blk' },
        ],
        guests: EVERY_RULE,
        claims: 'inseparable',
        otherwise: 'something told the two apart, or one kernel served both',
      },
      {
        kind: 'separation',
        says: 'nor where there is no hypervisor and the kernel sets the IOMMU up itself',
        machines: [
          { hypervisor: 'qemu', platform: 'powernv', iommu: 'on', device: 'virtio-blk' },
          { hypervisor: 'physical-no-flag', platform: 'powernv', iommu: 'on', device: 'virtio-blk' },
        ],
        guests: EVERY_RULE,
        claims: 'inseparable',
        otherwise: 'something told the two apart there, or one kernel served both',
      },
      {
        kind: 'separation',
        says: 'where windows stand in an IOMMU’s place (e500), nothing has to be told: a kernel that uses the DMA API for all serves both',
        machines: [
          { hypervisor: 'qemu', platform: 'e500-high', iommu: 'none', device: 'virtio-blk' },
          { hypervisor: 'physical-no-flag', platform: 'e500-high', iommu: 'none', device: 'virtio-blk' },
        ],
        guests: ['always-dma-api'],
        claims: 'served',
        otherwise: 'there too, a kernel must be told',
      },
      {
        kind: 'separation',
        says: 'the same where QEMU leaves the real machine’s IOMMU out, and its node in the tree with it (mac99)',
        machines: [
          { hypervisor: 'qemu', platform: 'mac99', iommu: 'none', device: 'virtio-blk' },
          { hypervisor: 'physical-no-flag', platform: 'mac99-dart', iommu: 'on', device: 'virtio-blk' },
        ],
        guests: ['always-dma-api'],
        claims: 'served',
        otherwise: 'no kernel serves both',
      },
    ],
  },
  {
    number: 3,
    said: SAID,
    claim:
      'A device-tree property for devices that bypass needs a quirk under old QEMU: that all virtio devices are taken to have it.',
    parts: [
      {
        kind: 'observed',
        says: 'under QEMU with the property, the kernel works without the quirk',
        cases: each({ guest: 'bypass-property', hypervisor: 'bypass-property', platform: 'pseries', iommu: 'on' }),
        holds: works,
        otherwise: 'the property was of no use',
      },
      {
        kind: 'observed',
        says: 'under old QEMU it does not',
        cases: each({ guest: 'bypass-property', hypervisor: 'qemu-2.4', platform: 'pseries', iommu: 'on' }),
        holds: breaks,
        otherwise: 'the kernel works under old QEMU without a quirk',
      },
      {
        kind: 'observed',
        says: 'with the quirk it does',
        cases: each({ guest: 'bypass-property-quirk', hypervisor: 'qemu-2.4', platform: 'pseries', iommu: 'on' }),
        holds: works,
        otherwise: 'the quirk does not help',
      },
    ],
  },
  {
    number: 4,
    said: SAID,
    claim: 'That quirk breaks a virtio implementation that does not bypass.',
    parts: [
      {
        kind: 'observed',
        says: 'with the quirk, a virtio device that is behind the IOMMU breaks',
        cases: each({
          guest: 'bypass-property-quirk',
          hypervisor: ['physical', 'physical-no-flag', 'physical-version'],
          platform: 'pseries',
          iommu: 'on',
        }),
        holds: breaks,
        otherwise: 'the device works in spite of the quirk',
      },
      {
        kind: 'observed',
        says: 'without it, the device works',
        cases: each({
          guest: 'bypass-property',
          hypervisor: ['physical', 'physical-no-flag', 'physical-version'],
          platform: 'pseries',
          iommu: 'on',
        }),
        holds: works,
        otherwise: 'the device breaks without the quirk too',
      },
    ],
  },
  {
    number: 5,
    said: SAID,
    claim:
      'A bit in virtio’s configuration, or the PCI programming interface, tells a device that bypasses from one that does not.',
    parts: (['bypass-prog-if', 'bypass-config-bit'] as const).map((guest) => ({
      kind: 'separation' as const,
      says: `with ${guest === 'bypass-prog-if' ? 'the programming interface' : 'the bit'}, one kernel serves old QEMU and a device that does not bypass`,
      machines: [
        { hypervisor: 'qemu-2.4', platform: 'pseries', iommu: 'on', device: 'virtio-blk' },
        {
          hypervisor: guest === 'bypass-prog-if' ? 'physical-prog-if' : 'physical-config-bit',
          platform: 'pseries',
          iommu: 'on',
          device: 'virtio-blk',
        },
      ] as const,
      guests: [guest],
      claims: 'served' as const,
      otherwise: 'the kernel that looks at it does not serve both',
    })),
  },
  {
    number: 6,
    said: SAID,
    claim: 'A device-tree property together with a new version of the device tells the two apart as well.',
    parts: [
      {
        kind: 'observed',
        says: 'one kernel serves old QEMU, QEMU with property and version, and a device of the new version that does not bypass',
        cases: each({
          guest: 'bypass-property-version',
          hypervisor: ['qemu-2.4', 'bypass-property-version', 'physical-version'],
          platform: 'pseries',
          iommu: 'on',
        }),
        holds: works,
        otherwise: 'the kernel that looks at both does not serve all three',
      },
    ],
  },
]
