import type { HypervisorName } from '@dmascope/machine'
import type { Report, ReportAssignedDevice, ReportDevice } from '@dmascope/report'
import type { DeviceName } from './devices.ts'
import type { IommuState, PlatformName } from './platforms.ts'

/** One machine with one guest and one device in question. */
export interface Cell {
  /** As `parseGuest` takes it. */
  readonly guest: string
  readonly hypervisor: HypervisorName
  readonly platform: PlatformName
  readonly iommu: IommuState
  readonly device: DeviceName
}

/** What was observed of the device in question, and nothing of how it came about. */
export interface Observed extends Pick<ReportDevice, 'status' | 'verdict' | 'dma' | 'io' | 'faults' | 'strays'> {
  /** The guest was to give it to a user's program: how it fared there, or `refused` by the kernel. Null where it was not. */
  readonly assigned: Pick<ReportAssignedDevice, 'io' | 'dma' | 'reach'> | 'refused' | null
}

/** A cell that was booted. */
export interface BootedCell {
  readonly report: Report
  /** The device in question; null where the guest never found it. */
  readonly device: ReportDevice | null
}

/** A cell's outcome, as a line of JSON holds it. */
export interface CellResult extends Cell {
  readonly cell: string
  /** Why there is no such machine; the rest is left out then. */
  readonly impossible?: string
  readonly status?: ReportDevice['status']
  readonly passthrough?: ReportDevice['passthrough']
  readonly verdict?: ReportDevice['verdict']
  readonly firmwareTruth?: ReportDevice['firmwareTruth']
  readonly dmaPath?: ReportDevice['guest']['dmaPath']
  readonly dma?: {
    readonly translated: number
    readonly untranslated: number
    readonly faulted: number
    readonly stray: number
  }
  readonly io?: string
  readonly findings?: readonly string[]
}

/** `linux-6.12/qemu/x86-vtd/on/virtio-blk`. */
export const cellKey = ({ guest, hypervisor, platform, iommu, device }: Cell): string =>
  [guest, hypervisor, platform, iommu, device].join('/')
