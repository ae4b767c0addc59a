import type { PciDevice } from '../contract.ts'
import { isIsolated, isPathIsolated } from './access-control.ts'
import type { IsolationFacts } from './access-control-quirks.ts'
import { dmaAliases } from './dma-alias.ts'
import { knownAliases } from './dma-alias-quirks.ts'
import { isMultifunction } from './multifunction.ts'

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
  readonly #onBus = new Map<string, PciDevice[]>()
  /** Of the few functions that have any. */
  readonly #aliases = new Map<PciDevice, readonly number[]>()
  readonly #facts: IsolationFacts
  readonly #byDevice = new Map<PciDevice, IommuGroup>()

  /** @param all - every function that enumeration found, grouped or not */
  constructor(all: readonly PciDevice[], acsRequested: boolean, ivrs = false) {
    for (const device of all) this.add(device)
    this.#facts = { acsRequested, ivrs }
  }

  /** A function that has come after enumeration. */
  add(device: PciDevice): void {
    const bus = this.#onBus.get(busOf(device))
    if (bus === undefined) this.#onBus.set(busOf(device), [device])
    else bus.push(device)
    const aliases = knownAliases(device)
    if (aliases.length > 0) this.#aliases.set(device, aliases)
  }

  of(device: PciDevice): IommuGroup | null {
    return this.#byDevice.get(device) ?? null
  }

  /** A group for a device that nothing else can be taken for: one on no bus (`generic_device_group`). */
  alone(): IommuGroup {
    const group: IommuGroup = { id: this.groups.length, devices: [] }
    this.groups.push(group)
    return group
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
      if (isPathIsolated(bridge, this.#facts)) break
      top = bridge
      const group = this.#byDevice.get(bridge)
      if (group) return { group, because: `${bridge.id} above it does not keep its peers apart by ACS` }
    }
    const seen = new Set<PciDevice>()
    const shared = this.#groupOfAliases(top, seen) ?? this.#groupOfSiblings(top, seen)
    if (shared) return shared
    const group = { id: this.groups.length, devices: [] }
    this.groups.push(group)
    return { group, because: 'nothing that came before it shares its path or its requester ID' }
  }

  /** The device's own group, or that of one on its bus which bears its requester ID, or whose ID it bears. */
  #groupOfAliases(device: PciDevice, seen: Set<PciDevice>): GroupDecision | null {
    if (seen.has(device)) return null
    seen.add(device)
    if (this.#aliases.size === 0) return null
    for (const other of this.#onBus.get(busOf(device)) ?? []) {
      if (other === device || !(this.#bearsIdOf(device, other) || this.#bearsIdOf(other, device))) continue
      const group = this.#byDevice.get(other)
      if (group && !seen.has(other)) return { group, because: `it and ${other.id} bear the same requester ID` }
      const further = this.#groupOfAliases(other, seen) ?? this.#groupOfSiblings(other, seen)
      if (further) return further
    }
    return null
  }

  /** Whether the DMA of one function may bear the requester ID of another on its bus. */
  #bearsIdOf(one: PciDevice, other: PciDevice): boolean {
    return this.#aliases.get(one)?.includes((other.device << 3) | other.function) === true
  }

  /** The group of another function of a device whose functions nothing isolates, or of what aliases that one. */
  #groupOfSiblings(device: PciDevice, seen: Set<PciDevice>): GroupDecision | null {
    if (!isMultifunction(device) || isIsolated(device, this.#facts)) return null
    for (const other of this.#onBus.get(busOf(device)) ?? []) {
      if (other === device || other.device !== device.device || isIsolated(other, this.#facts)) continue
      const group = this.#byDevice.get(other)
      if (group && !seen.has(other)) {
        return { group, because: `it is a function of the same device as ${other.id}, without ACS` }
      }
      const further = this.#groupOfAliases(other, seen)
      if (further) return further
    }
    return null
  }
}

const busOf = ({ segment, bus }: PciDevice): string => `${segment}:${bus}`
