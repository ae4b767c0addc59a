import type { InterruptPort } from '@dmascope/memory'
import { Msi } from '@dmascope/pci'
import { StaticFunction } from '../../chipset/static-function.ts'

/** What an AMD IOMMU's PCI function says of itself. */
export interface AmdFunctionOptions {
  readonly deviceId: number
  readonly multifunction: boolean
  /** The six words of the IOMMU capability block. */
  readonly capability: readonly number[]
}

const AMD = 0x1022
/** AMD's ID of the IOMMU in processors of family 15h. */
export const AMD_IOMMU_DEVICE_ID = 0x1419
const IOMMU_CAPABILITY_ID = 0x0f
const HYPERTRANSPORT_ID = 0x08
const MSI_ID = 0x05

/**
 * An AMD IOMMU's PCI function as QEMU has it (`amdvi_pci_realize`): the capability block, two empty capabilities behind
 * it, then an MSI capability, by which the unit tells software of events. It does no DMA.
 */
export class AmdIommuFunction extends StaticFunction {
  readonly #msi: Msi

  constructor({ deviceId, multifunction, capability }: AmdFunctionOptions) {
    super({
      vendorId: AMD,
      deviceId,
      classCode: 0x08_0600,
      subsystemVendorId: 0x1af4,
      subsystemId: 0x1100,
      multifunction,
    })
    const block = new Uint8Array(24)
    capability.forEach((word, index) => {
      new DataView(block.buffer).setUint32(index * 4, word, true)
    })
    this.#addReadOnly(IOMMU_CAPABILITY_ID, block, 0x40)
    this.#addReadOnly(MSI_ID, new Uint8Array(4), 0x58)
    this.#addReadOnly(HYPERTRANSPORT_ID, new Uint8Array(4), 0x5c)
    this.#msi = new Msi(this.config, { offset: 0x60 })
  }

  #addReadOnly(id: number, bytes: Uint8Array, offset: number): void {
    const fixed = new Uint8Array(bytes.length)
    this.config.addCapability(id, { bytes, writeMask: fixed, clearMask: fixed }, offset)
  }

  /** Sends the unit's message, if software turned messages on. */
  raise(to: InterruptPort): void {
    this.#msi.trigger(0, to)
  }
}
