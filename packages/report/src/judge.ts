import type { GuestDevice, GuestResult } from '@dmascope/guest'
import type { DeviceObservation } from '@dmascope/machine'
import type { FirmwareTruth, PassthroughReason, Status, Verdict } from './report.ts'

/** The two accounts of one device: what the guest believes and did, and what the machine saw. */
export interface Accounts {
  readonly guest: GuestResult
  readonly device: GuestDevice
  readonly seen: DeviceObservation
}

/** What the device's DMA did. A device that never came to its self-test is judged by its driver's probe. */
export function statusOf(seen: DeviceObservation): Status {
  const { 'self-test': tested, probe } = seen.dma
  const counts = tested.translated + tested.untranslated + tested.faulted > 0 ? tested : probe
  if (counts.untranslated > 0) return 'passthrough'
  if (counts.translated > 0) return 'translated'
  return counts.faulted > 0 ? 'blocked' : 'none'
}

/** Why DMA that was seen to be untranslated was so: the first of the conditions for translation that does not hold. */
export function passthroughReason({ guest, device, seen }: Accounts): PassthroughReason {
  if (guest.iommus.length === 0) return seen.behindIommu ? 'iommu-disabled' : 'no-iommu'
  if (!guest.iommus.some((iommu) => iommu.enabled)) return 'iommu-disabled'
  if (!device.firmware.covered) return 'not-covered'
  if (!seen.behindIommu) return 'device-bypass'
  if (device.domain === 'none') return 'unattached'
  // Where sysfs knows no domain, the path tells: past the tables, which is a window that lets addresses through.
  if (device.domain === 'unknown' && device.dmaPath === 'direct') return 'identity'
  return device.domain === 'identity' ? 'identity' : 'iommu-inert'
}

export function verdictOf({ device, seen }: Accounts): Verdict {
  const overwrote = seen.strays.some((stray) => stray.kind === 'write' && stray.landed === 'ram')
  if (overwrote || device.io.wrongData) return 'corrupts'
  if (device.refusal !== null) return 'refused'
  if (!device.io.attempted) return 'untested'
  if (device.io.ok) return 'works'
  if (seen.faults.some((fault) => fault.phase === 'probe' || fault.phase === 'self-test')) return 'faults'
  return device.io.hung ? 'hangs' : 'refused'
}

/** Whether the firmware's tables and the wiring agree. Without a table that names an IOMMU, firmware says nothing. */
export function firmwareTruthOf({ guest, device, seen }: Accounts): FirmwareTruth {
  if (guest.iommus.length === 0) return seen.behindIommu ? 'claims-bypass' : 'silent'
  if (device.firmware.covered === seen.behindIommu) return 'honest'
  return device.firmware.covered ? 'claims-covered' : 'claims-bypass'
}
