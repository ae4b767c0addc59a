import type { Observed } from '../cell/cell.ts'
import type { DeviceName } from '../cell/devices.ts'
import type { PlatformName } from '../cell/platforms.ts'
import { beside, compareVerdicts, each, refuses, works } from './cases.ts'
import type { Claim, Said } from './claim.ts'

const SAID: Said = { who: 'Andy Lutomirski', when: '2015', in: 'virtio: Clean up scatterlists and use the DMA API' }

/** Hosts that differ in how memory was dealt out. */
export const XEN_HOSTS = ['x86-xen', 'x86-xen-scattered', 'x86-xen-shared'] as const satisfies readonly PlatformName[]
const VIRTIO = ['virtio-blk', 'virtio-net', 'virtio-rng'] as const satisfies readonly DeviceName[]

/** Devices of old QEMU, before kernels knew of any of this: the state of 2015. */
const BEFORE = {
  guest: 'linux-4.4',
  hypervisor: 'qemu-2.4',
  platform: XEN_HOSTS,
  iommu: 'none',
  device: VIRTIO,
} as const
/** The proposal's kernel, which does not talk to devices that do not say that they respect the IOMMU. */
const PROPOSED = { ...BEFORE, guest: 'iommu-flag-or-refuse' } as const

const corrupts = ({ verdict }: Observed): boolean => verdict === 'corrupts'
const writesTo =
  (owner: string) =>
  ({ strays }: Observed): boolean =>
    strays.some((stray) => stray.kind === 'write' && stray.landed === 'ram' && stray.owner === owner)

export const LUTOMIRSKI_2015_XEN: readonly Claim[] = [
  {
    number: 9,
    said: SAID,
    claim: 'Xen works with new QEMU, and cleanly refuses old QEMU.',
    parts: [
      {
        kind: 'observed',
        says: 'with new QEMU the devices work',
        cases: each({
          guest: ['iommu-flag', 'iommu-flag-or-refuse'],
          hypervisor: 'iommu-flag',
          platform: XEN_HOSTS,
          iommu: 'none',
          device: VIRTIO,
        }),
        holds: works,
        otherwise: 'with new QEMU some do not work',
      },
      {
        kind: 'observed',
        says: 'a kernel with the option to refuse refuses those of old QEMU',
        cases: each(PROPOSED),
        holds: refuses,
        otherwise: 'a kernel with the option to refuse takes those of old QEMU',
      },
      {
        kind: 'observed',
        says: 'so does one without the option',
        cases: each({ ...PROPOSED, guest: 'iommu-flag' }),
        holds: refuses,
        otherwise:
          'without the option it does not refuse them: it gives them the machine’s addresses, which is what they take',
      },
    ],
    leftOpen: 'a Xen that uses the machine’s IOMMU for its domains is not run',
  },
  {
    number: 10,
    said: SAID,
    claim:
      'That is worse than what his series alone gives, and better than the state before, in which the guest corrupts itself and possibly the hypervisor.',
    parts: [
      {
        kind: 'observed',
        says: 'the proposal comes out worse than the series alone',
        cases: beside(PROPOSED, { guest: 'dma-api-but-on-power' }),
        holds: (proposed, series) =>
          proposed !== undefined && series !== undefined && compareVerdicts(proposed, series) > 0,
        otherwise: 'the proposal comes out no worse than the series alone',
      },
      {
        kind: 'observed',
        says: 'it comes out better than the state before',
        cases: beside(PROPOSED, { guest: BEFORE.guest }),
        holds: (proposed, before) =>
          proposed !== undefined && before !== undefined && compareVerdicts(proposed, before) < 0,
        otherwise: 'it comes out no better than the state before',
      },
      {
        kind: 'observed',
        says: 'before, memory is corrupted',
        cases: each(BEFORE),
        holds: corrupts,
        otherwise: 'before, some devices do no more than hang: they find no ring where they look',
      },
      {
        kind: 'observed',
        says: 'some of it is the guest’s own',
        cases: [each(BEFORE).flat()],
        holds: (...seen) => seen.some(writesTo('the guest')),
        otherwise: 'none of it is the guest’s own: where its addresses lead, others have their memory',
      },
      {
        kind: 'observed',
        says: 'some of it is the hypervisor’s',
        cases: [each(BEFORE).flat()],
        holds: (...seen) => seen.some(writesTo('the hypervisor')),
        otherwise: 'none of it is the hypervisor’s',
      },
    ],
  },
]
