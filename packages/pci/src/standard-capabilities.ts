import type { ConfigSpace } from './config-space.ts'
import { registerImage, withOwnMasks } from './register-image.ts'
import {
  PCI_CAP_ID_PM,
  PCI_CAP_ID_SSVID,
  PCI_EXT_CAP_ID_ACS,
  PCI_EXT_CAP_ID_AER,
  PCI_EXT_CAP_ID_ARI,
  PCI_EXT_CAP_ID_ATS,
  SSVID_CAPABILITY,
} from './spec/capability.ts'
import {
  ACS_CAPABILITY,
  ACS_CAPABILITY_REGISTER,
  AER_CAPABILITY,
  ARI_CAPABILITY,
  ARI_CAPABILITY_REGISTER,
  ATS_CAPABILITY,
  ATS_CAPABILITY_REGISTER,
} from './spec/extended.ts'
import { PM_CAPABILITY, PMC, PMCSR } from './spec/power-management.ts'

/** Power Management of version 3, with D0 and D3hot. Returns where it stands. */
export function addPowerManagementCapability(
  config: ConfigSpace,
  options: { readonly noSoftReset?: boolean; readonly offset?: number } = {},
): number {
  const image = registerImage(PM_CAPABILITY, {
    PMC: PMC.fields.VERSION.setLo(0, 3),
    PMCSR: PMCSR.fields.NO_SOFT_RESET.setLo(0, options.noSoftReset === true ? 1 : 0),
  })
  return config.addCapability(PCI_CAP_ID_PM, image, options.offset)
}

/** A bridge's subsystem IDs. */
export function addSubsystemCapability(
  config: ConfigSpace,
  options: { readonly subsystemVendorId: number; readonly subsystemId: number; readonly offset?: number },
): number {
  const both = ((options.subsystemId << 16) | options.subsystemVendorId) >>> 0
  return config.addCapability(PCI_CAP_ID_SSVID, registerImage(SSVID_CAPABILITY, { SSVID_SSID: both }), options.offset)
}

/** Advanced Error Reporting, at its default severities and masks. `root` adds the root port's registers. */
export function addAerCapability(
  config: ConfigSpace,
  options: { readonly offset: number; readonly version?: number; readonly root?: boolean },
): number {
  const end = AER_CAPABILITY.registers.ROOT_ERROR_COMMAND.offset
  const image = withOwnMasks(registerImage(AER_CAPABILITY, {}, options.root === true ? AER_CAPABILITY.size : end))
  if (options.root === true) {
    // Three reporting enables are writable in Root Error Command; four status bits are cleared by writing one.
    image.writeMask[end] = 0x07
    image.clearMask[end + 4] = 0x7f
  }
  return config.addExtendedCapability(PCI_EXT_CAP_ID_AER, options.version ?? 2, image, options.offset)
}

/** Bits of ACS, by the names of the specification's abbreviations: SV 1, TB 2, RR 4, CR 8, UF 0x10, EC 0x20, DT 0x40. */
export const ACS_ALL_WITHOUT_EGRESS_CONTROL = 0x5f

/** Access Control Services: each bit of `capabilities` can be enabled by software, no other. */
export function addAcsCapability(
  config: ConfigSpace,
  options: { readonly offset: number; readonly capabilities?: number },
): number {
  const all = Object.values(ACS_CAPABILITY_REGISTER.fields).reduce((mask, one) => mask | one.loMask, 0)
  const capabilities = (options.capabilities ?? ACS_ALL_WITHOUT_EGRESS_CONTROL) & all
  const image = withOwnMasks(registerImage(ACS_CAPABILITY, { ACS_CAPABILITY: capabilities }))
  const control = ACS_CAPABILITY.registers.ACS_CONTROL.offset
  image.writeMask[control] = capabilities
  return config.addExtendedCapability(PCI_EXT_CAP_ID_ACS, 1, image, options.offset)
}

/**
 * Address Translation Services.
 *
 * @param options.queueDepth - invalidations that it takes at once, 1 to 32. Default 32
 * @param options.pageAligned - its requests are page-aligned. Default true
 */
export function addAtsCapability(
  config: ConfigSpace,
  options: { readonly offset: number; readonly queueDepth?: number; readonly pageAligned?: boolean },
): number {
  const { PAGE_ALIGNED_REQUEST, INVALIDATE_QUEUE_DEPTH } = ATS_CAPABILITY_REGISTER.fields
  // A depth of 32 is written as 0.
  const depth = INVALIDATE_QUEUE_DEPTH.setLo(0, (options.queueDepth ?? 32) & 0x1f)
  const register = PAGE_ALIGNED_REQUEST.setLo(depth, options.pageAligned === false ? 0 : 1)
  const image = registerImage(ATS_CAPABILITY, { ATS_CAPABILITY: register })
  return config.addExtendedCapability(PCI_EXT_CAP_ID_ATS, 1, image, options.offset)
}

/** Alternative Routing-ID Interpretation. */
export function addAriCapability(
  config: ConfigSpace,
  options: { readonly offset: number; readonly nextFunction?: number },
): number {
  const image = registerImage(ARI_CAPABILITY, {
    ARI_CAPABILITY: ARI_CAPABILITY_REGISTER.fields.NEXT_FUNCTION_NUMBER.setLo(0, options.nextFunction ?? 0),
  })
  return config.addExtendedCapability(PCI_EXT_CAP_ID_ARI, 1, image, options.offset)
}
