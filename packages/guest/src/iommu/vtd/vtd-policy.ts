import { type GuestProfile, isBefore } from '../../profile/guest-profile.ts'
import type { KernelCommandLine } from '../../profile/kernel-command-line.ts'
import type { Fact } from '../../result.ts'
import { COMMAND_LINE, type DefaultDomain, decideDefaultDomain } from '../default-domain.ts'

const FORCED = 'tboot launched the kernel, which turns VT-d on whatever else was said'
/** `intel_iommu=tboot_noforce` came with Linux 4.12: the first of the releases here that knows it. */
const KNOWS_NO_FORCE = '5.10'

/** What the kernel decided before it looked at any device. */
export interface VtdPolicy {
  /** False: the driver stays away from translation. Interrupt remapping is decided apart. */
  readonly enabled: boolean
  /** It was asked for, or not turned off: ports and switches are told to isolate. */
  readonly wanted: boolean
  /** A measured launch demands it: where it cannot be had, the kernel stops. */
  readonly forced: boolean
  /** Memory that the launch closed to devices is opened, translation or not. */
  readonly opensMemory: boolean
  readonly defaultDomain: DefaultDomain['type']
  /** Units that have scalable mode are run in it. */
  readonly scalableMode: boolean
  readonly why: readonly Fact[]
}

/** What the tables say of VT-d is read for the account alone. */
const NO_DRIVER: VtdPolicy = {
  enabled: false,
  wanted: false,
  forced: false,
  opensMemory: false,
  defaultDomain: 'identity',
  scalableMode: false,
  why: [{ fact: 'built without a driver for VT-d', source: 'kernel configuration' }],
}

/**
 * Whether to translate, and what devices get that ask for nothing: the build's defaults, then the command line, then
 * what a launch by tboot demands (`tboot_force_iommu`).
 */
export function decideVtdPolicy(profile: GuestProfile, options: KernelCommandLine, launched: boolean): VtdPolicy {
  if (!profile.configuration.intelIommu) return NO_DRIVER
  const why: Fact[] = []
  let enabled = profile.configuration.intelIommuDefaultOn
  if (options.intelIommu !== undefined) {
    enabled = options.intelIommu
    why.push({ fact: `intel_iommu=${enabled ? 'on' : 'off'}`, source: COMMAND_LINE })
  } else {
    why.push({ fact: `VT-d is ${enabled ? 'on' : 'off'} unless asked otherwise`, source: 'kernel configuration' })
  }
  if (options.iommuOff) {
    enabled = false
    why.push({ fact: 'iommu=off', source: COMMAND_LINE })
  }
  const wanted = enabled
  const opensMemory = options.tbootNoForce && !isBefore(profile, KNOWS_NO_FORCE)
  const forced = launched && !opensMemory
  if (forced) {
    enabled = true
    why.push({ fact: wanted ? 'tboot launched the kernel, which demands VT-d' : FORCED, source: 'tboot' })
  } else if (launched) {
    why.push({ fact: 'tboot launched the kernel; intel_iommu=tboot_noforce', source: COMMAND_LINE })
  }
  const scalableMode = options.scalableMode ?? profile.configuration.scalableModeDefaultOn
  if (!enabled) return { enabled, wanted, forced, opensMemory, defaultDomain: 'identity', scalableMode, why }
  const { type, why: because } = decideDefaultDomain(profile, options)
  return { enabled, wanted, forced, opensMemory, defaultDomain: type, scalableMode, why: [...why, ...because] }
}
