import { VIRTIO_CCW_CU_TYPE } from '@dmascope/virtio-ccw/spec'
import { VIRTIO_STATUS_ACKNOWLEDGE } from '@dmascope/virtio-pci/spec'
import type { Kernel } from '../kernel.ts'
import type { PlatformRecord } from '../platform/platform-record.ts'
import type { ChannelSite } from '../s390x/channel-site.ts'
import { CcwTransport, chooseRevision } from './ccw-transport.ts'
import { VirtioDevice } from './virtio-device.ts'
import { siteOnPlatform } from './virtio-site.ts'

/**
 * What Linux's `virtio_ccw_online` does with a device: chooses a revision, and acknowledges it.
 *
 * @param index - how many virtio devices were found before
 * @returns why there is no virtio device, where there is none
 */
export function probeVirtioCcw(
  kernel: Kernel,
  record: PlatformRecord,
  site: ChannelSite,
  index: number,
): VirtioDevice | string {
  const { source } = record.device
  record.identity = { vendor: VIRTIO_CCW_CU_TYPE, device: site.cuModel }
  record.why(`channel programs at 0x${site.area.cpu.toString(16)}, below 2 GiB, by absolute addresses`, source)
  const revision = chooseRevision(kernel.bus, site)
  if (revision === null) return 'it takes no revision of virtio-ccw that this kernel knows'
  const transport = new CcwTransport(kernel.bus, site, revision, record.id)
  record.why(`virtio device type ${site.cuModel}, revision ${revision}`, 'SENSE ID, SET_VIRTIO_REV')
  transport.reset()
  const device = new VirtioDevice(kernel, siteOnPlatform(kernel, record), record, transport, index)
  device.addStatus(VIRTIO_STATUS_ACKNOWLEDGE)
  return device
}
