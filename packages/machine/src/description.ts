import type { Hypervisor, HypervisorName } from './hypervisor/hypervisor.ts'
import type { InboundWindow } from './inbound/inbound-windows.ts'

/** The QEMU releases whose machines are modelled. */
export type QemuVersion = '7.2' | '11.1'

/** QEMU's machine types that are modelled, without version. */
export type MachineName =
  | PcName
  | 'microvm'
  | 'virt'
  | 'pseries'
  | 'powernv9'
  | 'ppce500'
  | 'mac99'
  | 'sun4u'
  | 's390-ccw-virtio'
export type PcName = 'q35' | 'pc'
/** Machines that QEMU does not have. */
export type ForeignMachineName = 'bcm3384'

/** Where a thing was written, for error messages: an argument of a command line, or a line of a file. */
export interface SourceLocation {
  /** `argument 7 (-device)`, `machine.yaml:12:5`. */
  readonly text: string
}

/**
 * What stands between the processor of a virt machine and RAM, so that software must mind it; nothing of QEMU's.
 *
 * - `noncoherent`: a write-back data cache that devices' DMA does not look into: devices are hardware of their own
 * - `physical-cache`: the same cache, and devices that are emulated, on the same processor and so through its cache
 * - `virtual-cache`: one that knows memory by virtual addresses, and devices that are emulated by a host which has
 *   mapped the guest's memory elsewhere
 * - `virtual-cache-flushed`: the same, by a host that writes back and forgets what it held of the guest's memory
 * - `write-buffer`: writes that arrive late, unless a register is read
 */
export const MEMORY_SYSTEMS = [
  'noncoherent',
  'physical-cache',
  'virtual-cache',
  'virtual-cache-flushed',
  'write-buffer',
] as const
export type MemorySystemName = (typeof MEMORY_SYSTEMS)[number]

/** A scalar property as typed. Booleans are `on`/`off`; numbers may be decimal or hexadecimal. */
export type PropertyValue = string | number | boolean

/** Numbers of processors at each level; together they make `maxCpus`. */
export interface ProcessorTopology {
  readonly sockets: number
  /** Of a socket; left out where nothing was said of them. */
  readonly dies?: number
  /** Of a socket; left out where nothing was said of them. */
  readonly clusters?: number
  /** Of a die; left out where nothing was said of them. */
  readonly modules?: number
  readonly cores: number
  readonly threads: number
}

/** A machine to build: what a preset, a machine file or a command line comes down to. Plain data. */
export interface MachineDescription {
  readonly machine: MachineName | ForeignMachineName
  readonly qemuVersion: QemuVersion
  /** The name in the report; a preset's name, else the machine type. */
  readonly name: string
  readonly source: 'preset' | 'file' | 'qemu'
  /** Bytes of RAM. */
  readonly memory: number
  /** Bytes of RAM with all that may be plugged in later: `maxmem`. `memory` where left out. */
  readonly maxMemory?: number
  readonly cpus: number
  /** Processors with all that may be plugged in later: `maxcpus`. `cpus` where left out. */
  readonly maxCpus?: number
  /** How processors hang together; cores of one socket where left out. */
  readonly topology?: ProcessorTopology
  /** Numbers of the NUMA nodes that `-numa` makes; what the machine makes of its own where left out. */
  readonly numaNodes?: readonly number[]
  /** Processor model, as `-cpu` takes it; the machine's default where left out. */
  readonly cpu?: string
  /** QEMU's default devices (VGA, network card); false under `-nodefaults`. */
  readonly defaultDevices: boolean
  /** `-machine` properties with a bearing on DMA or interrupts, QEMU's names: `kernel-irqchip`, `default_bus_bypass_iommu`, `hpet`, `smm`, ... */
  readonly machineProperties: Readonly<Record<string, PropertyValue>>
  /** Properties of the machine's own PCI host bridge, where it is a device of QEMU's that `-global` reaches: on pseries. */
  readonly hostBridge?: Readonly<Record<string, PropertyValue>>
  /** PCI segments beside segment 0, ascending; only of a q35, and no machine of QEMU's. */
  readonly segments?: readonly SegmentDescription[]
  /** Memory that agents of the firmware go on using in devices; of a q35 or pc with an IOMMU, and nothing of QEMU's. */
  readonly firmwareRegions?: readonly FirmwareRegionDescription[]
  /** Root ports that devices are plugged into from outside, and that firmware says so of; of a q35, and nothing of QEMU's. */
  readonly externalPorts?: readonly ExternalPortDescription[]
  /** What starts the kernel; without it, a plain boot loader. `tboot`: a measured launch by Intel TXT, of a q35 with VT-d. Nothing of QEMU's. */
  readonly launch?: 'tboot'
  /** Changes to the ACPI tables that the machine would else have: what a broken or a lying firmware says. Nothing of QEMU's. */
  readonly tables?: readonly TableEditDescription[]
  /**
   * How devices of its PCI host bridge see memory: the bridge's windows, then those of the buses that the bridge is on,
   * outwards. Memory is at its own address where left out. Of a virt without IOMMU and firmware, and nothing of QEMU's.
   */
  readonly inbound?: readonly InboundBusDescription[]
  /** What firmware starts is Xen, and the guest is its first domain; of a q35 or pc, and nothing of QEMU's. */
  readonly xen?: XenDescription
  /** Properties of the machine's own virtio-mmio transports, which `-global` reaches: on virt and microvm; and on bcm3384. */
  readonly virtioTransports?: Readonly<Record<string, PropertyValue>>
  /** Only of a virt without IOMMU, ITS and firmware; nothing stands there where left out. */
  readonly memorySystem?: MemorySystemName
  /**
   * Bytes of memory that devices reach, and no other; the device tree says so (`restricted-dma-pool`). Of a virt without
   * IOMMU, firmware and memory system, and nothing of QEMU's. Devices reach all memory where left out.
   */
  readonly restrictedPool?: number
  /** Whose rules its virtio devices and tables follow, or the rules themselves; those of `qemuVersion` where left out. */
  readonly hypervisor?: HypervisorName | Hypervisor
  /** In the order in which QEMU creates them; IOMMUs (`intel-iommu`) are among them. */
  readonly devices: readonly DeviceDescription[]
  /** Kernel command line. */
  readonly append: string
  /** Options without bearing on DMA, as written, for the report. */
  readonly ignored: readonly string[]
}

/** Xen, between firmware and guest. */
export interface XenDescription {
  /** Bytes that the guest gets. */
  readonly memory: number
  /** Bytes in a row that memory is dealt out by; Xen's choice where left out. */
  readonly piece?: number
}

/** A PCI segment: a host bridge with buses from 0 on of its own. */
export interface SegmentDescription {
  /** Its number, from 1 on: `_SEG`. */
  readonly segment: number
  /** Name of its root bus, as `bus` of a device has it. */
  readonly bus: string
  /** An IOMMU of the machine's kind stands above it, one of its own. */
  readonly iommu: boolean
  readonly location: SourceLocation
}

/** One bus on the way from a device to memory, and the windows that it has for devices. */
export interface InboundBusDescription {
  readonly windows: readonly InboundWindow[]
  readonly location: SourceLocation
}

/** Memory that something which firmware left running in a device goes on using, and that tables tell of. */
export interface FirmwareRegionDescription {
  /** `id` of the device. */
  readonly device: string
  /** Bytes. */
  readonly size: number
  readonly location: SourceLocation
}

/** A root port for devices from outside: by a cable, as of Thunderbolt. */
interface ExternalPortDescription {
  /** `id` of the port. */
  readonly device: string
  readonly location: SourceLocation
}

/** A change to an ACPI table, byte for byte. Those to one table are made in their order. */
export interface TableEditDescription {
  /** Its signature: `DMAR`. */
  readonly table: string
  /** Which of several with that signature, from 0. */
  readonly index: number
  /** The whole table, in place of the machine's own, or beside them where there is none. */
  readonly replacement?: Uint8Array
  readonly patches: readonly { readonly offset: number; readonly bytes: Uint8Array }[]
  /** `mend`: firmware computes the checksum over what it then is. `keep`: it stands as it was, or as the file has it. */
  readonly checksum: 'mend' | 'keep'
  readonly location: SourceLocation
}

/** One device. `model` and `properties` bear QEMU's names; a backend is resolved to plain data beside it. */
export interface DeviceDescription {
  readonly model: string
  readonly id?: string
  /** Identifier of the bus: `pcie.0`, `pci.0`, or the id of a bridge. */
  readonly bus?: string
  readonly addr?: { readonly device: number; readonly function: number }
  readonly properties: Readonly<Record<string, PropertyValue>>
  readonly backend?: DeviceBackend
  readonly location: SourceLocation
}

/** What stands behind a device. vhost back ends do the device's work elsewhere, but through the same wiring. */
export interface DeviceBackend {
  readonly kind: 'disk' | 'network' | 'random' | 'character' | 'vfio'
  /** `qemu`: in the VMM. `vhost`: in the host's kernel. `vhost-user`: in another process. */
  readonly where: 'qemu' | 'vhost' | 'vhost-user'
  /** Bytes, for a disk. */
  readonly size?: number
  readonly readOnly?: boolean
}
