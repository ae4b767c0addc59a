import { Bridge } from './bridge.ts'
import type { BridgeCapability, BridgeModel } from './bridge-model.ts'
import { addExpressCapability } from './express-capability.ts'
import { Msi } from './msi.ts'
import { Msix } from './msix.ts'
import { readOnlyImage } from './register-image.ts'
import { PCI_CAP_ID_SHPC, PCI_CAP_ID_SLOT_ID } from './spec/capability.ts'
import { DEVICE_CONTROL_2, PCIE_CAPABILITY, PCIE_DOWNSTREAM_PORT, PCIE_ROOT_PORT } from './spec/express.ts'
import {
  addAcsCapability,
  addAerCapability,
  addPowerManagementCapability,
  addSubsystemCapability,
} from './standard-capabilities.ts'

export interface ModelledBridgeOptions {
  readonly model: BridgeModel
  readonly multifunction?: boolean
  /** Port number of a PCI Express port. Default 0. */
  readonly portNumber?: number
  /** Physical slot number below a root or downstream port. Default 0. */
  readonly slot?: number
  /** Whether a device will be attached below: the link then reports itself up. Default true. */
  readonly occupied?: boolean
  /** As for `Bridge`: devices other than 0 can be plugged in at the end of a link. */
  readonly anyDevice?: boolean
}

/** A bridge of a certain make: a root port, a port of a switch, or a bridge to a conventional bus. */
export class ModelledBridge extends Bridge {
  /** Null for a model that has none. */
  readonly msix: Msix | null
  /** Null for a model that has none. */
  readonly msi: Msi | null
  /** Where the PCI Express capability stands; null without one. */
  #express: number | null = null

  constructor(options: ModelledBridgeOptions) {
    const { model } = options
    super({
      vendorId: model.vendorId,
      deviceId: model.deviceId,
      revisionId: model.revisionId,
      classCode: model.classCode,
      multifunction: options.multifunction === true,
      interruptPin: model.interruptPin,
      size: model.size,
      bars: model.bars,
      expressLink: model.secondary === 'express-link',
      anyDevice: options.anyDevice === true,
      expressSecondary: model.secondary !== 'conventional',
      requesterNaming: model.requesterNaming,
      wideIo: model.wideIo === true,
    })
    let msix: Msix | null = null
    let msi: Msi | null = null
    for (const one of model.capabilities) {
      if (one.kind === 'msix') msix = new Msix(this.config, { ...one, tableBar: 0 })
      else if (one.kind === 'msi') msi = new Msi(this.config, one)
      else this.#add(one, options)
    }
    this.msix = msix
    this.msi = msi
  }

  get ariForwarding(): boolean {
    if (this.#express === null) return false
    const register = this.config.peek(this.#express + PCIE_CAPABILITY.registers.DEVICE_CONTROL_2.offset, 2)
    return DEVICE_CONTROL_2.fields.ARI_FORWARDING_ENABLE.get(register) === 1
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

  #add(one: Exclude<BridgeCapability, { kind: 'msix' | 'msi' }>, options: ModelledBridgeOptions): void {
    const { config } = this
    const { offset } = one
    switch (one.kind) {
      case 'subsystem':
        addSubsystemCapability(config, { subsystemVendorId: one.vendorId, subsystemId: one.id, offset })
        break
      case 'express': {
        const hasSlot = one.type === PCIE_ROOT_PORT || one.type === PCIE_DOWNSTREAM_PORT
        this.#express = addExpressCapability(config, {
          ...one,
          portNumber: options.portNumber ?? 0,
          occupied: options.occupied !== false,
          ariForwarding: hasSlot,
          ...(hasSlot && { slot: options.slot ?? 0 }),
        })
        break
      }
      case 'power-management':
        addPowerManagementCapability(config, { offset })
        break
      case 'aer':
        addAerCapability(config, { offset, root: isRootPort(options.model) })
        break
      case 'acs':
        addAcsCapability(config, { offset })
        break
      // The hot-plug controller's registers are not behind its capability: nothing is ever plugged in later.
      case 'hot-plug':
        config.addCapability(PCI_CAP_ID_SHPC, readOnlyImage(new Uint8Array(8)), offset)
        break
      case 'slot-id':
        config.addCapability(PCI_CAP_ID_SLOT_ID, readOnlyImage(new Uint8Array(4)), offset)
        break
    }
  }
}

const isRootPort = (model: BridgeModel): boolean =>
  model.capabilities.some((one) => one.kind === 'express' && one.type === PCIE_ROOT_PORT)
