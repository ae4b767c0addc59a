import type { DeviceBackend, QemuVersion } from '../description.ts'
import type { PropertySpec } from './property.ts'

/**
 * What a model is to the machine builder and to the report. `none`: a device that is not on PCI and masters no memory
 * of its own (a USB keyboard, a disk on a controller's bus): accepted, and not built.
 */
export type ModelKind =
  | 'virtio-blk'
  | 'virtio-net'
  | 'virtio-rng'
  | 'virtio-console'
  | 'virtio-balloon'
  | 'virtio-scsi'
  | 'virtio-gpu'
  | 'virtio-input'
  | 'virtio-9p'
  | 'virtio-fs'
  | 'virtio-vsock'
  | 'virtio-crypto'
  | 'virtio-mem'
  | 'virtio-pmem'
  | 'virtio-sound'
  | 'virtio-i2c'
  | 'virtio-gpio'
  | 'virtio-scmi'
  | 'virtio-rtc'
  | 'virtio-other'
  | 'virtio-transport'
  | 'serial-port'
  | 'intel-iommu'
  | 'amd-iommu'
  | 'amd-iommu-function'
  | 'arm-smmuv3'
  | 'virtio-iommu'
  | 'root-port'
  | 'upstream-port'
  | 'downstream-port'
  | 'bridge'
  | 'host-bridge'
  | 'pci-host'
  | 'network'
  | 'nvme'
  | 'ahci'
  | 'scsi'
  | 'usb'
  | 'display'
  | 'sound'
  | 'sdhci'
  | 'serial'
  | 'watchdog'
  | 'shared-memory'
  | 'test'
  | 'probe'
  | 'vfio'
  | 'none'

/** One base address register. A 64-bit memory BAR takes `index` and `index + 1`. */
export interface BarModel {
  readonly index: 0 | 1 | 2 | 3 | 4 | 5
  readonly kind: 'io' | 'mem32' | 'mem64'
  readonly prefetchable: boolean
  /** Bytes; a power of two. */
  readonly size: number
}

/** One capability. Extended ones live at 0x100 and above, and only where the function has 4096 bytes of configuration. */
export interface CapabilityModel {
  /** PCI-SIG's capability ID, e.g. 0x11 for MSI-X; for extended ones e.g. 0x0001 for AER. */
  readonly id: number
  readonly offset: number
  readonly extended: boolean
}

/**
 * What a function is. `either` follows the bus: on a conventional one it has neither the PCI Express capability (0x10)
 * nor extended ones (see `capabilitiesOn`).
 */
export type BusNature = 'express' | 'conventional' | 'either'

/** A function's configuration space as QEMU makes it, before firmware. */
export interface PciModel {
  readonly vendorId: number
  readonly deviceId: number
  /** 24 bits: class, subclass, programming interface. */
  readonly classCode: number
  readonly revision: number
  readonly subsystemVendorId: number
  readonly subsystemId: number
  readonly headerType: 0 | 1
  /** 0 none, 1 INTA to 4 INTD. */
  readonly interruptPin: 0 | 1 | 2 | 3 | 4
  readonly nature: BusNature
  /** 4096 where the function has extended configuration space wherever it is plugged in, else 256. */
  readonly configSize: 256 | 4096
  readonly bars: readonly BarModel[]
  /** In the order in which software walks the chain: the standard list, then the extended one. */
  readonly capabilities: readonly CapabilityModel[]
  /** Entries of the MSI-X table, and the BAR that holds it; 0 without MSI-X. */
  readonly msixVectors: number
  readonly msixBar: number
  /** Messages that MSI can send; 0 without MSI. */
  readonly msiVectors: number
  /** Bytes of the option ROM that QEMU loads by default; 0 without. `romSize` of this package takes properties into account. */
  readonly romSize: number
  /** Address bits that the device can drive as a bus master. */
  readonly dmaBits: number
}

/** A virtio device reached over PCI. Its configuration space follows from properties: see `@dmascope/virtio-pci`. */
export interface VirtioModel {
  /** Virtio device type, e.g. 2 for a block device (virtio 1.3 §5). */
  readonly type: number
  /** Device ID in the range 0x1000 to 0x103f where a transitional device exists, else null: modern only. */
  readonly transitionalDeviceId: number | null
  readonly classCode: number
  /** Bytes of device-specific configuration that QEMU offers. */
  readonly configSize: number
  /** MSI-X vectors by QEMU version, with one CPU and one queue pair; 0 without MSI-X. */
  readonly vectors: Readonly<Record<QemuVersion, number>>
  /** Number of queues that QEMU offers by default. */
  readonly queues: number
  readonly romSize: number
  /** Forced by the model's name: `-transitional` or `-non-transitional`. */
  readonly mode: 'any' | 'transitional' | 'non-transitional'
  /** BARs that the device has besides virtio's own (`virtio-vga`). */
  readonly extraBars: readonly BarModel[]
  readonly modernBar: 2 | 4
  readonly msixBar: 1 | 4
}

/** A virtio device without a transport of its own: it goes on the bus of one, such as virtio-mmio's. */
export interface VirtioBusModel {
  /** Virtio device type, e.g. 2 for a block device (virtio 1.3 §5). */
  readonly type: number
  /** Bytes of device-specific configuration that QEMU offers. */
  readonly configSize: number
  /** Number of queues that QEMU offers by default. */
  readonly queues: number
}

/** What a port or bridge does with what is plugged in below it. */
export interface BridgeModel {
  /** Names of the buses that it makes: the device's id, followed by these suffixes. QEMU names most after the id alone. */
  readonly secondary: 'express' | 'conventional'
  /** Device numbers that may be used below it: a PCI Express port has one. */
  readonly slots: number
  /** ACS (0x000d) with source validation, request and completion redirect, upstream forwarding. */
  readonly acs: boolean
}

/** Where QEMU lets a model be plugged in. Ports and bridges may stand anywhere, whether that makes sense or not. */
export type PlugRule =
  /** On a root bus only. */
  | 'root'
  /** On any PCI bus. */
  | 'any'
  /** Not on a bus: IOMMUs that are platform devices. */
  | 'platform'
  /** On the bus of one of the machine's virtio transports: `virtio-mmio-bus.0`. */
  | 'virtio-bus'
  /** At the end of a subchannel of its own, on machines that have such. */
  | 'channel'
  /** Nowhere: the machine brings it, and `-global` alone reaches its properties. */
  | 'built-in'
  /** On a bus that is not PCI: `usb-bus.0`, `ide.0`, `scsi0.0`, `virtio-serial0.0`. */
  | 'not-pci'

/** The property that names a backend, and what becomes of a device without one. */
export interface BackendModel {
  readonly property: string
  /** Option that defines such a backend: `-drive` or `-blockdev`, `-netdev`, ... */
  readonly option: 'drive' | 'netdev' | 'chardev' | 'object' | 'fsdev' | 'audiodev'
  readonly kind: DeviceBackend['kind'] | null
  /** QEMU's words where the property is missing; null where the device does without. */
  readonly missing: string | null
}

/** One of QEMU's device models. Plain data. */
export interface DeviceModel {
  /** QEMU's name, as `-device` takes it. */
  readonly name: string
  /** Other names that `-device` takes for it on x86. */
  readonly aliases: readonly string[]
  readonly kind: ModelKind
  /** QEMU releases that have it. */
  readonly versions: readonly QemuVersion[]
  /** Names by which `-global` can reach it besides its own: the types that it derives from or contains. */
  readonly parents: readonly string[]
  /** Whether it can master memory. `dmascope` gives only such devices a self-test. */
  readonly dma: boolean
  readonly plug: PlugRule
  readonly pci: PciModel | null
  readonly virtio: VirtioModel | null
  readonly virtioBus: VirtioBusModel | null
  readonly bridge: BridgeModel | null
  readonly backends: readonly BackendModel[]
  /** The work is done outside of the VMM: `vhost-*` models; else null, and the backend decides. */
  readonly where: DeviceBackend['where'] | null
  /** Properties by name, with QEMU's spelling. */
  readonly properties: Readonly<Record<string, PropertySpec>>
  /** Properties without which QEMU refuses the device, with its words. */
  readonly required: Readonly<Record<string, string>>
}
