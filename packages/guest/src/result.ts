import type { GuestAssignment } from './assign/assignment-result.ts'

/** One step of a reason: what was found, and where. */
export interface Fact {
  readonly fact: string
  /** Table and offset, register, or rule: `DMAR @0x1ffe2334 +0x40`, `virtio common configuration, device_feature`. */
  readonly source: string
  /** The bytes that it was read from, as hex pairs, where bytes there were. */
  readonly bytes?: string
}

export type DomainType = 'dma' | 'dma-fq' | 'identity' | 'blocked' | 'unknown' | 'none'

/** What a simulated kernel found, decided and managed to do. Made from the CPU seam alone. */
export interface GuestResult {
  /** Profile with its options, as given: `linux-6.12`, `always-dma-api,iova=bottom-up`. */
  readonly profile: string
  /** False where the kernel did not get as far as probing devices; `halted` says why. */
  readonly booted: boolean
  readonly halted?: string
  readonly iommus: readonly GuestIommu[]
  /** In enumeration order, virtual functions behind their physical one. */
  readonly devices: readonly GuestDevice[]
  /** What came of each number of virtual functions that was asked for; left out where none was. */
  readonly virtualFunctions?: readonly SriovOutcome[]
  /** What came of giving devices to users' programs, in the order asked for; left out where nobody asked. */
  readonly assignments?: readonly GuestAssignment[]
  /** What the kernel log would say, in our words, in order. */
  readonly timeline: readonly string[]
}

/** One write to `sriov_numvfs`. */
export interface SriovOutcome {
  readonly device: string
  readonly requested: number
  readonly enabled: number
  /** What the kernel says where it does not do it, with the error that the writer gets. */
  readonly refused: string | null
}

type IommuKind = 'vtd' | 'amdvi' | 'virtio-iommu' | 'smmuv3' | 'tce' | 'ioda' | 'sun4u' | 'dart'

export interface GuestIommu {
  /** `dmar0`, `ivhd0`, as Linux names it. */
  readonly id: string
  readonly kind: IommuKind
  /** Guest-physical address of its registers; null for one that is reached otherwise. */
  readonly base: number | null
  /** The tables named it. */
  readonly exposed: boolean
  /** The kernel turned translation on. */
  readonly enabled: boolean
  readonly interruptRemapping: boolean
  /** Default domain type of devices behind it; `none` where translation is off. */
  readonly default: 'dma' | 'dma-fq' | 'identity' | 'none'
  /** How it is run, where there is a choice: VT-d with PASID tables. */
  readonly mode?: 'scalable'
  /** Bits of address that it translates, from its capabilities. */
  readonly addressWidth: number
  readonly why: readonly Fact[]
}

export interface GuestDevice {
  /** `0000:00:03.0`; of a device on no bus, as Linux names it: `a003e00.virtio_mmio`. */
  readonly id: string
  /** How the machine knows the device, where that is not its `id`: `mmio:0xa003e00`. */
  readonly seenAs?: string
  readonly vendor: number
  readonly device: number
  readonly classCode: number
  readonly revision: number
  /** The driver that bound, Linux's name for it; null where none matched or none took it. */
  readonly driver: string | null
  /** What the firmware's tables say, as this kernel read them. */
  readonly firmware: { readonly covered: boolean; readonly by: string | null }
  readonly iommuGroup: number | null
  readonly domain: DomainType
  /** Of a physical function: how many virtual ones there can be, and where, by routing ID from its own. */
  readonly sriov?: { readonly totalVfs: number; readonly firstVfOffset: number; readonly vfStride: number }
  /** Of a virtual function: the device that it is one of. */
  readonly physicalFunction?: string
  /** How the driver came by the addresses that it gave the device; null where it gave none. */
  readonly dmaPath: 'physical' | 'direct' | 'iommu' | 'swiotlb' | 'xen' | null
  /** What says that its bus sees memory at other addresses than the processor; left out where nothing does. */
  readonly windowsBy?: string
  readonly virtio?: {
    /** Numbers of the feature bits, ascending. */
    readonly offered: readonly number[]
    readonly negotiated: readonly number[]
    readonly accessPlatform: boolean
    /** The device status register as last read. */
    readonly status: number
  }
  readonly interrupt: {
    /**
     * `wire`: an interrupt line of its own, which is no pin of PCI. `adapter`: indicators that devices share, `subchannel`:
     * those of its own, of a device on a channel.
     */
    readonly mode: 'msix' | 'msi' | 'intx' | 'wire' | 'adapter' | 'subchannel' | 'none'
    readonly remapped: boolean
    /** Interrupts that arrived for this device. */
    readonly delivered: number
    /** Requests that waited for one that never came. */
    readonly lost: number
  }
  readonly io: {
    readonly kind: 'blk' | 'net' | 'rng' | 'console' | 'balloon' | 'synthetic' | 'none'
    readonly attempted: boolean
    readonly ok: boolean
    /** The data came out wrong although the request completed. */
    readonly wrongData: boolean
    /** The machine went idle with the request still out. */
    readonly hung: boolean
    /** It hung because its driver waits for bus addresses that there are none of. */
    readonly unmapped?: true
    readonly detail: string
  }
  /** Driver or device declined, and why; null otherwise. */
  readonly refusal: string | null
  /** True where every probe waited to the end for the driver of the IOMMU that firmware puts the device behind. */
  readonly deferred?: boolean
  /** The device whose probe never ends, so that this one's never begins. */
  readonly heldBy?: string
  readonly why: readonly Fact[]
}
