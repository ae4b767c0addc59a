import {
  VIRTIO_BALLOON_DEFLATEQ,
  VIRTIO_BALLOON_FEATURES,
  VIRTIO_BALLOON_INFLATEQ,
  VIRTIO_ID_BALLOON,
} from '@dmascope/virtio-devices/spec'
import {
  type FeatureBits,
  featureBits,
  hasFeature,
  VIRTIO_F_ACCESS_PLATFORM,
  withoutFeatures,
} from '@dmascope/virtio-pci/spec'
import { ANYWHERE } from '../early/page-allocator.ts'
import { awaitRequests } from '../virtio/await-requests.ts'
import { findQueues, type WantedQueue } from '../virtio/find-queues.ts'
import { ready } from '../virtio/negotiate.ts'
import type { VirtioDevice } from '../virtio/virtio-device.ts'
import type { VirtioDriver } from '../virtio/virtio-driver.ts'
import type { Virtqueue } from '../virtio/virtqueue.ts'
import { type BoundDriver, failed, type IoOutcome, passed } from './driver.ts'

const F = VIRTIO_BALLOON_FEATURES.fields
const STATS = F.VIRTIO_BALLOON_F_STATS_VQ.low
const HINT = F.VIRTIO_BALLOON_F_FREE_PAGE_HINT.low
const POISON = F.VIRTIO_BALLOON_F_PAGE_POISON.low
const REPORTING = F.VIRTIO_BALLOON_F_PAGE_REPORTING.low
const PAGE = 4096

export const VIRTIO_BALLOON: VirtioDriver = {
  name: 'virtio_balloon',
  type: VIRTIO_ID_BALLOON,
  kernelOnly: true,
  features: [
    F.VIRTIO_BALLOON_F_MUST_TELL_HOST.low,
    STATS,
    F.VIRTIO_BALLOON_F_DEFLATE_ON_OOM.low,
    HINT,
    POISON,
    REPORTING,
  ],
  validate(device: VirtioDevice, features: FeatureBits): FeatureBits {
    // It hands page frame numbers to the device, so no translation may stand between them: Linux's driver never
    // accepts bit 33, and a device that insists on it is refused.
    if (hasFeature(features, VIRTIO_F_ACCESS_PLATFORM)) {
      device.record.why('the driver does not accept VIRTIO_F_ACCESS_PLATFORM', 'virtio_balloon, validate')
    }
    // Pages are not poisoned in this kernel.
    return withoutFeatures(features, featureBits(VIRTIO_F_ACCESS_PLATFORM, POISON))
  },
  probe,
}

function probe(device: VirtioDevice): BoundDriver | string {
  const { kernel } = device
  const wanted: WantedQueue[] = [
    { name: 'inflate', interrupts: true },
    { name: 'deflate', interrupts: true },
  ]
  // Queues that were not negotiated are not there, and those behind them move up.
  if (device.has(STATS)) wanted.push({ name: 'stats', interrupts: true })
  if (device.has(HINT)) wanted.push({ name: 'free_page_vq', interrupts: false })
  if (device.has(REPORTING)) wanted.push({ name: 'reporting_vq', interrupts: true })
  const queues = findQueues(device, wanted)
  if (typeof queues === 'string') return queues
  const list = kernel.pages.allocate(1, ANYWHERE)
  if (list === null) return 'no memory for a list of pages'
  ready(device)
  return { ioKind: 'balloon', selfTest: () => selfTest(device, queues, list) }
}

/** Gives one page to the host and takes it back. */
function selfTest(device: VirtioDevice, queues: readonly Virtqueue[], list: number): IoOutcome {
  const { bus, pages } = device.kernel
  const page = pages.allocate(1, ANYWHERE)
  if (page === null) return failed('no page to give away')
  const steps = [
    ['inflate', queues[VIRTIO_BALLOON_INFLATEQ]!],
    ['deflate', queues[VIRTIO_BALLOON_DEFLATEQ]!],
  ] as const
  for (const [what, queue] of steps) {
    bus.write32(list, page / PAGE)
    const request = queue.add([{ cpu: list, length: 4, direction: 'to-device', purpose: `balloon ${what} list` }])
    if (typeof request === 'string') return failed(`${what}: ${request}`)
    queue.kick()
    const stuck = awaitRequests(device, queue, [request])
    // A page that the host may have is not the kernel's any more: it stays out.
    if (stuck !== null) return { ...stuck, detail: `${what}: ${stuck.detail}` }
  }
  pages.free(page, 1)
  return passed('gave a page to the host and took it back')
}
