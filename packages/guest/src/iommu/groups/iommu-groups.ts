import type { PciDevice } from '../contract.ts'
import { isIsolated, isMultifunction, isPathIsolated } from './access-control.ts'
import { dmaAliases } from './dma-alias.ts'
import { functionAlias } from './dma-alias-quirks.ts'

/** Devices that cannot be told apart, or kept apart, by an IOMMU. */
export interface IommuGroup {
  readonly id: number
  readonly devices: PciDevice[]
}

/** Which group a device came into, and by which rule. */
export interface GroupDecision {
  readonly group: IommuGroup
  readonly because: string
}

/**
 * Linux's `pci_device_group`: groups are numbered in the order in which they are first needed, and what a device shares
 * a group with depends on which devices came before it.
 */
export class IommuGroups {
  readonly groups: IommuGroup[] = []
  readonly #all: readonly PciDevice[]
  readonly #acsRequested: boolean
  readonly #byDevice = new Map<PciDevice, IommuGroup>()

  /** @param all - every function that enumeration found, grouped or not */
  constructor(all: readonly PciDevice[], acsRequested: boolean) {
    this.#all = all
    this.#acsRequested = acsRequested
  }

  of(device: PciDevice): IommuGroup | null {
    return this.#byDevice.get(device) ?? null
  }

  /** Puts a device into the group where it belongs, which may be a new one. */
  assign(device: PciDevice): GroupDecision {
    const decision = this.#find(device)
    decision.group.devices.push(device)
    this.#byDevice.set(device, decision.group)
    return decision
  }

  #find(device: PciDevice): GroupDecision {
    let top = device
    for (const alias of dmaAliases(device)) {
      top = alias.device
      const group = this.#byDevice.get(top)
      if (group) return { group, because: `its DMA bears the requester ID of ${top.id}` }
    }
    // Up from there to where peers are kept apart.
    for (let bridge = top.parent; bridge !== null; bridge = bridge.parent) {
      if (isPathIsolated(bridge, this.#acsRequested)) break
      top = bridge
      const group = this.#byDevice.get(bridge)
      if (group) return { group, because: `${bridge.id} above it does not keep its peers apart by ACS` }
    }
    const sibling = this.#groupOfPartner(top, new Set()) ?? this.#groupOfSibling(top)
    if (sibling) return sibling
    const group = { id: this.groups.length, devices: [] }
    this.groups.push(group)
    return { group, because: 'nothing that came before it shares its path or its requester ID' }
  }

  /** A function of the same device that bears this one's requester ID, or whose ID this one bears. */
  #groupOfPartner(device: PciDevice, seen: Set<PciDevice>): GroupDecision | null {
    seen.add(device)
    for (const other of this.#all) {
      const isSlot = other.segment === device.segment && other.bus === device.bus && other.device === device.device
      if (!isSlot || seen.has(other)) continue
      if (functionAlias(device) !== other.function && functionAlias(other) !== device.function) continue
      const group = this.#byDevice.get(other)
      if (group) return { group, because: `it and ${other.id} bear the same requester ID` }
      const further = this.#groupOfPartner(other, seen)
      if (further) return further
    }
    return null
  }

  #groupOfSibling(device: PciDevice): GroupDecision | null {
    if (!isMultifunction(device) || isIsolated(device, this.#acsRequested)) return null
    for (const other of this.#all) {
      if (
        other === device ||
        other.segment !== device.segment ||
        other.bus !== device.bus ||
        other.device !== device.device ||
        isIsolated(other, this.#acsRequested)
      ) {
        continue
      }
      const group = this.#byDevice.get(other)
      if (group) return { group, because: `it is a function of the same device as ${other.id}, without ACS` }
    }
    return null
  }
}
