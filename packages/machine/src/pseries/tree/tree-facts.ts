import type { ProcessorTopology, QemuVersion } from '../../description.ts'
import type { HostBridgePlace } from '../spec/address-map.ts'

/** A base address register, or the expansion ROM's. */
export interface BarFacts {
  /** Offset of the register in configuration space. */
  readonly offset: number
  readonly space: 'io' | 'mem32' | 'mem64'
  readonly size: number
}

/** A PCI function as its configuration space shows it at boot. */
export interface FunctionFacts {
  /** QEMU's name of the device. */
  readonly model: string
  readonly device: number
  readonly fn: number
  readonly vendorId: number
  readonly deviceId: number
  readonly revision: number
  readonly classCode: number
  /** 0 for none. */
  readonly interruptPin: number
  readonly subsystemVendorId: number
  readonly subsystemId: number
  readonly cacheLineSize: number
  readonly status: number
  readonly minGrant: number
  readonly maxLatency: number
  readonly bars: readonly BarFacts[]
  /** Messages that MSI is set to, 0 without MSI. */
  readonly msi: number
  /** Vectors of MSI-X, 0 without. */
  readonly msix: number
  /** The tree is to say that it goes past the IOMMU. */
  readonly tellsBypass: boolean
  /** It has extended configuration space. */
  readonly express: boolean
  /** What is below it, for a bridge. */
  readonly below: { readonly chassis: number; readonly bus: BusFacts } | null
}

export interface BusFacts {
  readonly number: number
  /** By device and function. */
  readonly functions: readonly FunctionFacts[]
}

export interface HostBridgeFacts {
  readonly index: number
  readonly place: HostBridgePlace
  readonly dynamicWindows: boolean
  /** Bytes of the default DMA window, and where it starts. */
  readonly dmaWindowBase: number
  readonly dmaWindowSize: number
  readonly bus: BusFacts
}

/** A virtual I/O device. */
interface VirtualIoFacts {
  readonly kind: 'vty' | 'nvram'
}

/** Which interrupt controllers the machine can be, and which one the guest asked for; `xics` until it asks. */
export interface InterruptFacts {
  readonly offered: 'xics' | 'xive' | 'dual'
  readonly chosen: 'xics' | 'xive'
}

/** All that the device tree of a pseries machine tells. */
export interface PseriesFacts {
  readonly qemuVersion: QemuVersion
  /** Bytes of RAM at boot, and with all that may be plugged in; equal without `maxmem`. */
  readonly memory: number
  readonly maxMemory: number
  readonly cpus: number
  readonly maxCpus: number
  readonly topology: ProcessorTopology
  /** QEMU's name, such as `power9`. */
  readonly cpu: string
  readonly commandLine: string
  /** In order of creation. */
  readonly hostBridges: readonly HostBridgeFacts[]
  readonly virtualIo: readonly VirtualIoFacts[]
  readonly interrupts: InterruptFacts
}
