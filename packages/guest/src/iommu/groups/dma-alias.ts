import {
  PCIE_DOWNSTREAM_PORT,
  PCIE_ROOT_PORT,
  PCIE_TO_PCI_BRIDGE,
  PCIE_UPSTREAM_PORT,
  requesterId,
} from '@dmascope/pci/spec'
import type { PciDevice } from '../contract.ts'
import { isSilentExpressBridge, isTranslationRoot, knownAliases } from './dma-alias-quirks.ts'

/** A requester ID under which a device's DMA may arrive, and the function that puts it there. */
export interface DmaAlias {
  readonly device: PciDevice
  readonly requester: number
}

export const ownRequester = (device: PciDevice): number => requesterId(device.bus, device.device, device.function)

/**
 * The requester IDs that a device's DMA may bear, its own first, then those of others on its bus where the device is
 * known for it, then those of bridges above it that take ownership
 * (PCIe 6.0 and the PCI Express to PCI/PCI-X Bridge Specification): a PCIe-to-PCI bridge answers for its secondary bus
 * as device 0, function 0 of that bus; a conventional bridge, or one into PCIe, for itself. Ports of PCIe pass IDs on.
 */
export function dmaAliases(device: PciDevice): readonly DmaAlias[] {
  const aliases: DmaAlias[] = [{ device, requester: ownRequester(device) }]
  for (const alias of knownAliases(device)) {
    aliases.push({ device, requester: requesterId(device.bus, alias >>> 3, alias & 7) })
  }
  let below = device
  for (let bridge = device.parent; bridge !== null; bridge = bridge.parent) {
    if (isTranslationRoot(bridge)) break
    const above = bridge.parent?.pcieType ?? null
    if (isSilentExpressBridge(bridge, above !== null && above !== PCIE_TO_PCI_BRIDGE)) {
      aliases.push({ device: bridge, requester: requesterId(below.bus, 0, 0) })
      below = bridge
      continue
    }
    switch (bridge.pcieType) {
      case PCIE_ROOT_PORT:
      case PCIE_UPSTREAM_PORT:
      case PCIE_DOWNSTREAM_PORT:
        break
      case PCIE_TO_PCI_BRIDGE:
        // What stands below the bridge stands on its secondary bus.
        aliases.push({ device: bridge, requester: requesterId(below.bus, 0, 0) })
        break
      default:
        aliases.push({ device: bridge, requester: ownRequester(bridge) })
    }
    below = bridge
  }
  return aliases
}
