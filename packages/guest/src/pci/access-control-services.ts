import { ACS_CAPABILITY, ACS_CONTROL_REGISTER, PCI_EXT_CAP_ID_ACS } from '@dmascope/pci/spec'
import type { ConfigAccess, FunctionAddress } from './config-access.ts'

const { ACS_CAPABILITY: OFFERED, ACS_CONTROL: CONTROL } = ACS_CAPABILITY.registers
const { SOURCE_VALIDATION, P2P_REQUEST_REDIRECT, P2P_COMPLETION_REDIRECT, UPSTREAM_FORWARDING } =
  ACS_CONTROL_REGISTER.fields
/** What Linux enables of what a function offers (`pci_std_enable_acs`). */
const WANTED =
  SOURCE_VALIDATION.loMask | P2P_REQUEST_REDIRECT.loMask | P2P_COMPLETION_REDIRECT.loMask | UPSTREAM_FORWARDING.loMask

/**
 * Reads a function's Access Control Services, and enables them where an IOMMU is going to be used: what may go from
 * device to device past it would make their isolation worthless.
 *
 * @returns null without the capability
 */
export function settleAcs(
  config: ConfigAccess,
  at: FunctionAddress,
  extendedCapabilities: ReadonlyMap<number, number>,
  enable: boolean,
): { readonly capability: number; readonly control: number } | null {
  const base = extendedCapabilities.get(PCI_EXT_CAP_ID_ACS)
  if (base === undefined) return null
  const capability = config.read(at, base + OFFERED.offset, 2)
  if (enable) {
    const old = config.read(at, base + CONTROL.offset, 2)
    config.write(at, base + CONTROL.offset, 2, (old & ~WANTED) | (capability & WANTED))
  }
  return { capability, control: config.read(at, base + CONTROL.offset, 2) }
}
