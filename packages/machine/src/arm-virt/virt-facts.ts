import type { PlacedBus } from '../build/placed-bus.ts'
import type { MemorySystemName, ProcessorTopology, QemuVersion } from '../description.ts'
import type { InboundWindow } from '../inbound/inbound-windows.ts'
import type { OpenRegion } from '../restricted/memory-filter.ts'
import type { CpuModel } from './cpu-models.ts'
import type { HighMemory } from './memory-map.ts'
import { isTypeBefore } from './type-version.ts'

/** Where an SMMU is, and who is behind it. */
export interface SmmuPlace {
  readonly base: number
  /** The first of its four shared interrupts. */
  readonly spi: number
  /** Null: all root buses that do not bypass it. */
  readonly rootBus: PlacedBus | null
}

/** The IOMMUs that the machine tells software of. */
export type VirtIommu =
  | { readonly kind: 'none' }
  /** `mapped`: the host bridge's `iommu-map` says that it is in front of all functions. */
  | { readonly kind: 'smmuv3'; readonly mapped: boolean; readonly place: SmmuPlace }
  /**
   * SMMUs on the platform bus. The tree tells of that alone which is in front of the machine's own root bus, `own`, and
   * only the IORT of the others.
   */
  | { readonly kind: 'smmuv3-devices'; readonly places: readonly SmmuPlace[]; readonly own: SmmuPlace | null }
  /** A function of the root bus, by its requester ID. */
  | { readonly kind: 'virtio-iommu'; readonly mapped: boolean; readonly requesterId: number }

/** What the device tree and the tables of a `virt` machine are made of. */
export interface VirtFacts {
  readonly qemuVersion: QemuVersion
  /** The machine type as written, where it is a versioned one. */
  readonly type: string | null
  readonly memory: number
  readonly cpus: number
  readonly maxCpus: number
  readonly topology: ProcessorTopology
  readonly cpu: CpuModel
  readonly gic: 2 | 3
  /** How message-signalled interrupts get to the GIC. */
  readonly msi: 'its' | 'gicv2m' | 'none'
  /**
   * MADT and IORT name an ITS: without one too on older releases, and on newer ones for machine types up to 6.1. A
   * kernel dies of looking for it.
   */
  readonly announcesIts: boolean
  readonly high: HighMemory
  readonly iommu: VirtIommu
  /** Windows of the host bridge for devices, then those of the buses that it is on, outwards. */
  readonly inbound: readonly (readonly InboundWindow[])[]
  /** Firmware runs first, and brings ACPI: then power events come by the generic event device, not by GPIO. */
  readonly acpi: boolean
  /** The processors have EL2, so that PSCI calls go to EL3. */
  readonly virtualization: boolean
  /** There is a secure world, with devices of its own. */
  readonly secure: boolean
  /** The tree brings seeds for the kernel's randomness. */
  readonly randomness: boolean
  /** There is an SPCR. */
  readonly spcr: boolean
  readonly commandLine: string
  /** What stands before RAM; null for nothing that software must mind. */
  readonly memorySystem: MemorySystemName | null
  /** The only memory that devices reach; null where they reach all. */
  readonly restrictedPool: OpenRegion | null
}

/** Hardware keeps the processor's caches and devices' DMA at one. */
export const isCoherent = ({ memorySystem }: VirtFacts): boolean =>
  memorySystem === null || memorySystem === 'physical-cache' || memorySystem === 'write-buffer'

/** Newer releases wire the virtual timer of EL2, where processors have one. */
export const hasVirtualEl2Timer = ({ qemuVersion, virtualization, cpu, type }: VirtFacts): boolean =>
  qemuVersion !== '7.2' && virtualization && cpu.vhe && !isTypeBefore(type, [9, 0])

/** Affinity of a processor: GICv2 numbers clusters of 8, GICv3 of 16. */
export const affinityOf = (index: number, gic: VirtFacts['gic']): number => {
  const cluster = gic === 2 ? 8 : 16
  return (Math.floor(index / cluster) << 8) | (index % cluster)
}
