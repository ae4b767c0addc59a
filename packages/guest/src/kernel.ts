import type { DtNode } from '@dmascope/devicetree'
import type { PageAllocator } from '@dmascope/dma'
import type { CpuBus, DmaWitness } from '@dmascope/memory/contracts'
import type { Architecture } from './architecture/architecture-name.ts'
import type { TrackedInterrupts } from './assign/tracked-interrupts.ts'
import type { DmaPlatform } from './dma/dma-platform.ts'
import type { MessageDomain } from './interrupts/message-domain.ts'
import type { PinInterrupts } from './interrupts/pin-interrupts.ts'
import type { Vectors } from './interrupts/vectors.ts'
import type { IommuSubsystem } from './iommu/contract.ts'
import type { ConfigAccess } from './pci/config-access.ts'
import type { PciFunction } from './pci/pci-function.ts'
import type { WireInterrupts } from './platform/wire-interrupts.ts'
import type { GuestProfile } from './profile/guest-profile.ts'
import type { KernelCommandLine } from './profile/kernel-command-line.ts'

/** What the parts of the running kernel share. */
export interface Kernel {
  readonly bus: CpuBus
  readonly architecture: Architecture
  readonly profile: GuestProfile
  readonly options: KernelCommandLine
  readonly config: ConfigAccess
  readonly pages: PageAllocator
  readonly witness: DmaWitness
  readonly dma: DmaPlatform
  /** Virtio devices must know that most of memory is out of their reach. */
  readonly restrictedMemory: boolean
  /** It runs in a Xen domain. */
  readonly xen: boolean
  readonly iommu: IommuSubsystem
  readonly vectors: Vectors
  readonly messages: MessageDomain
  readonly pins: PinInterrupts
  readonly wires: WireInterrupts
  /** Both of these, by whom they were given to. */
  readonly interrupts: TrackedInterrupts
  /** The device tree's node of a function, where it has one. */
  nodeOf(fn: PciFunction): DtNode | null
  /** Bytes that an I/O self-test moves each way. */
  readonly selfTestBytes: number
  log(line: string): void
}
