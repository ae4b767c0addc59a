import {
  ACS_CONTROL_REGISTER,
  PCI_TO_PCIE_BRIDGE,
  PCIE_DOWNSTREAM_PORT,
  PCIE_ROOT_COMPLEX_EVENT_COLLECTOR,
  PCIE_ROOT_PORT,
  PCIE_TO_PCI_BRIDGE,
} from '@dmascope/pci/spec'
import type { PciDevice } from '../contract.ts'
import { type IsolationFacts, knownIsolation } from './access-control-quirks.ts'
import { isMultifunction } from './multifunction.ts'

const { SOURCE_VALIDATION, P2P_REQUEST_REDIRECT, P2P_COMPLETION_REDIRECT, UPSTREAM_FORWARDING } =
  ACS_CONTROL_REGISTER.fields

/** What isolates a function from its peers; bits of ACS capability and control alike. */
const ISOLATING_ACS =
  SOURCE_VALIDATION.loMask | P2P_REQUEST_REDIRECT.loMask | P2P_COMPLETION_REDIRECT.loMask | UPSTREAM_FORWARDING.loMask

/**
 * Whether peer-to-peer traffic past this function is controlled, be it because it is enabled or because there can be
 * none.
 */
export function isIsolated(device: PciDevice, facts: IsolationFacts): boolean {
  const known = knownIsolation(device, facts)
  if (known !== null) return known
  switch (device.pcieType) {
    case null:
    case PCIE_TO_PCI_BRIDGE:
    case PCI_TO_PCIE_BRIDGE:
    case PCIE_ROOT_COMPLEX_EVENT_COLLECTOR:
      return false
    case PCIE_ROOT_PORT:
    case PCIE_DOWNSTREAM_PORT:
      return controlsEnabled(device)
    default:
      // A single function that forwards nothing has no peers to be shielded from.
      return !isMultifunction(device) || controlsEnabled(device)
  }
}

/** What the capability does not have counts as always on: only what it has must be enabled. */
function controlsEnabled({ acs }: PciDevice): boolean {
  if (acs === null) return false
  const needed = acs.capability & ISOLATING_ACS
  return (acs.control & needed) === needed
}

/** Whether every bridge from this one up to its root bus is isolated. */
export function isPathIsolated(bridge: PciDevice, facts: IsolationFacts): boolean {
  for (let at: PciDevice | null = bridge; at !== null; at = at.parent) {
    if (!isIsolated(at, facts)) return false
  }
  return true
}
