import type { PageAllocator } from '@dmascope/dma'
import type { CpuBus, DmaWitness } from '@dmascope/memory/contracts'
import type { GuestProfile } from '../profile/guest-profile.ts'
import type { KernelCommandLine } from '../profile/kernel-command-line.ts'
import type { DmarSource } from './dmar-units.ts'

/** What the IOMMU code is given by the rest of the kernel. */
export interface IommuSubsystemOptions {
  readonly bus: CpuBus
  /** The DMAR that discovery found; null where there is none. */
  readonly tables: DmarSource | null
  readonly pages: PageAllocator
  readonly witness: DmaWitness
  readonly profile: GuestProfile
  readonly options: KernelCommandLine
  readonly log: (line: string) => void
  /** IDs of the I/O APICs that the MADT names. Remapping stays off where a DMAR leaves one out. */
  readonly ioApicIds?: readonly number[]
  /** Memory windows of the host bridges, [start, end): devices' BARs are there, so that no IOVA may be. */
  readonly hostBridgeWindows?: readonly { readonly start: number; readonly end: number }[]
  /** RAM, [start, end): what an identity domain maps on hardware that cannot pass through. Default: below 4 GiB. */
  readonly ram?: readonly { readonly start: number; readonly end: number }[]
  /** Vector for the units' fault events; without it they stay masked, and only `readFaults` tells. */
  readonly faultVector?: number
}
