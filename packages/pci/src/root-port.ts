import { Bridge } from './bridge.ts'
import { addExpressCapability } from './express-capability.ts'
import { Msi } from './msi.ts'
import { Msix } from './msix.ts'
import { PCI_CLASS_BRIDGE_PCI } from './spec/class-code.ts'
import { PCIE_ROOT_PORT } from './spec/express.ts'
import { addAcsCapability, addAerCapability, addSubsystemCapability } from './standard-capabilities.ts'

/** What distinguishes one make of root port from another: IDs, and which capabilities stand where. */
export interface RootPortModel {
  readonly vendorId: number
  readonly deviceId: number
  readonly revisionId: number
  readonly subsystemVendorId: number
  readonly subsystemId: number
  readonly subsystemOffset: number
  /** Either MSI-X, with its table in BAR 0, or MSI. */
  readonly interrupts:
    | { readonly kind: 'msix'; readonly offset: number; readonly vectors: number }
    | { readonly kind: 'msi'; readonly offset: number; readonly vectors: number }
  readonly expressOffset: number
  readonly aerOffset: number
  /** Null for a port without Access Control Services: then everything below shares its isolation. */
  readonly acsOffset: number | null
  readonly linkSpeed: number
  readonly linkWidth: number
}

/** QEMU's `pcie-root-port`. */
export const GENERIC_ROOT_PORT: RootPortModel = {
  vendorId: 0x1b36,
  deviceId: 0x000c,
  revisionId: 0,
  subsystemVendorId: 0x1b36,
  subsystemId: 0,
  subsystemOffset: 0x40,
  interrupts: { kind: 'msix', offset: 0x48, vectors: 1 },
  expressOffset: 0x54,
  aerOffset: 0x100,
  acsOffset: 0x148,
  linkSpeed: 4,
  linkWidth: 32,
}

/** Intel's X58 root port, QEMU's `ioh3420`. It has no ACS. */
export const IOH3420_ROOT_PORT: RootPortModel = {
  vendorId: 0x8086,
  deviceId: 0x3420,
  revisionId: 2,
  subsystemVendorId: 0x8086,
  subsystemId: 0,
  subsystemOffset: 0x40,
  interrupts: { kind: 'msi', offset: 0x60, vectors: 2 },
  expressOffset: 0x90,
  aerOffset: 0x100,
  acsOffset: null,
  linkSpeed: 1,
  linkWidth: 1,
}

export interface RootPortOptions {
  /** Default: `GENERIC_ROOT_PORT`. */
  readonly model?: RootPortModel
  readonly multifunction?: boolean
  readonly portNumber?: number
  /** Physical slot number. Default 0. */
  readonly slot?: number
  /** Whether a device will be attached below: the link then reports itself up. Default true. */
  readonly occupied?: boolean
}

/** A PCI Express root port. */
export class RootPort extends Bridge {
  /** Null for a model that has MSI. */
  readonly msix: Msix | null
  /** Null for a model that has MSI-X. */
  readonly msi: Msi | null

  constructor(options: RootPortOptions = {}) {
    const model = options.model ?? GENERIC_ROOT_PORT
    const usesMsix = model.interrupts.kind === 'msix'
    super({
      vendorId: model.vendorId,
      deviceId: model.deviceId,
      revisionId: model.revisionId,
      classCode: PCI_CLASS_BRIDGE_PCI,
      multifunction: options.multifunction === true,
      interruptPin: 1,
      size: 4096,
      expressLink: true,
      bars: usesMsix ? [{ bar: 0, kind: 'memory32', size: 0x1000 }] : [],
    })
    // In the order in which the chain links them: the last added stands first.
    const { offset, vectors } = model.interrupts
    addSubsystemCapability(this.config, { ...model, offset: model.subsystemOffset })
    this.msix = usesMsix ? new Msix(this.config, { offset, vectors, tableBar: 0 }) : null
    this.msi = usesMsix ? null : new Msi(this.config, { offset, vectors, address64: false, perVectorMasking: true })
    addExpressCapability(this.config, {
      type: PCIE_ROOT_PORT,
      offset: model.expressOffset,
      linkSpeed: model.linkSpeed,
      linkWidth: model.linkWidth,
      portNumber: options.portNumber ?? 0,
      slot: options.slot ?? 0,
      occupied: options.occupied !== false,
      ariForwarding: true,
    })
    addAerCapability(this.config, { offset: model.aerOffset, root: true })
    if (model.acsOffset !== null) addAcsCapability(this.config, { offset: model.acsOffset })
  }

  override readBar(bar: number, offset: number, width: 1 | 2 | 4 | 8, out: Uint32Array): void {
    const msix = bar === 0 ? this.msix : null
    out[0] = msix?.read(offset, width === 8 ? 4 : width) ?? 0
    if (width === 8) out[1] = msix?.read(offset + 4, 4) ?? 0
  }

  override writeBar(bar: number, offset: number, width: 1 | 2 | 4 | 8, lo: number, hi: number): void {
    if (bar !== 0 || this.msix === null) return
    this.msix.write(offset, width === 8 ? 4 : width, lo)
    if (width === 8) this.msix.write(offset + 4, 4, hi)
  }

  override reset(kind: 'function' | 'bus'): void {
    super.reset(kind)
    this.msix?.reset()
  }
}
