import type { BarOptions } from './bar.ts'
import type { RequesterNaming } from './bus.ts'
import { PCI_CLASS_BRIDGE_PCI, PCI_CLASS_BRIDGE_PCI_SUBTRACTIVE } from './spec/class-code.ts'
import { PCIE_DOWNSTREAM_PORT, PCIE_ROOT_PORT, PCIE_TO_PCI_BRIDGE, PCIE_UPSTREAM_PORT } from './spec/express.ts'

/** A capability of a bridge, and where it stands. */
export type BridgeCapability =
  | { readonly kind: 'subsystem'; readonly offset: number; readonly vendorId: number; readonly id: number }
  /** The table is in BAR 0. */
  | { readonly kind: 'msix'; readonly offset: number; readonly vectors: number }
  | {
      readonly kind: 'msi'
      readonly offset: number
      readonly vectors: number
      readonly address64: boolean
      readonly perVectorMasking: boolean
    }
  | {
      readonly kind: 'express'
      readonly offset: number
      /** Device/Port Type. */
      readonly type: number
      readonly linkSpeed: number
      readonly linkWidth: number
    }
  | { readonly kind: 'power-management' | 'hot-plug' | 'slot-id' | 'aer' | 'acs'; readonly offset: number }

/** What distinguishes one make of bridge from another: IDs, what it leads to, and its capabilities. */
export interface BridgeModel {
  readonly vendorId: number
  readonly deviceId: number
  readonly revisionId: number
  readonly classCode: number
  readonly interruptPin: 0 | 1
  readonly size: 256 | 4096
  readonly bars: readonly BarOptions[]
  /** A link with one device at its end, the bus inside a switch, or a conventional bus. */
  readonly secondary: 'express-link' | 'express-switch' | 'conventional'
  readonly requesterNaming: RequesterNaming
  /** Its I/O window has 32 address bits; 16 unless given. */
  readonly wideIo?: boolean
  /** In the order in which they are linked: the last stands first in the chain. */
  readonly capabilities: readonly BridgeCapability[]
}

const EXPRESS_PORT = {
  classCode: PCI_CLASS_BRIDGE_PCI,
  size: 4096,
  bars: [],
  secondary: 'express-link',
  requesterNaming: 'own-ids',
} as const

/** QEMU's `pcie-root-port`. */
export const GENERIC_ROOT_PORT: BridgeModel = {
  ...EXPRESS_PORT,
  vendorId: 0x1b36,
  deviceId: 0x000c,
  revisionId: 0,
  interruptPin: 1,
  bars: [{ bar: 0, kind: 'memory32', size: 0x1000 }],
  capabilities: [
    { kind: 'subsystem', offset: 0x40, vendorId: 0x1b36, id: 0 },
    { kind: 'msix', offset: 0x48, vectors: 1 },
    { kind: 'express', offset: 0x54, type: PCIE_ROOT_PORT, linkSpeed: 4, linkWidth: 32 },
    { kind: 'aer', offset: 0x100 },
    { kind: 'acs', offset: 0x148 },
  ],
}

/** Intel's X58 root port, QEMU's `ioh3420`. It has no ACS. */
export const IOH3420_ROOT_PORT: BridgeModel = {
  ...EXPRESS_PORT,
  vendorId: 0x8086,
  deviceId: 0x3420,
  revisionId: 2,
  interruptPin: 1,
  capabilities: [
    { kind: 'subsystem', offset: 0x40, vendorId: 0x8086, id: 0 },
    { kind: 'msi', offset: 0x60, vectors: 2, address64: false, perVectorMasking: true },
    { kind: 'express', offset: 0x90, type: PCIE_ROOT_PORT, linkSpeed: 1, linkWidth: 1 },
    { kind: 'aer', offset: 0x100 },
  ],
}

/** The port on the bus of IBM's PHB4, QEMU's `pnv-phb-root-port`. It has no ACS, and no interrupts. */
export const PHB4_ROOT_PORT: BridgeModel = {
  ...EXPRESS_PORT,
  vendorId: 0x1014,
  deviceId: 0x04c1,
  revisionId: 0,
  interruptPin: 0,
  capabilities: [
    { kind: 'express', offset: 0x48, type: PCIE_ROOT_PORT, linkSpeed: 4, linkWidth: 16 },
    { kind: 'aer', offset: 0x100 },
  ],
}

/** Texas Instruments' XIO3130 switch, upstream side: QEMU's `x3130-upstream`. */
export const X3130_UPSTREAM_PORT: BridgeModel = {
  ...EXPRESS_PORT,
  vendorId: 0x104c,
  deviceId: 0x8232,
  revisionId: 2,
  interruptPin: 0,
  secondary: 'express-switch',
  capabilities: [
    { kind: 'msi', offset: 0x70, vectors: 1, address64: true, perVectorMasking: false },
    { kind: 'subsystem', offset: 0x80, vendorId: 0, id: 0 },
    { kind: 'express', offset: 0x90, type: PCIE_UPSTREAM_PORT, linkSpeed: 1, linkWidth: 1 },
    { kind: 'aer', offset: 0x100 },
  ],
}

/** Its downstream side: QEMU's `xio3130-downstream`. It has no ACS. */
export const XIO3130_DOWNSTREAM_PORT: BridgeModel = {
  ...X3130_UPSTREAM_PORT,
  deviceId: 0x8233,
  revisionId: 1,
  secondary: 'express-link',
  capabilities: X3130_UPSTREAM_PORT.capabilities.map((one) =>
    one.kind === 'express' ? { ...one, type: PCIE_DOWNSTREAM_PORT } : one,
  ),
}

/** QEMU's `pcie-pci-bridge`: requests from below bear its secondary bus number, device 0, function 0. */
export const PCIE_PCI_BRIDGE: BridgeModel = {
  vendorId: 0x1b36,
  deviceId: 0x000e,
  revisionId: 0,
  classCode: PCI_CLASS_BRIDGE_PCI,
  interruptPin: 1,
  size: 4096,
  bars: [{ bar: 0, kind: 'memory64', size: 0x100 }],
  secondary: 'conventional',
  requesterNaming: 'secondary-bus',
  capabilities: [
    { kind: 'hot-plug', offset: 0x40 },
    { kind: 'express', offset: 0x48, type: PCIE_TO_PCI_BRIDGE, linkSpeed: 1, linkWidth: 1 },
    { kind: 'power-management', offset: 0x84 },
    { kind: 'msi', offset: 0x8c, vectors: 1, address64: true, perVectorMasking: true },
    { kind: 'aer', offset: 0x100 },
  ],
}

/** QEMU's `pci-bridge`. On a conventional bus nobody's requests have names: the root complex sees the bridge's own. */
export const PCI_BRIDGE: BridgeModel = {
  vendorId: 0x1b36,
  deviceId: 0x0001,
  revisionId: 0,
  classCode: PCI_CLASS_BRIDGE_PCI,
  interruptPin: 1,
  size: 256,
  bars: [{ bar: 0, kind: 'memory64', size: 0x100 }],
  secondary: 'conventional',
  requesterNaming: 'bridge',
  capabilities: [
    { kind: 'hot-plug', offset: 0x40 },
    { kind: 'slot-id', offset: 0x48 },
    { kind: 'msi', offset: 0x4c, vectors: 1, address64: true, perVectorMasking: true },
  ],
}

/** Sun's Advanced PCI Bridge, Simba, each of whose two functions leads to a bus: QEMU's `pbm-bridge`. */
export const SIMBA_BRIDGE: BridgeModel = {
  vendorId: 0x108e,
  deviceId: 0x5000,
  revisionId: 0x11,
  classCode: PCI_CLASS_BRIDGE_PCI,
  interruptPin: 0,
  size: 256,
  bars: [],
  secondary: 'conventional',
  requesterNaming: 'own-ids',
  wideIo: true,
  capabilities: [],
}

/** Intel's ICH9 DMI-to-PCI bridge, QEMU's `i82801b11-bridge`. */
export const I82801B11_BRIDGE: BridgeModel = {
  vendorId: 0x8086,
  deviceId: 0x244e,
  revisionId: 0x92,
  classCode: PCI_CLASS_BRIDGE_PCI_SUBTRACTIVE,
  interruptPin: 0,
  size: 256,
  bars: [],
  secondary: 'conventional',
  requesterNaming: 'bridge',
  capabilities: [{ kind: 'subsystem', offset: 0x50, vendorId: 0, id: 0 }],
}
