import { hexPair } from '@dmascope/layout'
import type { DmaPhase } from '@dmascope/memory'
import type { DeviceDescription } from '../description.ts'
import type { ResidentEngine } from '../firmware-regions/resident-engine.ts'
import type { IommuFault } from '../iommu/machine-iommu.ts'
import type { DeviceObservation } from '../observation.ts'
import type { FabricPort } from './fabric-port.ts'
import type { DeviceLedger } from './ledger.ts'

/** Faults that are kept per device. */
export const KEPT_FAULTS = 32

export const observedFault = (
  { access, hi, lo, reason, text }: IommuFault,
  phase: DmaPhase,
): DeviceObservation['faults'][number] => ({
  address: `0x${hexPair(hi, lo).replace(/^0+(?=.)/, '')}`,
  reason,
  text: `${access}: ${text}`,
  phase,
})

/** What is kept of any device that is plugged in. */
export interface WatchedDevice {
  readonly model: string
  readonly described: DeviceDescription | null
  readonly port: FabricPort
  readonly ledger: DeviceLedger
  readonly faults: DeviceObservation['faults']
  readonly resident?: ResidentEngine | null
}

/** What was seen of a device. Copies: later DMA does not change them. */
export const observationOf = (
  id: string,
  { model, described, port, ledger, faults, resident }: WatchedDevice,
): DeviceObservation => ({
  id,
  model,
  deviceId: described?.id ?? null,
  behindIommu: port.behindIommu,
  dma: {
    firmware: { ...ledger.counts.firmware },
    probe: { ...ledger.counts.probe },
    'self-test': { ...ledger.counts['self-test'] },
    ...(ledger.counts.assigned.reads + ledger.counts.assigned.writes + ledger.counts.assigned.faulted > 0 && {
      assigned: { ...ledger.counts.assigned },
    }),
  },
  msi: ledger.msi,
  strays: [...ledger.strays],
  strayCount: ledger.strayCount,
  faults: [...faults],
  described:
    described === null
      ? null
      : { location: described.location.text, model: described.model, properties: described.properties },
  // What few have comes last: a literal that goes on behind a spread is made anew, field by field.
  ...(ledger.closed.probe + ledger.closed['self-test'] > 0 && {
    closed: ledger.closed.probe + ledger.closed['self-test'],
    ...(ledger.closedAs !== null && { closedAs: ledger.closedAs }),
  }),
  ...(ledger.staleReads.length > 0 && { staleReads: [...ledger.staleReads] }),
  ...(resident && { resident: resident.observe() }),
})
