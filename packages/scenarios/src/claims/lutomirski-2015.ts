import type { PlatformName } from '../cell/platforms.ts'
import { ARM_IOMMUS, beside, breaks, compareVerdicts, each, NO_IOMMU, refuses, works, X86_IOMMUS } from './cases.ts'
import type { Claim, Said } from './claim.ts'
import { XEN_HOSTS } from './lutomirski-2015-xen.ts'

/** PowerPC with an IOMMU, and without one: there with windows over all of memory, and over less. */
const POWER = ['pseries', 'e500', 'e500-high'] as const satisfies readonly PlatformName[]

const SAID: Said = { who: 'Andy Lutomirski', when: '2015', in: 'virtio: Clean up scatterlists and use the DMA API' }

export const LUTOMIRSKI_2015: readonly Claim[] = [
  {
    number: 7,
    said: SAID,
    claim: 'New kernels work with old QEMU, unless iommu=on.',
    parts: [
      {
        kind: 'observed',
        says: 'without an IOMMU, or with one that the kernel leaves off, they work',
        cases: [
          ...each({ guest: 'iommu-flag', hypervisor: 'qemu-2.4', platform: NO_IOMMU, iommu: 'none' }),
          ...each({ guest: 'iommu-flag', hypervisor: 'qemu-2.4', platform: 'x86-vtd', iommu: 'off' }),
        ],
        holds: works,
        otherwise: 'they do not work though no IOMMU is in use',
      },
      {
        kind: 'observed',
        says: 'on PowerPC they work',
        cases: each({
          guest: 'iommu-flag',
          hypervisor: 'qemu-2.4',
          platform: [...POWER, 'mac99'],
          iommu: ['on', 'none'],
        }),
        holds: works,
        otherwise: 'they do not work on PowerPC',
      },
      {
        kind: 'observed',
        says: 'with iommu=on they do not',
        cases: each({ guest: 'iommu-flag', hypervisor: 'qemu-2.4', platform: 'x86-vtd', iommu: 'on' }),
        holds: (seen) => !works(seen),
        otherwise: 'they work with iommu=on too',
      },
      {
        kind: 'observed',
        says: 'on SPARC, whose IOMMU is there without being asked for, they work',
        cases: each({ guest: 'iommu-flag', hypervisor: 'qemu-2.4', platform: 'sparc64', iommu: 'on' }),
        holds: works,
        otherwise:
          'on SPARC, whose IOMMU is there without iommu=on, they do not: the proposal makes an exception of PowerPC alone',
      },
      {
        kind: 'observed',
        says: 'those of the series before the proposal, which made one of SPARC too, work there',
        cases: each({ guest: 'dma-api-but-on-power', hypervisor: 'qemu-2.4', platform: 'sparc64', iommu: 'on' }),
        holds: works,
        otherwise: 'those of the series do not work on SPARC either',
      },
    ],
  },
  {
    number: 8,
    said: SAID,
    claim:
      'New kernels work with new devices, QEMU’s and physical ones that set the flag, always, but for physical ones on PowerPC.',
    parts: [
      {
        kind: 'observed',
        says: 'they work on x86, arm64 and SPARC, with IOMMUs and without',
        cases: each({
          guest: ['iommu-flag', 'iommu-flag-or-refuse'],
          hypervisor: ['iommu-flag', 'physical'],
          platform: [...NO_IOMMU, ...X86_IOMMUS, ...ARM_IOMMUS, 'sparc64'],
          iommu: ['none', 'on', 'pt', 'off', 'uncovered'],
        }),
        holds: works,
        otherwise: 'some do not work',
      },
      {
        kind: 'observed',
        says: 'they work under Xen',
        cases: each({
          guest: ['iommu-flag', 'iommu-flag-or-refuse'],
          hypervisor: ['iommu-flag', 'physical'],
          platform: XEN_HOSTS,
          iommu: 'none',
        }),
        holds: works,
        otherwise: 'some do not work under Xen',
      },
      {
        kind: 'observed',
        says: 'QEMU’s work on PowerPC',
        cases: each({
          guest: 'iommu-flag',
          hypervisor: 'iommu-flag',
          platform: [...POWER, 'mac99'],
          iommu: ['on', 'none'],
        }),
        holds: works,
        otherwise: 'QEMU’s do not work on PowerPC',
      },
      {
        kind: 'observed',
        says: 'physical ones do not',
        cases: each({
          guest: 'iommu-flag',
          hypervisor: 'physical',
          platform: [...POWER, 'mac99-dart'],
          iommu: ['on', 'none'],
        }),
        holds: (seen) => !works(seen),
        otherwise: 'physical ones work on PowerPC',
      },
    ],
  },
  {
    number: 11,
    said: SAID,
    claim: 'New kernels on old QEMU with iommu=on may refuse the device.',
    parts: [
      {
        kind: 'observed',
        says: 'with the option, they refuse it',
        cases: each({ guest: 'iommu-flag-or-refuse', hypervisor: 'qemu-2.4', platform: 'x86-vtd', iommu: 'on' }),
        holds: refuses,
        otherwise: 'the option does not make them refuse',
      },
      {
        kind: 'observed',
        says: 'without it, it breaks',
        cases: each({ guest: 'iommu-flag', hypervisor: 'qemu-2.4', platform: 'x86-vtd', iommu: 'on' }),
        holds: breaks,
        otherwise: 'nothing breaks without the option',
      },
    ],
  },
  {
    number: 12,
    said: SAID,
    claim: 'Old kernels do not notice: they work as before, but for new QEMU with iommu=on.',
    parts: [
      {
        kind: 'observed',
        says: 'an old kernel fares under new QEMU as under old QEMU',
        cases: [
          ...beside(
            { guest: ['linux-4.4', 'linux-4.6'], hypervisor: 'qemu-2.4', platform: NO_IOMMU, iommu: 'none' },
            { hypervisor: 'iommu-flag' },
          ),
          ...beside(
            { guest: ['linux-4.4', 'linux-4.6'], hypervisor: 'qemu-2.4', platform: 'pseries', iommu: 'on' },
            { hypervisor: 'iommu-flag' },
          ),
        ],
        holds: (old, now) => old !== undefined && now !== undefined && compareVerdicts(old, now) === 0,
        otherwise: 'it fares otherwise',
      },
    ],
  },
  {
    number: 13,
    said: SAID,
    claim: 'Old kernels fail cleanly on new QEMU with iommu=on.',
    parts: [
      {
        kind: 'observed',
        says: 'an old kernel’s driver is refused, and nothing else happens',
        cases: each({
          guest: ['linux-4.4', 'linux-4.6'],
          hypervisor: 'iommu-flag',
          platform: [...X86_IOMMUS, ...ARM_IOMMUS],
          iommu: ['on', 'pt', 'off'],
        }),
        holds: refuses,
        otherwise: 'it is not refused cleanly',
      },
    ],
  },
  {
    number: 14,
    said: SAID,
    claim: 'Old kernels keep failing with physical virtio devices behind an IOMMU.',
    parts: [
      {
        kind: 'observed',
        says: 'the device’s DMA comes to nothing',
        cases: each({
          guest: ['linux-4.4', 'linux-4.6'],
          hypervisor: ['physical', 'physical-no-flag'],
          platform: ['x86-vtd', 'x86-amdvi', 'arm64-smmuv3', 'pseries', 'mac99-dart', 'sparc64'],
          iommu: ['on', 'pt'],
        }),
        holds: breaks,
        otherwise: 'old kernels work where the IOMMU passes everything through',
      },
    ],
  },
  {
    number: 15,
    said: SAID,
    claim: 'Old physical devices without the flag fail cleanly if the host uses an IOMMU.',
    parts: [
      {
        kind: 'observed',
        says: 'a kernel that refuses them fails cleanly',
        cases: each({
          guest: 'iommu-flag-or-refuse',
          hypervisor: 'physical-no-flag',
          platform: ['x86-vtd', 'x86-amdvi', 'arm64-smmuv3'],
          iommu: 'on',
        }),
        holds: refuses,
        otherwise: 'it does not refuse them',
      },
      {
        kind: 'observed',
        says: 'so does one without the option to refuse',
        cases: each({
          guest: 'iommu-flag',
          hypervisor: 'physical-no-flag',
          platform: ['x86-vtd', 'x86-amdvi', 'arm64-smmuv3'],
          iommu: 'on',
        }),
        holds: refuses,
        otherwise: 'without the option it uses the DMA API for them',
      },
    ],
  },
  {
    number: 16,
    said: SAID,
    claim: 'A whitelist rescues such devices.',
    parts: [
      {
        kind: 'observed',
        says: 'one that is on the whitelist works',
        cases: each({
          guest: 'iommu-flag-or-refuse,whitelist=1af4:1001',
          hypervisor: 'physical-no-flag',
          platform: ['x86-vtd', 'x86-amdvi', 'arm64-smmuv3'],
          iommu: 'on',
        }),
        holds: works,
        otherwise: 'it does not work all the same',
      },
    ],
  },
  {
    number: 17,
    said: SAID,
    claim: 'PowerPC works as well as it did.',
    parts: [
      {
        kind: 'observed',
        says: 'new kernel, new QEMU, or both fare as the old ones did',
        cases: [
          { guest: 'iommu-flag', hypervisor: 'qemu-2.4' as const },
          { guest: 'linux-4.4', hypervisor: 'iommu-flag' as const },
          { guest: 'iommu-flag', hypervisor: 'iommu-flag' as const },
        ].flatMap((other) =>
          beside(
            {
              guest: 'linux-4.4',
              hypervisor: 'qemu-2.4',
              platform: [...POWER, 'mac99'],
              iommu: ['on', 'none'],
              device: ['virtio-blk', 'virtio-net', 'virtio-rng', 'e1000e'],
            },
            other,
          ),
        ),
        holds: (old, now) => old !== undefined && now !== undefined && compareVerdicts(now, old) <= 0,
        otherwise: 'something fares worse',
      },
    ],
  },
  {
    number: 18,
    said: SAID,
    claim: 'What becomes of arm64 is unsure.',
    parts: [
      {
        kind: 'observed',
        says: 'the proposal’s kernel works with every hypervisor that arm64 can have',
        cases: each({
          guest: 'iommu-flag',
          hypervisor: ['qemu-2.4', 'qemu', 'iommu-flag', 'physical', 'physical-no-flag'],
          platform: ['arm64', ...ARM_IOMMUS],
          iommu: ['none', 'on', 'pt'],
        }),
        holds: works,
        otherwise: 'it does not with all',
      },
    ],
    answer(seen) {
      const lost = seen.filter(({ observed }) => !observed.every(works))
      const which = [
        ...new Set(
          lost.flatMap(({ cells }) => cells.map(({ hypervisor, iommu }) => `${hypervisor} with the IOMMU ${iommu}`)),
        ),
      ]
      const all = `the proposal’s kernel works in ${seen.length - lost.length} of ${seen.length} cases on arm64`
      return which.length === 0
        ? `${all}: it is as x86`
        : `${all}; as on x86, it is lost under ${which.join(', ')}, where a device bypasses an IOMMU that is said to cover it`
    },
  },
]
