import { VIRTIO_STATUS_ACKNOWLEDGE } from '@dmascope/virtio-pci/spec'
import type { DeviceRecord } from '../device-record.ts'
import type { Kernel } from '../kernel.ts'
import { enableDevice, setMaster } from '../pci/pci-function.ts'
import { findLegacyTransport } from './legacy-transport.ts'
import { findModernTransport } from './modern-transport.ts'
import { VirtioDevice } from './virtio-device.ts'
import { siteOnPci } from './virtio-site.ts'

/**
 * What Linux's `virtio-pci` does with a function: enables it, tries the modern interface and then the legacy one, makes
 * it a bus master, resets the device and acknowledges it.
 *
 * @param index - how many virtio devices were found before
 * @returns why there is no virtio device, where there is none
 */
export function probeVirtioPci(kernel: Kernel, record: DeviceRecord, index: number): VirtioDevice | string {
  const { bus, config } = kernel
  const { fn } = record
  enableDevice(config, fn)
  const modern = findModernTransport(bus, config, fn)
  const transport = modern === 'legacy' ? findLegacyTransport(bus, fn) : modern
  if ('refusal' in transport) return transport.refusal
  record.why(`virtio device type ${transport.type}, ${transport.kind} interface`, transport.featureSource)
  setMaster(config, fn)
  if (!transport.reset()) return 'the device does not finish its reset'
  const device = new VirtioDevice(kernel, siteOnPci(kernel, record), record, transport, index)
  device.addStatus(VIRTIO_STATUS_ACKNOWLEDGE)
  return device
}
