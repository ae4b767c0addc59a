import { ACS_CAPABILITY, ACS_CONTROL_REGISTER, PCI_EXT_CAP_ID_ACS, PCIE_ROOT_PORT } from '@dmascope/pci/spec'
import type { CapabilityOffsets } from '../iommu/contract.ts'
import type { ConfigAccess, FunctionAddress } from './config-access.ts'

const { ACS_CAPABILITY: OFFERED, ACS_CONTROL: CONTROL } = ACS_CAPABILITY.registers
const { SOURCE_VALIDATION, P2P_REQUEST_REDIRECT, P2P_COMPLETION_REDIRECT, UPSTREAM_FORWARDING } =
  ACS_CONTROL_REGISTER.fields
/** What Linux enables of what a function offers (`pci_std_enable_acs`). */
const WANTED =
  SOURCE_VALIDATION.loMask | P2P_REQUEST_REDIRECT.loMask | P2P_COMPLETION_REDIRECT.loMask | UPSTREAM_FORWARDING.loMask

/**
 * Root ports of Intel's 100 and 200 series (Sunrise Point, Union Point) and of mobile parts of those years have the
 * control register where a dword after the capability's would stand, not a word (Linux's
 * `pci_quirk_intel_spt_pch_acs_match`).
 */
const CONTROL_AFTER_A_DWORD: readonly (readonly [first: number, last: number])[] = [
  [0xa110, 0xa11f],
  [0xa167, 0xa16a],
  [0xa290, 0xa29f],
  [0xa2e7, 0xa2ee],
  [0x9d10, 0x9d1b],
]
const CONTROL_THERE = OFFERED.offset + 4

const isMisplaced = (vendor: number, device: number, pcieType: number | null): boolean =>
  vendor === 0x8086 &&
  pcieType === PCIE_ROOT_PORT &&
  CONTROL_AFTER_A_DWORD.some(([first, last]) => device >= first && device <= last)

/** Where the control register lies of a function whose capability lies at `base`. */
export function acsControlRegister(
  base: number,
  ids: { readonly vendorId: number; readonly deviceId: number; readonly pcieType: number | null },
): { readonly control: number; readonly width: 2 | 4; readonly misplaced: boolean } {
  const misplaced = isMisplaced(ids.vendorId, ids.deviceId, ids.pcieType)
  return misplaced
    ? { control: base + CONTROL_THERE, width: 4, misplaced }
    : { control: base + CONTROL.offset, width: 2, misplaced }
}

/**
 * Reads a function's Access Control Services, and enables them where an IOMMU is going to be used: what may go from
 * device to device past it would make their isolation worthless.
 *
 * @returns null without the capability
 */
export function settleAcs(
  config: ConfigAccess,
  at: FunctionAddress,
  ids: { readonly vendorId: number; readonly deviceId: number; readonly pcieType: number | null },
  extendedCapabilities: CapabilityOffsets,
  enable: boolean,
): { readonly capability: number; readonly control: number } | null {
  const base = extendedCapabilities.get(PCI_EXT_CAP_ID_ACS)
  if (base === undefined) return null
  const capability = config.read(at, base + OFFERED.offset, 2)
  const { control, width } = acsControlRegister(base, ids)
  if (enable) {
    const old = config.read(at, control, width)
    config.write(at, control, width, (old | (capability & WANTED)) >>> 0)
  }
  return { capability, control: config.read(at, control, width) & 0xffff }
}
