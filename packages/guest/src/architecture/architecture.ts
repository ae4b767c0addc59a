import type { DtNode } from '@dmascope/devicetree'
import type { CpuBus, DmaWitness } from '@dmascope/memory/contracts'
import type { DmaPlatform } from '../dma/dma-platform.ts'
import type { AddressRange } from '../early/memory-map.ts'
import type { KernelPages } from '../early/page-allocator.ts'
import type { MessageDomain } from '../interrupts/message-domain.ts'
import type { PinInterrupts } from '../interrupts/pin-interrupts.ts'
import type { Vectors } from '../interrupts/vectors.ts'
import type { IommuSubsystem } from '../iommu/contract.ts'
import type { ConfigAccess } from '../pci/config-access.ts'
import type { PciFunction } from '../pci/pci-function.ts'
import type { PlatformDevice } from '../platform/platform-device.ts'
import type { WireInterrupts } from '../platform/wire-interrupts.ts'
import type { GuestProfile } from '../profile/guest-profile.ts'
import type { KernelCommandLine } from '../profile/kernel-command-line.ts'

/** What the boot loader left in the processor's registers. */
export interface EntryRegisters {
  /** Guest-physical address of the device tree: x0 on Arm, r3 on Power, what a1 points to on MIPS. */
  readonly deviceTree?: number
  /** Of a paravirtual Xen domain: the domain's address of start_info, to which RSI leads. */
  readonly startInfo?: number
}

/** What a kernel finds before it has memory of its own. */
interface EarlyMachine {
  /** The CPU seam as the rest of the kernel uses it: on some architectures, port I/O is memory. */
  readonly bus: CpuBus
  readonly commandLine: string
  /** Whole pages of RAM that nobody else uses, ascending. */
  readonly ram: readonly AddressRange[]
  /** Interrupt controllers, IOMMUs and PCI. A text is why the kernel stops. */
  bringUp(context: BringUp): RunningMachine | string
}

/** What bringing the machine up works with. */
export interface BringUp {
  readonly bus: CpuBus
  readonly pages: KernelPages
  readonly witness: DmaWitness
  readonly profile: GuestProfile
  readonly options: KernelCommandLine
  /** Interrupts, or empty polls, that one wait lets pass. */
  readonly patience: number
  /** Reads what IOMMUs have recorded; answers whether there was anything. For the handler of their interrupts. */
  readFaults(): boolean
  /** Where `readFaults` is to look, from now on. */
  useIommu(iommu: IommuSubsystem): void
  log(line: string): void
}

/** The machine, up to where drivers are bound. */
export interface RunningMachine {
  readonly vectors: Vectors
  readonly messages: MessageDomain
  readonly pins: PinInterrupts
  readonly config: ConfigAccess
  readonly iommu: IommuSubsystem
  /** In enumeration order, their BARs in place. */
  readonly functions: readonly PciFunction[]
  /** Devices on no bus, in the order in which firmware tells of them; none unless given. */
  readonly platform?: readonly PlatformDevice[]
  /** Their interrupts. */
  readonly wires?: WireInterrupts
  /** What direct DMA takes; nothing unless given. */
  readonly dma?: DmaPlatform
  /** Most of memory is out of devices' reach, and the kernel has virtio devices to know (`virtio_set_mem_acc_cb`). */
  readonly restrictedMemory?: boolean
  /** The kernel is that of a Xen domain (Linux's `xen_domain()`). */
  readonly xen?: boolean
  /** The device tree's nodes of functions, where it has such. */
  readonly nodes?: ReadonlyMap<PciFunction, DtNode>
}

/** The early code of one architecture's kernel. A text is why it stops. */
export type EarlyCode = (bus: CpuBus, entry: EntryRegisters, log: (line: string) => void) => EarlyMachine | string
