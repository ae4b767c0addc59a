import type { ReportAssignment } from './assignments.ts'

/** The report: one JSON document, of which text and Markdown are views. Optional parts are absent, never undefined. */
export interface Report {
  readonly schemaVersion: 1
  readonly tool: { readonly name: 'dmascope'; readonly version: string }
  readonly machine: ReportMachine
  readonly guest: { readonly profile: string; readonly booted: boolean; readonly halted?: string }
  readonly iommus: readonly ReportIommu[]
  /** What the guest found, in enumeration order. */
  readonly devices: readonly ReportDevice[]
  /** Functions of the machine that the guest never saw. */
  readonly unseen: readonly { readonly id: string; readonly model: string }[]
  /** Devices given to users' programs, in the order asked for; left out where nobody asked. */
  readonly assignments?: readonly ReportAssignment[]
  /** What came of each number of virtual functions that was asked for; left out where none was. */
  readonly virtualFunctions?: readonly {
    readonly device: string
    readonly requested: number
    readonly enabled: number
    /** What the kernel says where it does not do it. */
    readonly refused: string | null
  }[]
  readonly findings: readonly Finding[]
  readonly timeline: readonly { readonly step: number; readonly event: string }[]
}

export interface ReportMachine {
  /** The user's name for it, or the preset's; else the machine type. */
  readonly name: string
  /** QEMU's machine type, without a version: `q35`, `pc`. */
  readonly type: string
  readonly arch: 'x86_64' | 'aarch64' | 'ppc' | 'ppc64' | 'sparc64' | 'mipsel' | 's390x'
  readonly qemuVersion: string
  /** Whose rules its virtio devices and tables follow, where that is not the QEMU release. */
  readonly hypervisor?: string
  readonly source: 'preset' | 'file' | 'qemu' | 'host'
  /** The kernel's command line. */
  readonly commandLine: string
  /** Options without bearing on DMA, as they were written. */
  readonly ignored: readonly string[]
  /** PCI segments beside segment 0 of a machine that has them in no QEMU; left out where there are none. */
  readonly addedSegments?: readonly number[]
  /** Windows through which its host bridge sees memory, which no QEMU has; left out where there are none. */
  readonly addedWindows?: number
}

export interface ReportIommu {
  readonly id: string
  readonly kind: 'vtd' | 'amdvi' | 'virtio-iommu' | 'smmuv3' | 'tce' | 'ioda' | 'sun4u' | 'dart'
  /** How the guest runs it, where there is a choice: VT-d with PASID tables. */
  readonly mode?: 'scalable'
  /** Guest-physical address of its registers, hexadecimal; null for one that is reached otherwise. */
  readonly base: string | null
  readonly addressWidth: number
  readonly exposed: boolean
  readonly enabled: boolean
  readonly interruptRemapping: boolean
  readonly default: 'dma' | 'dma-fq' | 'identity' | 'none'
}

export type Status = 'translated' | 'passthrough' | 'blocked' | 'none'
export type PassthroughReason =
  | 'no-iommu'
  | 'iommu-disabled'
  | 'iommu-inert'
  | 'not-covered'
  | 'device-bypass'
  | 'identity'
  | 'unattached'
export type Verdict = 'works' | 'refused' | 'faults' | 'hangs' | 'corrupts' | 'untested'
export type FirmwareTruth = 'honest' | 'claims-covered' | 'claims-bypass' | 'silent'

export interface ReportDevice {
  /** Segment, bus, device, function: `0000:00:03.0`; of a device on no bus, as Linux names it: `a003e00.virtio_mmio`. */
  readonly id: string
  /** The user's own name for it (`id=` on QEMU's command line); null without. */
  readonly name: string | null
  readonly kind: string
  /** Four hexadecimal digits; of virtio over MMIO, the eight of its VendorID, and its device type. */
  readonly vendor: string
  readonly device: string
  readonly driver: string | null
  /** Of a function with SR-IOV: how many virtual ones there can be, and where, by routing ID from its own. */
  readonly sriov?: { readonly totalVfs: number; readonly firstVfOffset: number; readonly vfStride: number }
  /** Of a virtual function: the device that it is one of. */
  readonly physicalFunction?: string
  readonly firmware: { readonly covered: boolean; readonly by: string | null }
  readonly guest: {
    readonly iommuGroup: number | null
    readonly domain: 'dma' | 'dma-fq' | 'identity' | 'blocked' | 'unknown' | 'none'
    readonly dmaPath: 'physical' | 'direct' | 'iommu' | 'swiotlb' | 'xen' | null
    /** What says that its bus sees memory at other addresses than the processor; left out where nothing does. */
    readonly windowsBy?: string
  }
  readonly virtio?: {
    readonly offered: readonly number[]
    readonly negotiated: readonly number[]
    readonly accessPlatform: boolean
    /** The device status register, as last read. */
    readonly status: string
  }
  readonly wiring: { readonly behindIommu: boolean }
  readonly interrupt: {
    /** `wire`: a line of its own, of a device on no bus. `adapter`, `subchannel`: indicators of a device on a channel. */
    readonly mode: 'msix' | 'msi' | 'intx' | 'wire' | 'adapter' | 'subchannel' | 'none'
    readonly remapped: boolean
    readonly delivered: number
    readonly lost: number
  }
  /** Accesses of the self-test, by how they were routed; all else under `other`. */
  readonly dma: {
    readonly translated: number
    readonly untranslated: number
    readonly faulted: number
    readonly stray: number
    readonly other: { readonly firmware: number; readonly probe: number; readonly msi: number }
  }
  readonly io: {
    readonly kind: 'blk' | 'net' | 'rng' | 'console' | 'balloon' | 'synthetic' | 'none'
    readonly attempted: boolean
    readonly ok: boolean
    readonly detail: string
  }
  /** What firmware left running in it: its memory, its turns, and those in which it was kept from it. */
  readonly resident?: {
    readonly start: string
    readonly end: string
    readonly turns: number
    readonly refused: number
    readonly refusedAssigned: number
  }
  /** Reads that were out of date: its own, and the processor's of what it wrote; left out without any. */
  readonly staleReads?: readonly ReportStaleRead[]
  readonly status: Status
  /** Why its DMA was untranslated; null where it was not. */
  readonly passthrough: PassthroughReason | null
  readonly verdict: Verdict
  readonly firmwareTruth: FirmwareTruth
  readonly faults: readonly ReportFault[]
  readonly strays: readonly ReportStray[]
  readonly why: readonly Reason[]
  /** IDs of the findings about this device. */
  readonly findings: readonly string[]
}

/** Bytes that were read while newer ones were on their way, or held elsewhere. Hex pairs, at most 16. */
export interface ReportStaleRead {
  readonly reader: 'device' | 'processor'
  /** What stands between the two: a cache, the host's mapping in one that goes by virtual addresses, a buffer of writes. */
  readonly between: 'cache' | 'mapping' | 'buffer'
  readonly address: string
  readonly got: string
  readonly newest: string
  readonly count: number
}

export interface ReportFault {
  readonly address: string
  readonly reason: number
  readonly text: string
  readonly phase: 'firmware' | 'probe' | 'self-test' | 'assigned'
}

export interface ReportStray {
  readonly kind: 'read' | 'write'
  readonly busAddress: string
  /** Null where its bus has no such address. */
  readonly physical: string | null
  readonly length: number
  readonly landed: 'ram' | 'rom' | 'mmio' | 'hole'
  /** Whose the memory is, where a hypervisor has dealt it out: `the guest`, `the hypervisor`, `another domain`, `nobody`. */
  readonly owner?: string
  /** The memory had been the device's, and was taken back lately. */
  readonly takenBack?: boolean
  readonly count: number
  readonly before?: string
  readonly after?: string
}

export interface Reason {
  readonly fact: string
  readonly source: string
  readonly bytes?: string
}

export type FindingLevel = 'error' | 'warning' | 'note'

export interface Finding {
  readonly id: string
  readonly level: FindingLevel
  /** Null where it is about the whole machine. */
  readonly device: string | null
  readonly message: string
  /** What to write instead; null where nothing needs to change. */
  readonly fix: string | null
}
