import type { DmaOps, IommuDomain } from '@dmascope/dma'
import type { DomainType, Fact, GuestIommu } from '../result.ts'
import type { GroupDomain } from './attached-domain.ts'
import type { DeviceRegion } from './device-region.ts'
import type { RequestIommu } from './pci-iommu.ts'

/** Any device, as logs and the witness name it. */
export interface NamedDevice {
  /** `0000:00:03.0`. */
  readonly id: string
}

/** A device on no bus that firmware puts behind an IOMMU. */
export interface PlatformMaster extends NamedDevice {
  /** As the witness knows it. */
  readonly owner: string
  /** Where firmware tells of the IOMMU, as its driver has it: `/smmuv3@9050000`. */
  readonly iommu: string
  /** The device's IDs there: of an SMMU, streams. */
  readonly ids: readonly number[]
}

/** What the IOMMU's driver made of it. */
export interface PlatformDomain {
  readonly group: number
  readonly type: DomainType
  dmaOps(maskBits: number): DmaOps
  why(): readonly Fact[]
}

/** Configuration space offsets of capabilities, by ID: of several with one ID, the first one's. */
export interface CapabilityOffsets {
  get(id: number): number | undefined
  has(id: number): boolean
}

/** A PCI function as enumeration found it. */
export interface PciDevice extends NamedDevice {
  readonly segment: number
  readonly bus: number
  readonly device: number
  readonly function: number
  readonly vendorId: number
  readonly deviceId: number
  readonly classCode: number
  readonly revision: number
  readonly subsystemVendorId: number
  readonly subsystemId: number
  /** Header type register, bit 7 included. */
  readonly headerType: number
  /** The bridge above; null on a root bus. */
  readonly parent: PciDevice | null
  /** Of a virtual function: the function that it is one of. */
  readonly physical?: PciDevice
  /** PCI Express capability's device/port type (PCIe 6.0 §7.5.3.2); null for a conventional function. */
  readonly pcieType: number | null
  /** Access Control Services: capability and control registers; null without the capability. */
  readonly acs: { readonly capability: number; readonly control: number } | null
  readonly capabilities: CapabilityOffsets
  readonly extendedCapabilities: CapabilityOffsets
}

/** A fault as a unit recorded it. */
export interface RecordedFault {
  /** The requester, `0000:00:03.0`; empty where the record that named it was lost. */
  readonly source: string
  /** Page of the DMA; of a blocked interrupt, its index. */
  readonly address: number
  /** The unit's reason code; for VT-d, FRCD.FR. */
  readonly reason: number
  readonly unit: string
  /** Where the unit keeps its records, as its manual calls it. */
  readonly recordedIn: string
  readonly access: 'read' | 'write' | 'interrupt' | 'unknown'
  readonly text: string
}

/** A message that makes an interrupt controller, or the IOMMU, raise a vector. */
export interface MsiMessage {
  readonly hi: number
  readonly lo: number
  readonly data: number
  /** It is an index for the IOMMU, which makes the interrupt of it. */
  readonly remapped?: boolean
}

/**
 * What the IOMMU code offers to VFIO: groups taken from the DMA API and given back. Attaching answers why not, where it
 * cannot.
 */
export interface GroupOwnership {
  /** By which of VFIO's drivers users map memory: `type1` unless given. */
  readonly api?: 'type1' | 'spapr'
  /** In the order in which they came into the group. */
  members(group: number): readonly PciDevice[]
  /** Ascending. */
  regions(device: PciDevice): readonly DeviceRegion[]
  /** A driver of the IOMMU that will have no domain of a user's for this device, and how it says so. */
  ineligible?(device: PciDevice): string | null
  /** One past the last address of such domains as VFIO is told, where their tables reach less far; 2^53 for no end. */
  readonly geometryEnd?: number
  /** An empty domain for the group, whose unmaps are invalidated at once; null where memory or IDs ran out. */
  createDomain(group: number): IommuDomain | null
  /** Puts every device of the group into this domain; with null, back into its default domain. */
  attach(group: number, domain: GroupDomain | null): string | null
}

/** The kernel's IOMMU and interrupt-remapping code, to the rest of the kernel. Called in this order. */
export interface IommuSubsystem {
  /** Reads the tables and turns interrupt remapping on: Linux does this with the APICs, before PCI is enumerated. */
  enableInterruptRemapping(): boolean
  /** An IOAPIC redirection entry, in remappable form where remapping is on. */
  ioapicEntry(
    ioapicId: number,
    pin: number,
    vector: number,
    level: boolean,
  ): { readonly lo: number; readonly hi: number }
  /** Sets up translation, then groups and default domains for these devices, which stand in bus order. */
  attachDevices(devices: readonly PciDevice[]): void
  /** A function has come since: a virtual one. It stands where it was found; kinds with nothing to do leave it out. */
  addDevice?(device: PciDevice): void
  /**
   * A driver matches the device and is about to probe it, for the first time or again. Kinds whose drivers look at
   * devices only then make its group here. `deferred`: the IOMMU that the tables put it behind has no driver yet, so
   * that the probe must wait.
   */
  configure(device: PciDevice): 'ready' | 'deferred'
  /**
   * The same for a device on no bus. Null where it gets no domain. Kinds that firmware names in front of PCI alone leave
   * it out.
   */
  configurePlatform?(device: PlatformMaster): PlatformDomain | null
  /** The driver of an IOMMU that is a function on PCI has it running. Kinds that know of none let it be. */
  register(unit: RequestIommu): void
  readonly iommus: readonly GuestIommu[]
  /** What the tables say of a device. */
  coverage(device: PciDevice): { readonly covered: boolean; readonly by: string | null }
  group(device: PciDevice): number | null
  domainType(device: PciDevice): DomainType
  domain(device: PciDevice): IommuDomain | null
  /** A driver has taken the device, and said how many address bits it drives. Kinds that do not care leave it out. */
  setDmaMask?(device: PciDevice, maskBits: number): void
  /** The DMA API of a device with this many address bits. */
  dmaOps(device: PciDevice, maskBits: number): DmaOps
  /** A message for the device's interrupt `vector`; null where the device has no MSI domain, so that it must use INTx. */
  msiMessage(device: PciDevice, index: number, vector: number): MsiMessage | null
  /**
   * The bus address at which the device reaches the doorbell of an interrupt controller, for kinds that translate messages
   * like any other write. Null where there is no room to map it.
   *
   * @param maskBits - address bits of the device; 64 unless given
   */
  doorbell?(device: PciDevice, physical: number, maskBits?: number): number | null
  readonly interruptRemapping: boolean
  /** Takes groups from the DMA API, for VFIO. Null or left out where no group can be. */
  readonly ownership?: GroupOwnership | null
  /** Faults that the units recorded since the last call, decoded. */
  readFaults(): readonly RecordedFault[]
  /**
   * The tables name an IOMMU and the command line lets it be used: the kernel then enables, as it enumerates, each of
   * Source Validation, P2P Request Redirect, P2P Completion Redirect and Upstream Forwarding that a function's ACS
   * capability offers. Known from the start.
   */
  readonly acsRequested: boolean
  /** What the flush queues' timer does: invalidates what was unmapped lazily. An idle kernel gets here in 10 ms. */
  flushQueues(): void
  /** What a kernel would panic with: hardware that does not answer. Null where all is well. */
  readonly panic: string | null
  why(device: PciDevice): readonly Fact[]
}
